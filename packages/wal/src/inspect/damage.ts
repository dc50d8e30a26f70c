/**
 * What can be wrong with a log, as plain data: for reports, and for programs that decide on them.
 *
 * Pure. Finding damage is the work of `segment-chain.ts` and `segment-walker.ts`.
 */

/**
 * - `checkpoint`, `cursor`: a small file is damaged
 * - `missing-segment`: a file that the log needs is not there
 * - `header`: a segment's header is damaged, or belongs to another file
 * - `frames`: bytes that had been durable hold no valid frames
 * - `closing`: the frames of a closed segment lead to another end than its successor says
 * - `records`: a frame is as it was written, and its records cannot be read
 * - `missing-successor`: the last segment says that another one follows, and there is none
 */
export type DamageKind =
  | "checkpoint"
  | "cursor"
  | "missing-segment"
  | "header"
  | "frames"
  | "closing"
  | "records"
  | "missing-successor";

/** One damaged place. */
export interface Damage {
  readonly kind: DamageKind;
  readonly path: string;
  readonly segmentId: number | undefined;
  /** First damaged byte, and the first byte that is good again. */
  readonly offsetBytes: number;
  readonly endOffsetBytes: number;
  /** Records that cannot be read because of it, both ends inclusive; `undefined` when there are none, or nobody can know. */
  readonly firstLsn: number | undefined;
  readonly lastLsn: number | undefined;
  readonly reason: string;
  /** What says that the place had been whole and durable: a later frame, the next segment's header, the file's own checksum. */
  readonly vouchedBy: string;
}

/** The records from `firstLsn` up to, not including, `nextLsn`; no range when there is none. */
export function lsnRange(
  firstLsn: number | undefined,
  nextLsn: number | undefined,
): Pick<Damage, "firstLsn" | "lastLsn"> {
  const isEmpty = firstLsn !== undefined && nextLsn !== undefined && nextLsn <= firstLsn;
  return isEmpty
    ? { firstLsn: undefined, lastLsn: undefined }
    : { firstLsn, lastLsn: nextLsn === undefined ? undefined : nextLsn - 1 };
}
