/**
 * Copies of values in few pieces of memory instead of one each. The pieces grow with what they hold, so that at most half is waste.
 */
import { copyBytes } from "../layout/copy-bytes.ts";

const FIRST_PIECE_BYTES = 512;
const MAX_PIECE_BYTES = 64 * 1024;

export class ValueArena {
  #piece = new Uint8Array(0);
  #used = 0;

  /** A copy that nobody changes. */
  copy(value: Uint8Array): Uint8Array {
    const { byteLength } = value;
    if (byteLength >= MAX_PIECE_BYTES) return new Uint8Array(value);
    if (byteLength > this.#piece.byteLength - this.#used) this.#nextPiece(byteLength);
    const start = this.#used;
    this.#used += byteLength;
    copyBytes(value, this.#piece, start);
    return this.#piece.subarray(start, this.#used);
  }

  #nextPiece(neededBytes: number): void {
    const doubled = Math.min(MAX_PIECE_BYTES, this.#piece.byteLength * 2);
    this.#piece = new Uint8Array(Math.max(FIRST_PIECE_BYTES, doubled, neededBytes));
    this.#used = 0;
  }
}
