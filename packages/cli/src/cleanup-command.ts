/**
 * `walnut cleanup`: removes archived segments by age and size, and files that are no part of the log any more.
 *
 * Archived segments (`*.wal.recovered`) were released: no cursor needs them. Leftovers belong to whoever writes the log, so they
 * are touched under its lock only. Quarantine is never touched: it may hold the only copy of something.
 */
import { readdir, stat, unlink } from "node:fs/promises";
import { join } from "node:path";
import { inspectLog, isErrno, NodeStorage } from "@walnut/wal";
import type { CommandContext } from "./command-context.ts";
import { CommandFailure } from "./command-failure.ts";
import { EXIT_OK, EXIT_USAGE } from "./exit-code.ts";
import { locateLogs } from "./log-locator.ts";
import { formatBytes } from "./serve-text.ts";
import { formatDuration, parseAge, parseSize, plural } from "./quantity-text.ts";
import { tableLines } from "./text-table.ts";

export interface CleanupFlags {
  readonly olderThan?: string;
  readonly keep?: string;
  readonly all?: boolean;
  readonly archive?: string;
  readonly dryRun?: boolean;
  readonly json?: boolean;
}

/** A file that may go. */
interface Candidate {
  readonly path: string;
  readonly bytes: number;
  readonly modifiedMs: number;
  readonly why: string;
}

const ARCHIVED_SUFFIX = ".wal.recovered";

export async function cleanupCommand(
  directory: string,
  flags: CleanupFlags,
  context: CommandContext,
): Promise<number> {
  const isWanted = wantedBy(flags, context.environment.nowMs());
  const removed: Candidate[] = [];
  const kept: string[] = [];
  for (const log of await locateLogs(directory)) {
    const archives = [log.directory, ...(flags.archive === undefined ? [] : [flags.archive])];
    const archived = (await Promise.all(archives.map(archivedIn))).flat();
    removed.push(...(await removeAll(isWanted(archived), flags)));
    const leftovers = await removeLeftovers(log.directory, flags);
    removed.push(...leftovers.removed);
    if (leftovers.keptBecause !== undefined) kept.push(leftovers.keptBecause);
  }
  await print(removed, kept, flags, context);
  return EXIT_OK;
}

/** Which archived files go; the flags are checked before anything is looked at. */
function wantedBy(
  flags: CleanupFlags,
  nowMs: number,
): (files: readonly Candidate[]) => readonly Candidate[] {
  if (flags.all !== true && flags.olderThan === undefined && flags.keep === undefined) {
    throw new CommandFailure(
      EXIT_USAGE,
      "say which archived segments may go: --older-than 7d, --keep 10g (the newest), or --all",
    );
  }
  const maxAgeMs =
    flags.olderThan === undefined ? Infinity : parseAge(flags.olderThan, "--older-than");
  const keepBytes = flags.keep === undefined ? Infinity : parseSize(flags.keep, "--keep");
  return (files) => {
    let bytes = 0;
    return files
      .toSorted((a, b) => b.modifiedMs - a.modifiedMs || (a.path < b.path ? 1 : -1))
      .flatMap((file) => {
        bytes += file.bytes;
        if (flags.all === true) return [{ ...file, why: "archived" }];
        const ageMs = nowMs - file.modifiedMs;
        if (ageMs > maxAgeMs) return [{ ...file, why: `archived ${formatDuration(ageMs)} ago` }];
        return bytes > keepBytes ? [{ ...file, why: `archived, beyond --keep` }] : [];
      });
  };
}

async function archivedIn(directory: string): Promise<readonly Candidate[]> {
  let names: readonly string[];
  try {
    names = await readdir(directory);
  } catch (error) {
    throw new CommandFailure(EXIT_USAGE, `${directory} cannot be read`, { cause: error });
  }
  const paths = names
    .filter((name) => name.endsWith(ARCHIVED_SUFFIX))
    .map((name) => join(directory, name));
  return (await Promise.all(paths.map((path) => candidate(path, "archived")))).flat();
}

/** As a list: a file that has gone meanwhile is none. */
async function candidate(path: string, why: string): Promise<readonly Candidate[]> {
  try {
    const { size, mtimeMs } = await stat(path);
    return [{ path, bytes: size, modifiedMs: mtimeMs, why }];
  } catch {
    return [];
  }
}

async function removeLeftovers(
  directory: string,
  flags: CleanupFlags,
): Promise<{ readonly removed: readonly Candidate[]; readonly keptBecause?: string }> {
  const found = await leftoversOf(directory);
  if (found.length === 0 || flags.dryRun === true) return { removed: found };
  const lock = await new NodeStorage().lockDirectory(directory);
  if (lock.kind === "refused") {
    const files = plural(found.length, "leftover");
    return {
      removed: [],
      keptBecause: `${files} of ${directory} left to the writer: ${lock.owner}`,
    };
  }
  try {
    // Looked at again: only what is a leftover under the lock is one.
    return { removed: await removeAll(await leftoversOf(directory), flags) };
  } finally {
    await lock.release();
  }
}

async function leftoversOf(directory: string): Promise<readonly Candidate[]> {
  const { leftovers, names } = await inspectLog({ directory });
  const unfinished = names.filter((name) => name.endsWith(".tmp") || name === "next.prewrite");
  const found = [
    ...leftovers.map((name) => candidate(join(directory, name), "no part of the log any more")),
    ...unfinished.map((name) => candidate(join(directory, name), "unfinished")),
  ];
  return (await Promise.all(found)).flat();
}

async function removeAll(
  files: readonly Candidate[],
  flags: CleanupFlags,
): Promise<readonly Candidate[]> {
  if (flags.dryRun === true) return files;
  const removed: Candidate[] = [];
  for (const file of files) {
    try {
      await unlink(file.path);
      removed.push(file);
    } catch (error) {
      // Somebody else was faster; anything else is worth a word.
      if (!isErrno(error, "ENOENT")) throw error;
    }
  }
  return removed;
}

async function print(
  removed: readonly Candidate[],
  kept: readonly string[],
  flags: CleanupFlags,
  { output, terminal, note }: CommandContext,
): Promise<void> {
  const bytes = removed.reduce((total, file) => total + file.bytes, 0);
  const isDry = flags.dryRun === true;
  if (flags.json === true) {
    output.json({ isDryRun: isDry, files: removed, bytes, kept }, terminal.isTerminal);
  } else {
    for (const line of kept) note(`walnut: ${line}`);
    if (removed.length > 0) {
      const columns = [
        { title: isDry ? "would remove" : "removed", align: "left" },
        { title: "size", align: "right" },
        { title: "why", align: "left" },
      ] as const;
      const rows = removed.map((file) => [file.path, formatBytes(file.bytes), file.why]);
      output.line(...tableLines(columns, rows, terminal), "");
    }
    const verb = isDry ? "would be freed" : "freed";
    output.line(`${plural(removed.length, "file")}, ${formatBytes(bytes)} ${verb}`);
  }
  await output.flush();
}
