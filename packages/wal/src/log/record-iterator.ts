/**
 * Async iteration over single records, on top of a source of frames.
 *
 * Written by hand instead of as a generator: a generator costs two promise turns a record, this costs one.
 */
import { RECORD_HEAD_BYTES, recordKind, recordLengthBytes } from "../format/record.ts";
import type { FrameRecords } from "./log-reader.ts";

/** One record. `payload` is a view on memory that nobody will overwrite, unless the read was asked to reuse it. */
export interface WalRecord {
  readonly lsn: number;
  /** The record's kind, 0 unless the writer chose one. */
  readonly kind: number;
  readonly payload: Uint8Array;
}

/** Where frames come from; `undefined` ends the iteration. */
export interface FrameSource {
  next(): Promise<FrameRecords | undefined>;
  close(): Promise<void>;
}

export class RecordIterator implements AsyncIterableIterator<WalRecord> {
  readonly #source: FrameSource;
  readonly #fromLsn: number;
  readonly #toLsn: number;
  #body: Uint8Array = new Uint8Array(0);
  #view: DataView = new DataView(this.#body.buffer);
  #offset = 0;
  #lsn = 0;
  #left = 0;
  #isDone = false;
  #pending: Promise<unknown> | undefined;

  /** @param range - both ends inclusive; records outside are not delivered */
  constructor(source: FrameSource, range: { readonly fromLsn: number; readonly toLsn: number }) {
    this.#source = source;
    this.#fromLsn = range.fromLsn;
    this.#toLsn = range.toLsn;
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  next(): Promise<IteratorResult<WalRecord, undefined>> {
    // A frame is on its way: whoever asks meanwhile waits its turn, as with a generator.
    if (this.#pending !== undefined) return this.#after(this.#pending);
    if (this.#left > 0 && this.#lsn <= this.#toLsn) {
      return Promise.resolve({ value: this.#take(), done: false });
    }
    const result = this.#nextFrame();
    this.#pending = result;
    return result;
  }

  async return(): Promise<IteratorResult<WalRecord, undefined>> {
    this.#isDone = true;
    this.#left = 0;
    await this.#source.close();
    return { value: undefined, done: true };
  }

  async #after(pending: Promise<unknown>): Promise<IteratorResult<WalRecord, undefined>> {
    try {
      await pending;
    } catch {
      // Told to the one who asked for it; the iteration is over.
    }
    return await this.next();
  }

  async #nextFrame(): Promise<IteratorResult<WalRecord, undefined>> {
    try {
      return await this.#takeFrame();
    } catch (error) {
      await this.return();
      throw error;
    } finally {
      this.#pending = undefined;
    }
  }

  async #takeFrame(): Promise<IteratorResult<WalRecord, undefined>> {
    if (this.#isDone || this.#lsn > this.#toLsn) return await this.return();
    const frame = await this.#source.next();
    // Ended while it was on its way: what the source has opened for it since is closed too.
    if (this.#isDone) return await this.return();
    if (frame === undefined || frame.firstLsn > this.#toLsn) return await this.return();
    this.#body = frame.body;
    this.#view = new DataView(frame.body.buffer, frame.body.byteOffset, frame.body.byteLength);
    this.#offset = 0;
    this.#lsn = frame.firstLsn;
    this.#left = frame.recordCount;
    while (this.#lsn < this.#fromLsn) this.#skip();
    if (this.#lsn > this.#toLsn) return await this.return();
    return { value: this.#take(), done: false };
  }

  #take(): WalRecord {
    const head = this.#view.getUint32(this.#offset, true);
    const start = this.#offset + RECORD_HEAD_BYTES;
    const end = start + recordLengthBytes(head);
    this.#offset = end;
    this.#left--;
    return { lsn: this.#lsn++, kind: recordKind(head), payload: this.#body.subarray(start, end) };
  }

  #skip(): void {
    const head = this.#view.getUint32(this.#offset, true);
    this.#offset += RECORD_HEAD_BYTES + recordLengthBytes(head);
    this.#left--;
    this.#lsn++;
  }
}

/** Records of one frame after the other, as arrays: for readers that handle many at a time. */
export async function* recordBatches(
  source: FrameSource,
  range: { readonly fromLsn: number; readonly toLsn: number },
): AsyncGenerator<readonly WalRecord[], undefined> {
  try {
    for (;;) {
      const frame = await source.next();
      if (frame === undefined || frame.firstLsn > range.toLsn) return undefined;
      yield recordsOf(frame, range);
    }
  } finally {
    await source.close();
  }
}

function recordsOf(
  frame: FrameRecords,
  range: { readonly fromLsn: number; readonly toLsn: number },
): readonly WalRecord[] {
  const { body } = frame;
  const view = new DataView(body.buffer, body.byteOffset, body.byteLength);
  const records: WalRecord[] = [];
  let offset = 0;
  for (let index = 0; index < frame.recordCount; index++) {
    const head = view.getUint32(offset, true);
    const start = offset + RECORD_HEAD_BYTES;
    offset = start + recordLengthBytes(head);
    const lsn = frame.firstLsn + index;
    if (lsn < range.fromLsn || lsn > range.toLsn) continue;
    records.push({ lsn, kind: recordKind(head), payload: body.subarray(start, offset) });
  }
  return records;
}
