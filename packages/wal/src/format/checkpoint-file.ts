/**
 * CHECKPOINT: which segment is the first one that the log still needs.
 *
 * Written once when the log is born (so that a log whose segments vanished is not taken for a new one) and
 * before segments are removed (so that a half-finished removal is finished, and never mistaken for loss).
 * Specification: docs/format.md, "CHECKPOINT". Pure.
 */
import { checksum } from "./checksum.ts";
import { readU64, writeU64 } from "./integers.ts";

export const CHECKPOINT_BYTES = 40;

const MAGIC = 0x50_4b_43_57; // "WCKP" when read as bytes.
const VERSION = 1;
const CHECKSUM_OFFSET = 36;

export interface Checkpoint {
  readonly firstSegmentId: number;
  readonly firstLsn: number;
  readonly writtenAtMs: number;
}

export type CheckpointResult =
  | { readonly kind: "valid"; readonly checkpoint: Checkpoint }
  | { readonly kind: "unsupported-version"; readonly version: number }
  | { readonly kind: "invalid" };

export function encodeCheckpoint(checkpoint: Checkpoint): Uint8Array {
  const bytes = new Uint8Array(CHECKPOINT_BYTES);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, MAGIC, true);
  view.setUint16(4, VERSION, true);
  writeU64(view, 8, checkpoint.firstSegmentId);
  writeU64(view, 16, checkpoint.firstLsn);
  writeU64(view, 24, checkpoint.writtenAtMs);
  view.setUint32(CHECKSUM_OFFSET, checksum(bytes.subarray(0, CHECKSUM_OFFSET)), true);
  return bytes;
}

/** Never throws. */
export function decodeCheckpoint(bytes: Uint8Array): CheckpointResult {
  if (bytes.byteLength !== CHECKPOINT_BYTES) return { kind: "invalid" };
  const view = new DataView(bytes.buffer, bytes.byteOffset, CHECKPOINT_BYTES);
  const expected = checksum(bytes.subarray(0, CHECKSUM_OFFSET));
  if (view.getUint32(0, true) !== MAGIC || view.getUint32(CHECKSUM_OFFSET, true) !== expected) {
    return { kind: "invalid" };
  }
  const version = view.getUint16(4, true);
  if (version !== VERSION) return { kind: "unsupported-version", version };
  const firstSegmentId = readU64(view, 8);
  const firstLsn = readU64(view, 16);
  const writtenAtMs = readU64(view, 24);
  if (firstSegmentId === undefined || firstLsn === undefined || writtenAtMs === undefined) {
    return { kind: "invalid" };
  }
  return { kind: "valid", checkpoint: { firstSegmentId, firstLsn, writtenAtMs } };
}
