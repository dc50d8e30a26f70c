/**
 * Keeps LSNs moving forward when the log is shorter than what Parquet already holds.
 *
 * Parquet files are always synced, the log only as far as its level says. After a power loss at a weak
 * level, or at a level that keeps nothing, the log can end below LSNs that the catalog has committed. A new
 * row under a used LSN would be taken for one that is already flushed. So the log is moved past them with
 * empty records, which replay skips.
 */

/** The part of the log that is needed. */
export interface ContinuableLog {
  readonly positions: { readonly appendedLsn: number };
  appendBatch(payloads: readonly Uint8Array[]): Promise<unknown>;
}

const FILLER: Uint8Array = new Uint8Array(0);
const FILLERS_PER_BATCH = 50_000;

/**
 * Appends empty records until the log's last LSN is at least `lsn`.
 *
 * @returns how many were appended; 0 in the normal case
 */
export async function continueLogAfter(log: ContinuableLog, lsn: number): Promise<number> {
  const missing = lsn - log.positions.appendedLsn;
  for (let left = missing; left > 0; left -= FILLERS_PER_BATCH) {
    const count = Math.min(left, FILLERS_PER_BATCH);
    await log.appendBatch(Array.from({ length: count }, () => FILLER));
  }
  return Math.max(0, missing);
}
