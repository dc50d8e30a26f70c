/**
 * Commit buffers that are kept for the next group: made when one is needed, a few of them kept, all given up when the log is idle.
 */
import { CommitBuffer, type FrameGeometry } from "./commit-buffer.ts";

export interface BufferPoolOptions {
  readonly geometry: FrameGeometry;
  readonly bufferSizeBytes: number;
  /** Buffers that are kept for later; each is made when an append needs it. */
  readonly bufferCount: number;
}

export class BufferPool {
  readonly #options: BufferPoolOptions;
  #free: CommitBuffer[] = [];

  constructor(options: BufferPoolOptions) {
    this.#options = options;
  }

  /** An empty buffer with room for one record or batch of this size. */
  take(neededBytes: number): CommitBuffer {
    const free = this.#free.at(-1);
    if (free?.hasRoomFor(neededBytes) === true) {
      this.#free.pop();
      return free;
    }
    // None is at hand: a new one, kept for later unless enough are or the batch makes it a larger one.
    const { bufferSizeBytes, geometry } = this.#options;
    const capacity = Math.max(bufferSizeBytes, neededBytes + 2 * geometry.frameHeaderBytes + 64);
    return new CommitBuffer(capacity, geometry);
  }

  /** Empties a buffer that nobody uses any more. */
  giveBack(buffer: CommitBuffer): void {
    buffer.reset();
    const { bufferSizeBytes, bufferCount } = this.#options;
    if (buffer.bytes.byteLength === bufferSizeBytes && this.#free.length < bufferCount) {
      this.#free.push(buffer);
    }
  }

  /** Gives up the memory of all buffers that are kept. */
  trim(): void {
    this.#free = [];
  }
}
