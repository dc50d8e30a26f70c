/**
 * Memory for one thing at a time, used again and again.
 *
 * Every array that is allocated for a request makes the garbage collector run sooner, and a run costs the same
 * however little is alive. What does not outlive its request is put here instead.
 */

/** Larger needs get memory of their own: one large request must not hold its size for good. */
const MAX_KEPT_BYTES = 4 * 1024 * 1024; // 4 MiB

export class ReusedMemory {
  #kept: Uint8Array<ArrayBuffer> = new Uint8Array(0);

  /** Memory of this size, with any content. It is given out again by the next call. */
  take(bytes: number): Uint8Array<ArrayBuffer> {
    if (bytes > MAX_KEPT_BYTES) return new Uint8Array(bytes);
    if (this.#kept.byteLength < bytes) {
      this.#kept = new Uint8Array(Math.min(MAX_KEPT_BYTES, bytes * 2));
    }
    return this.#kept.subarray(0, bytes);
  }
}
