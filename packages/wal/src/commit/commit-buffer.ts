/**
 * Commit buffer: records on their way to the disk, already laid out as frames, and who waits for them.
 *
 * A payload is copied once, into its place in the frame that will be written; headers are filled in when the
 * frame's place in the file is known. Waiters are parallel arrays, so that a record costs no object beyond its
 * promise. Knows nothing of files.
 */

/** Record head and frame geometry, given by the composition root so that this layer knows no format. */
export interface FrameGeometry {
  readonly frameHeaderBytes: number;
  readonly recordHeadBytes: number;
  readonly targetBodyBytes: number;
}

/** One frame in a buffer: `start` is where its header goes, the body follows. */
export interface FrameSpan {
  readonly start: number;
  bodyBytes: number;
  readonly firstLsn: number;
  recordCount: number;
  /** The batch goes on in the next frame. */
  continues: boolean;
}

export type AppendResult = number | { readonly firstLsn: number; readonly lastLsn: number };
type Resolve = (value: AppendResult) => void;
type Reject = (reason: unknown) => void;

/** Callers to be told when the group is on disk (or handed to the system), in LSN order. */
export class WaiterList {
  readonly #resolves: (Resolve | undefined)[] = [];
  readonly #rejects: (Reject | undefined)[] = [];
  readonly #values: AppendResult[] = [];
  #count = 0;

  get count(): number {
    return this.#count;
  }

  add(resolve: Resolve, reject: Reject, value: AppendResult): void {
    const index = this.#count++;
    this.#resolves[index] = resolve;
    this.#rejects[index] = reject;
    this.#values[index] = value;
  }

  /** Tells everybody, in order, and forgets them. Arrays keep their capacity for the next group. */
  resolveAll(): void {
    for (let index = 0; index < this.#count; index++) {
      this.#resolves[index]?.(this.#values[index] ?? 0);
      this.#resolves[index] = undefined;
      this.#rejects[index] = undefined;
    }
    this.#count = 0;
  }

  rejectAll(reason: unknown): void {
    for (let index = 0; index < this.#count; index++) {
      this.#rejects[index]?.(reason);
      this.#resolves[index] = undefined;
      this.#rejects[index] = undefined;
    }
    this.#count = 0;
  }
}

/** A buffer of frames being filled, written, or waiting for its turn. */
export class CommitBuffer {
  readonly bytes: Buffer;
  readonly frames: FrameSpan[] = [];
  /** Waiting for the device, and waiting for the operating system. */
  readonly durableWaiters: WaiterList = new WaiterList();
  readonly writtenWaiters: WaiterList = new WaiterList();
  #length = 0;
  #open: FrameSpan | undefined;
  readonly #geometry: FrameGeometry;

  constructor(capacityBytes: number, geometry: FrameGeometry) {
    // Zeroed: what is not overwritten by records is padding, which goes to disk.
    this.bytes = Buffer.alloc(capacityBytes);
    this.#geometry = geometry;
  }

  get lengthBytes(): number {
    return this.#length;
  }

  get isEmpty(): boolean {
    return this.frames.length === 0;
  }

  /** Callers who wait for this buffer. */
  get waiterCount(): number {
    return this.durableWaiters.count + this.writtenWaiters.count;
  }

  /** True when a record of this many bytes fits, whatever frame it lands in. */
  hasRoomFor(payloadBytes: number): boolean {
    const { frameHeaderBytes, recordHeadBytes } = this.#geometry;
    const needed = frameHeaderBytes + recordHeadBytes + payloadBytes + 16;
    return this.#length + needed <= this.bytes.byteLength;
  }

  /** Copies one record in; it shares the open frame with records before it while that is small enough. */
  addRecord(head: number, payload: Uint8Array, lsn: number): void {
    const size = this.#geometry.recordHeadBytes + payload.byteLength;
    let frame = this.#open;
    // A frame without records takes any record: an empty data frame is none.
    if (frame === undefined || (frame.recordCount > 0 && size > this.openFrameRoomBytes)) {
      frame = this.openFrame(lsn);
    }
    const at = this.#length;
    this.bytes.writeUInt32LE(head, at);
    this.bytes.set(payload, at + 4);
    this.#length = at + size;
    frame.recordCount++;
  }

  /** Ends the open frame, if any, and begins a new one. */
  openFrame(firstLsn: number): FrameSpan {
    this.closeFrame();
    const frame: FrameSpan = {
      start: this.#length,
      bodyBytes: 0,
      firstLsn,
      recordCount: 0,
      continues: false,
    };
    this.frames.push(frame);
    this.#length += this.#geometry.frameHeaderBytes;
    this.#open = frame;
    return frame;
  }

  /** Bytes that records may still add to the open frame before it reaches its target; 0 without one. */
  get openFrameRoomBytes(): number {
    if (this.#open === undefined) return 0;
    const body = this.#length - this.#open.start - this.#geometry.frameHeaderBytes;
    return Math.max(0, this.#geometry.targetBodyBytes - body);
  }

  /** Fixes the open frame's length and pads to the next multiple of 8. */
  closeFrame(): void {
    const frame = this.#open;
    if (frame === undefined) return;
    frame.bodyBytes = this.#length - frame.start - this.#geometry.frameHeaderBytes;
    this.#length = (this.#length + 7) & ~7;
    this.#open = undefined;
  }

  /** Says of every frame from `firstFrame` on, but the last, that its batch goes on in the next one. */
  markContinued(firstFrame: number): void {
    for (const frame of this.frames.slice(firstFrame, -1)) frame.continues = true;
  }

  /** Empties the buffer for its next use. */
  reset(): void {
    this.frames.length = 0;
    this.#open = undefined;
    this.#length = 0;
  }
}
