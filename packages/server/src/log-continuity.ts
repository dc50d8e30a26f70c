/**
 * Keeps LSNs moving forward when the log ends below what Parquet already holds.
 *
 * Parquet files are always synced, the log only as far as its level says. After a power loss at a weak
 * level, or at a level that keeps nothing, the next LSN can be one that the catalog has committed. A new
 * row under it would be taken for one that is already flushed. So the log is moved past it with empty
 * records, which replay skips.
 */

/** The part of the log that is needed. */
export interface ContinuableLog {
  appendBatch(payloads: readonly Uint8Array[]): Promise<{ readonly lastLsn: number }>;
}

const FILLER: Uint8Array = new Uint8Array(0);
const FILLERS_PER_BATCH = 50_000;

/**
 * Appends empty records until the log's last LSN is at least `lsn`.
 *
 * @param lastLsn - LSN of the log's last record
 * @returns how many were appended; 0 in the normal case
 */
export async function continueLogAfter(
  log: ContinuableLog,
  { lsn, lastLsn }: { readonly lsn: number; readonly lastLsn: number },
): Promise<number> {
  if (lastLsn >= lsn) return 0;
  const fillers = Array.from({ length: Math.min(lsn - lastLsn, FILLERS_PER_BATCH) }, () => FILLER);
  let added = 0;
  let reachedLsn = lastLsn;
  while (reachedLsn < lsn) {
    const count = Math.min(lsn - reachedLsn, fillers.length);
    const batch = await log.appendBatch(
      count === fillers.length ? fillers : fillers.slice(0, count),
    );
    reachedLsn = batch.lastLsn;
    added += count;
  }
  return added;
}
