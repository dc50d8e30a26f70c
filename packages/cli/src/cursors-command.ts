/**
 * `walnut cursors`: lists cursors; moves or removes one when no writer has the log.
 */
import { inspectLog, isWalError, openWal, type LogInspection, type Wal } from "@walnut/wal";
import type { CommandContext } from "./command-context.ts";
import { CommandFailure } from "./command-failure.ts";
import { cursorLines } from "./cursor-table.ts";
import { EXIT_LOCKED, EXIT_OK, EXIT_USAGE } from "./exit-code.ts";
import { encryptionOf, type KeyFlag } from "./key-flag.ts";
import { locateLog, locateLogs } from "./log-locator.ts";
import { formatBytes } from "./serve-text.ts";
import { formatCount, parseWhole, plural } from "./quantity-text.ts";

export interface CursorsFlags extends KeyFlag {
  readonly json?: boolean;
  readonly log?: string;
}

export async function cursorsCommand(
  directory: string,
  flags: CursorsFlags,
  context: CommandContext,
): Promise<number> {
  const { output, terminal, environment } = context;
  const logs: (Pick<LogInspection, "directory" | "cursors"> & { readonly name: string })[] = [];
  for (const [index, located] of (await locateLogs(directory)).entries()) {
    const inspection = await inspectLog({ directory: located.directory });
    const { cursors } = inspection;
    logs.push({ name: located.name, directory: located.directory, cursors });
    if (flags.json === true) continue;
    output.line(
      ...(index > 0 ? [""] : []),
      terminal.paint("bold", located.directory),
      ...cursorLines(inspection, environment.nowMs(), terminal),
    );
  }
  if (flags.json === true) output.json({ logs }, terminal.isTerminal);
  await output.flush();
  return EXIT_OK;
}

export async function ackCursorCommand(
  target: { readonly directory: string; readonly name: string; readonly lsn: string },
  flags: CursorsFlags,
  context: CommandContext,
): Promise<number> {
  const lsn = parseWhole(target.lsn, "LSN", 0);
  return await changeCursor(target, flags, context, async (wal) => {
    const cursor = wal.cursor(target.name);
    const { appendedLsn } = wal.positions;
    if (lsn > appendedLsn) {
      throw new CommandFailure(
        EXIT_USAGE,
        `LSN ${lsn} is not in the log; the last one is ${appendedLsn}`,
      );
    }
    if (lsn < cursor.lsn) {
      throw new CommandFailure(
        EXIT_USAGE,
        `cursor ${target.name} stands at LSN ${cursor.lsn}; cursors do not move back`,
      );
    }
    await cursor.ack(lsn);
    return `cursor ${target.name} stands at LSN ${formatCount(lsn)}`;
  });
}

export async function removeCursorCommand(
  target: { readonly directory: string; readonly name: string },
  flags: CursorsFlags,
  context: CommandContext,
): Promise<number> {
  return await changeCursor(target, flags, context, async (wal) => {
    await wal.cursor(target.name).remove();
    return `cursor ${target.name} is removed`;
  });
}

/** Opens the log with its lock, changes an existing cursor, and says what that released. */
async function changeCursor(
  target: { readonly directory: string; readonly name: string },
  flags: CursorsFlags,
  context: CommandContext,
  change: (wal: Wal) => Promise<string>,
): Promise<number> {
  const { directory } = await locateLog(target.directory, flags.log);
  const before = await inspectLog({ directory });
  if (!before.cursors.some(({ name }) => name === target.name)) {
    const known = before.cursors.map(({ name }) => name).join(", ");
    throw new CommandFailure(
      EXIT_USAGE,
      `${directory} has no cursor ${target.name}; it has ${known || "none"}`,
    );
  }
  const wal = await openForChange(directory, flags);
  let text: string;
  try {
    text = await change(wal);
  } finally {
    await wal.close();
  }
  const after = await inspectLog({ directory });
  const released = before.segments.length - after.segments.length;
  const freedBytes = bytesOf(before) - bytesOf(after);
  const { output, terminal } = context;
  if (flags.json === true) {
    output.json(
      { directory, cursors: after.cursors, releasedSegments: released },
      terminal.isTerminal,
    );
  } else {
    const freed =
      released > 0 ? `; ${plural(released, "segment")} released, ${formatBytes(freedBytes)}` : "";
    output.line(text + freed);
  }
  await output.flush();
  return EXIT_OK;
}

async function openForChange(directory: string, flags: CursorsFlags): Promise<Wal> {
  try {
    return await openWal({ directory, ...encryptionOf(flags) });
  } catch (error) {
    if (!isWalError(error, "WAL_LOCKED")) throw error;
    throw new CommandFailure(
      EXIT_LOCKED,
      `${directory} is open for writing: ${String(error.details["owner"])}; only its owner moves cursors, stop it first`,
      { cause: error },
    );
  }
}

function bytesOf({ segments }: LogInspection): number {
  return segments.reduce((total, { fileBytes }) => total + fileBytes, 0);
}
