/**
 * Opening a shard, and noting in its history what came of it.
 *
 * A note that cannot be written is a line in the log and nothing else: history must not keep a server from starting.
 */
import { isWalError } from "@walnut/wal";
import { ServerError } from "./errors.ts";
import { RecoveryHistory, type StartNote } from "./recovery-history.ts";
import { openShardStorage, type ShardStorage, type ShardStorageOptions } from "./shard-storage.ts";

/** As `openShardStorage`, with a note in `recovery/worker-K.json`. */
export async function openNotedShard(options: ShardStorageOptions): Promise<ShardStorage> {
  const startedAtMs = options.nowMs();
  const startedMs = options.monotonicMs();
  let storage: ShardStorage;
  try {
    storage = await openShardStorage(options);
  } catch (error) {
    if (isWorthNoting(error, options)) {
      const durationMs = options.monotonicMs() - startedMs;
      await note(options, { ...NOTHING_FOUND, startedAtMs, durationMs, ...failureOf(error) });
    }
    throw error;
  }
  const { segments, records, rows, bytes, durationMs, tornTailBytes } = storage.recovery;
  await note(options, {
    startedAtMs,
    outcome: "recovered",
    durationMs,
    segments,
    records,
    rows,
    bytes,
    tornTailBytes,
  });
  return storage;
}

const NOTHING_FOUND = { segments: 0, records: 0, rows: 0, bytes: 0, tornTailBytes: 0 };

/** A log that somebody else holds has a history that somebody else writes. */
function isWorthNoting(error: unknown, { isCancelled }: ShardStorageOptions): boolean {
  return !isCancelled() && !(isWalError(error) && error.code === "WAL_LOCKED");
}

function failureOf(error: unknown): Pick<StartNote, "outcome" | "failure"> {
  const isKnown = error instanceof ServerError || isWalError(error);
  const message = error instanceof Error ? error.message : String(error);
  return {
    outcome: "failed",
    failure: { code: isKnown ? error.code : "SERVER_INTERNAL", message },
  };
}

async function note(options: ShardStorageOptions, start: StartNote): Promise<void> {
  const history = new RecoveryHistory(options.directory, options.shard);
  try {
    await history.add(start);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    options.options.logger.warn(`this start could not be noted in ${history.path}: ${reason}`);
  }
}
