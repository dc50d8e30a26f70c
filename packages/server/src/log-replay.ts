/**
 * Replay: what the log holds and Parquet does not, put back into memory at start-up.
 *
 * Records go through the same `insert` as live requests, in LSN order, so that replay equals live. Memory
 * is bounded: when the rows in memory reach half of what live intake may use, replay waits for a flush.
 * The event loop gets a turn every few milliseconds, so that /health and /ready answer meanwhile.
 */
import { setImmediate as nextTurn } from "node:timers/promises";
import { ServerError } from "./errors.ts";
import type { WriteIdentity } from "./idempotency/write-identity.ts";
import type { IngestBatch } from "./ingest/table-batch.ts";
import { decodeWriteRecord, readRecordIdentity, type WriteRecord } from "./ingest/write-record.ts";

/** What replay needs. */
export interface ReplayOptions {
  /**
   * Records of the log in LSN order, from the first whose identity or rows may be nowhere else. A payload needs to be
   * good only until the next record is asked for.
   */
  readonly records: AsyncIterable<{ readonly lsn: number; readonly payload: Uint8Array }>;
  readonly store: ReplayStore;
  /** First LSN whose rows may be missing in Parquet; of records before it only the identity counts. */
  readonly rowsFromLsn: number;
  readonly onIdentity: (lsn: number, identity: WriteIdentity) => void;
  /** Called once, when every record before `rowsFromLsn` has been read: their identities are known. */
  readonly onIdentitiesKnown: () => void;
  /** Bytes of rows in memory at which replay flushes before it goes on. */
  readonly flushAtBytes: number;
  readonly monotonicMs: () => number;
  /** Called after some records: what was replayed, and the last LSN of it. */
  readonly onProgress: (counts: ReplayCounts, lsn: number) => void;
  /** True when the server is being stopped: replay ends early, nothing is lost by that. */
  readonly isCancelled: () => boolean;
}

/** The part of the table store that replay needs. */
export interface ReplayStore {
  insert(lsn: number, batch: IngestBatch): void;
  flush(): Promise<void>;
  memoryBytes(): number;
}

/** What was replayed. */
export interface ReplayCounts {
  readonly records: number;
  readonly rows: number;
  readonly bytes: number;
}

/** The batch of a record that holds none. */
export const NO_ROWS: IngestBatch = { tables: [], rowCount: 0 };

/** Longest time without a turn of the event loop, in milliseconds. */
const MAX_BUSY_MS = 10;

/**
 * Replays all records.
 *
 * @throws {ServerError} `SERVER_STORAGE_CORRUPT` when a record cannot be understood
 */
export async function replayLog(options: ReplayOptions): Promise<ReplayCounts> {
  const { store, monotonicMs } = options;
  let records = 0;
  let rows = 0;
  let bytes = 0;
  let busySinceMs = monotonicMs();
  let areIdentitiesKnown = false;
  function tellIdentitiesKnown(): void {
    if (areIdentitiesKnown) return;
    areIdentitiesKnown = true;
    options.onIdentitiesKnown();
  }
  for await (const { lsn, payload } of options.records) {
    if (lsn >= options.rowsFromLsn) tellIdentitiesKnown();
    if (payload.byteLength === 0) {
      // Filler, see log-continuity.ts: only its LSN counts.
      store.insert(lsn, NO_ROWS);
      continue;
    }
    if (lsn < options.rowsFromLsn) {
      const identity = decodeRecord(lsn, payload, readRecordIdentity);
      if (identity !== undefined) options.onIdentity(lsn, identity);
      continue;
    }
    const { batch, identity } = decodeRecord(lsn, payload, decodeLent);
    store.insert(lsn, batch);
    if (identity !== undefined) options.onIdentity(lsn, identity);
    records++;
    rows += batch.rowCount;
    bytes += payload.byteLength;
    if (store.memoryBytes() >= options.flushAtBytes) await store.flush();
    if (monotonicMs() - busySinceMs < MAX_BUSY_MS) continue;
    options.onProgress({ records, rows, bytes }, lsn);
    await nextTurn();
    if (options.isCancelled()) break;
    busySinceMs = monotonicMs();
  }
  tellIdentitiesKnown();
  return { records, rows, bytes };
}

/** The log reads into the same memory again; what is kept is copied out of it, and nothing else is. */
function decodeLent(payload: Uint8Array): WriteRecord {
  return decodeWriteRecord(payload, { isLent: true });
}

function decodeRecord<T extends WriteRecord | WriteIdentity | undefined>(
  lsn: number,
  payload: Uint8Array,
  decode: (payload: Uint8Array) => T,
): T {
  try {
    return decode(payload);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new ServerError(
      "SERVER_STORAGE_CORRUPT",
      `record ${lsn} of the log passed its checksum but is no batch of rows: ${reason}`,
      { details: { lsn }, cause: error },
    );
  }
}
