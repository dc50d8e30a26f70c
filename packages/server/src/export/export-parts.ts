/**
 * The files of a table in all shards, held until an export of them is over.
 *
 * Each worker flushes the table in its shards, says which files have its rows, and keeps the bytes of removed files
 * for as long as the worker that exports says so again from time to time. A worker that dies holds nothing afterwards:
 * it says so when it is asked next, and the export fails rather than going on without a part.
 */
import { randomUUID } from "node:crypto";
import { ServerError } from "../errors.ts";
import type { ServerStorage } from "../server-storage.ts";
import { uniteShards } from "../store/shard-snapshot.ts";
import type { ExportedTable } from "../store/table-export.ts";
import type { TableName } from "../store/table-name.ts";
import { everyAnswer, type Question, type WorkerGroup } from "../workers/worker-group.ts";

interface ExportInput extends TableName {
  readonly exportId: string;
}

const PARTS: Question<ExportInput, readonly ExportedTable[]> = { name: "export-parts" };
const RENEW: Question<{ readonly exportId: string }, boolean> = { name: "export-renew" };
const END: Question<{ readonly exportId: string }, boolean> = { name: "export-end" };

/** A worker that hears nothing about an export for so long lets go. */
const HOLD_MS = 60_000;
const RENEW_INTERVAL_MS = 15_000;
/** Flushing a table that has fallen behind takes time. */
const PARTS_TIMEOUT_MS = 120_000;

export interface ExportPartsOptions {
  readonly storage: () => ServerStorage;
  readonly group: WorkerGroup;
}

interface Hold {
  readonly release: () => void;
  timer: NodeJS.Timeout;
}

/** Says how this worker answers. Once, at start. */
export function answerExportParts({ storage, group }: ExportPartsOptions): void {
  const holds = new Map<string, Hold>();

  function end(exportId: string): boolean {
    const held = holds.get(exportId);
    clearTimeout(held?.timer);
    held?.release();
    return holds.delete(exportId);
  }

  function limit(exportId: string): NodeJS.Timeout {
    return setTimeout(() => end(exportId), HOLD_MS).unref();
  }

  function hold(exportId: string): void {
    const { shards } = storage();
    const releases = shards.map(({ store }) => store.dataLife.removedFiles.hold());
    const release = (): void => releases.forEach((letGo) => letGo());
    holds.set(exportId, { release, timer: limit(exportId) });
  }

  group.answer(PARTS, async ({ exportId, database, measurement }) => {
    // First: a file that is replaced from now on stays.
    hold(exportId);
    const parts: ExportedTable[] = [];
    try {
      for (const { store } of storage().shards) {
        const part = await store.dataLife.tableForExport({ database, measurement });
        if (part !== undefined) parts.push(part);
      }
      if (!holds.has(exportId)) throw lost("flushing the table took too long");
      return parts;
    } catch (error) {
      end(exportId);
      throw error;
    }
  });
  group.answer(RENEW, ({ exportId }) => {
    const held = holds.get(exportId);
    if (held === undefined) return false;
    clearTimeout(held.timer);
    held.timer = limit(exportId);
    return true;
  });
  group.answer(END, ({ exportId }) => end(exportId));
}

/** A table whose files are held. */
export interface HeldTable {
  readonly table: ExportedTable;
  release(): Promise<void>;
}

/**
 * Finds the files of a table in all shards and holds them.
 *
 * @param onLost - told why, when a worker does not hold its files any more
 * @throws {ServerError} `SERVER_NOT_FOUND`, `SERVER_WORKER_UNAVAILABLE`; whatever a flush throws
 */
export async function holdTable(
  group: WorkerGroup,
  name: TableName,
  onLost: (reason: unknown) => void,
): Promise<HeldTable> {
  const exportId = randomUUID();
  const { database, measurement } = name;
  const timer = setInterval(() => void renew(), RENEW_INTERVAL_MS).unref();

  async function renew(): Promise<void> {
    try {
      const answers = everyAnswer(await group.askAll(RENEW, { exportId }));
      if (answers.includes(false)) throw lost("a worker was started again");
    } catch (error) {
      clearInterval(timer);
      onLost(error);
    }
  }

  async function release(): Promise<void> {
    clearInterval(timer);
    // Whoever is not there holds nothing.
    await group.askAll(END, { exportId });
  }

  try {
    const input = { exportId, database, measurement };
    const options = { timeoutMs: PARTS_TIMEOUT_MS };
    const parts = everyAnswer(await group.askAll(PARTS, input, options)).flat();
    if (parts.length === 0) throw notFound(name);
    const tables = parts.map((part) => ({ ...part, rowSets: [] }));
    const [table] = uniteShards([name], [{ tables, near: [] }]);
    if (table === undefined) throw notFound(name);
    return { table, release };
  } catch (error) {
    await release();
    throw error;
  }
}

function lost(reason: string): ServerError {
  return new ServerError("SERVER_WORKER_UNAVAILABLE", `the export lost files: ${reason}`);
}

function notFound({ database, measurement }: TableName): ServerError {
  return new ServerError("SERVER_NOT_FOUND", `there is no table "${database}"."${measurement}"`, {
    details: { database, measurement },
  });
}
