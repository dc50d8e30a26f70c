/**
 * Copies bytes: a handful one by one, which is faster than a call of the runtime for values of a few bytes.
 */

const MAX_LOOP_BYTES = 32;

export function copyBytes(from: Uint8Array, to: Uint8Array, offset: number): void {
  const { byteLength } = from;
  if (byteLength > MAX_LOOP_BYTES) {
    to.set(from, offset);
    return;
  }
  for (let at = 0; at < byteLength; at++) to[offset + at] = from[at] ?? 0;
}
