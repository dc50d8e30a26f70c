/**
 * From a directory that a person names to the logs that are meant: the directory itself, that of a series log in it, or those of a
 * server's data directory.
 */
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { CommandFailure } from "./command-failure.ts";
import { EXIT_USAGE } from "./exit-code.ts";

export interface LocatedLog {
  /** Short name for headings and `--log`: "worker-1", "catalog-1"; "" for a directory that is the log itself. */
  readonly name: string;
  readonly directory: string;
}

const SEGMENT_NAME = /^\d{12}\.wal$/;

/**
 * All logs below a directory, those of the ingest server first.
 *
 * @throws {CommandFailure} when there is none
 */
export async function locateLogs(directory: string): Promise<readonly LocatedLog[]> {
  const names = await namesIn(directory);
  if (names === undefined) {
    throw new CommandFailure(EXIT_USAGE, `${directory} is not a directory that can be read`);
  }
  if (isLog(names)) return [{ name: "", directory }];
  const logs: LocatedLog[] = [];
  const namesInWal = (await namesIn(join(directory, "wal"))) ?? [];
  if (isLog(namesInWal)) return [{ name: "", directory: join(directory, "wal") }];
  for (const worker of namesInWal.toSorted()) {
    const candidate = join(directory, "wal", worker);
    if (isLog((await namesIn(candidate)) ?? [])) logs.push({ name: worker, directory: candidate });
  }
  for (const worker of ((await namesIn(join(directory, "catalog"))) ?? []).toSorted()) {
    const candidate = join(directory, "catalog", worker);
    const name = worker.replace("worker", "catalog");
    if (isLog((await namesIn(candidate)) ?? [])) logs.push({ name, directory: candidate });
  }
  if (logs.length > 0) return logs;
  const what = names.length === 0 ? "is empty" : "holds no log";
  throw new CommandFailure(
    EXIT_USAGE,
    `${directory} ${what}; name the directory of a log, or the data directory of a server`,
  );
}

/** The one log that is meant; with several, `name` chooses, and the first is the default. */
export async function locateLog(directory: string, name: string | undefined): Promise<LocatedLog> {
  const logs = await locateLogs(directory);
  const log = name === undefined ? logs[0] : logs.find((candidate) => candidate.name === name);
  if (log !== undefined) return log;
  const known = logs.map((candidate) => candidate.name).join(", ");
  throw new CommandFailure(
    EXIT_USAGE,
    `--log ${name ?? ""}: ${directory} has ${known || "one log"}`,
  );
}

function isLog(names: readonly string[]): boolean {
  return names.some((name) => name === "CHECKPOINT" || name === "LOCK" || SEGMENT_NAME.test(name));
}

async function namesIn(directory: string): Promise<readonly string[] | undefined> {
  try {
    return await readdir(directory);
  } catch {
    // Not there, or no directory: the caller says what that means.
    return undefined;
  }
}
