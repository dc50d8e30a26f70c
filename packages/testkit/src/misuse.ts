/**
 * What a caller of a disk must not do and no error code tells: changing a buffer while it is being written, and
 * writing the same bytes twice at once.
 */

import type { InFlightCall } from "./in-flight-call.ts";
import { concatBuffers } from "./simulated-handle.ts";
import { formatStorageCall } from "./storage-call.ts";

/** Says so when the buffers of a write are no longer what they were when the call was made. */
export function changedSince(entry: InFlightCall, buffers: readonly Uint8Array[]): string[] {
  if (entry.bytes === undefined || Buffer.compare(entry.bytes, concatBuffers(buffers)) === 0) {
    return [];
  }
  return [`buffer changed while in flight: ${formatStorageCall(entry.call)}`];
}

/** Names the writes in flight that touch bytes of a new one. */
export function overlapsWith(entry: InFlightCall, inFlight: Iterable<InFlightCall>): string[] {
  const overlaps: string[] = [];
  const start = entry.call.offsetBytes ?? 0;
  const end = start + (entry.bytes?.byteLength ?? 0);
  for (const other of inFlight) {
    if (other.bytes === undefined || other.file !== entry.file) continue;
    const otherStart = other.call.offsetBytes ?? 0;
    if (start >= otherStart + other.bytes.byteLength || otherStart >= end) continue;
    const calls = `${formatStorageCall(other.call)} and ${formatStorageCall(entry.call)}`;
    overlaps.push(`writes in flight overlap: ${calls}`);
  }
  return overlaps;
}
