/**
 * How much of the log lies behind an LSN. Pure.
 */
import type { LogState } from "./log-state.ts";

/**
 * Bytes of segments from the record behind `lsn` to the end. Exact to the distance of index positions (64 KiB), and to a whole
 * segment for one that this process has neither written nor scanned.
 */
export function bytesBehind(state: LogState, lsn: number): number {
  let bytes = 0;
  for (const segment of state.closed) {
    if (segment.lastLsn > lsn) bytes += segment.endOffset - segment.index.seek(lsn + 1).offset;
  }
  const { active } = state;
  if (active !== undefined && active.written.lastLsn > lsn) {
    bytes += active.written.offset - active.info.index.seek(lsn + 1).offset;
  }
  return bytes;
}
