/**
 * Options of single calls: what one append or one read may choose for itself.
 */
import type { AckPoint } from "./commit/group-commit.ts";
import { MAX_RECORD_KIND } from "./format/record.ts";
import type { Gap, Visibility } from "./log/log-reader.ts";
import type { DurabilityLevel } from "./options.ts";

export interface AppendOptions {
  /**
   * When this append resolves; default the log's level. "off" can only be chosen for a whole log, and so can "fsync": a log
   * either keeps all metadata in step or does not.
   */
  readonly durability?: Exclude<DurabilityLevel, "off" | "fsync"> | undefined;
  /** A small number that is stored with the record, 0 to 15. Default 0. */
  readonly kind?: number | undefined;
}

export interface ReadOptions {
  /** First LSN to deliver. Default the first one in the log. */
  readonly from?: number | undefined;
  /** Last LSN to deliver. Default the last one that is visible when the reader gets there. */
  readonly to?: number | undefined;
  /** How far to see: only what survives a power loss (default), or all that the operating system has. */
  readonly visibility?: Visibility | undefined;
  /**
   * Told of records that were lost to damage (after a salvage), which the read then passes over. Without it such a gap ends the
   * read with `WAL_GAP`.
   */
  readonly onGap?: ((gap: Gap) => void) | undefined;
  /**
   * A payload is only good until the next record (or batch of records) is asked for: its memory is read into again. For readers
   * that look at a record once or copy it; a long read then needs no new memory. Default false: payloads stay as they are.
   */
  readonly reuseMemory?: boolean | undefined;
}

export interface TailOptions extends Omit<ReadOptions, "to"> {
  /** Ends the tail with `WAL_ABORTED`. */
  readonly signal?: AbortSignal | undefined;
}

/** When an append of each level resolves. */
export const ACK_POINTS: Readonly<Record<DurabilityLevel, AckPoint>> = {
  fsync: "durable",
  fdatasync: "durable",
  interval: "written",
  async: "written",
  memory: "buffered",
  off: "buffered",
};

const APPEND_LEVELS: readonly DurabilityLevel[] = ["fdatasync", "interval", "async", "memory"];

/** When an append with these options resolves, or what is wrong with them. */
export function ackPointOf(options: AppendOptions, defaultAck: AckPoint): AckPoint | RangeError {
  const { durability, kind } = options;
  if (kind !== undefined && !(Number.isInteger(kind) && kind >= 0 && kind <= MAX_RECORD_KIND)) {
    return new RangeError(`kind is ${kind}; must be a whole number from 0 to ${MAX_RECORD_KIND}`);
  }
  if (durability === undefined) return defaultAck;
  if (!APPEND_LEVELS.includes(durability)) {
    return new RangeError(
      `durability of one append is "${durability}"; must be one of ${APPEND_LEVELS.join(", ")}`,
    );
  }
  return ACK_POINTS[durability];
}
