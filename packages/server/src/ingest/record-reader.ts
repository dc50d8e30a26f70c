/**
 * Reads the parts of a record, checking every length against what is left before it allocates
 * (see batch-codec.ts).
 *
 * @throws {ServerError} `SERVER_STORAGE_CORRUPT` from every method, and nothing else
 */
import { ServerError } from "../errors.ts";
import type { RecordArray } from "./record-writer.ts";
import { asBuffer, decodeUtf8 } from "./utf8-text.ts";

interface RecordArrayType<T extends RecordArray> {
  readonly BYTES_PER_ELEMENT: number;
  new (buffer: ArrayBufferLike, byteOffset: number, length: number): T;
}

/** Where the bytes of a reader lie in their record, for what is said about damage. */
interface RecordPart {
  readonly offsetBytes: number;
  readonly recordBytes: number;
}

export class RecordReader {
  readonly #bytes: Uint8Array;
  readonly #buffer: Buffer;
  readonly #part: RecordPart;
  #at = 0;

  constructor(bytes: Uint8Array, part: RecordPart = { offsetBytes: 0, recordBytes: bytes.length }) {
    // Never a Buffer, whose `slice` would be a view.
    this.#bytes = new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#buffer = asBuffer(bytes);
    this.#part = part;
  }

  /** The next byte, from the start of what is read. */
  get at(): number {
    return this.#at;
  }

  u8(): number {
    this.#need(1);
    return this.#buffer.readUInt8(this.#at++);
  }

  u32(): number {
    this.#need(4);
    const value = this.#buffer.readUInt32LE(this.#at);
    this.#at += 4;
    return value;
  }

  text(byteLength: number): string {
    this.#need(byteLength);
    const text = decodeUtf8(this.#buffer, this.#at, this.#at + byteLength);
    if (text === undefined) return this.fail("a text is not valid UTF-8");
    this.#at += byteLength;
    return text;
  }

  /** Texts that follow each other, `totalBytes` in all. */
  texts(lengths: Uint32Array, totalBytes: number): string[] {
    this.#need(totalBytes);
    const end = this.#at + totalBytes;
    const texts: string[] = [];
    for (const length of lengths) {
      if (length > end - this.#at) this.fail("dictionary entries are longer than their total");
      texts.push(this.text(length));
    }
    if (this.#at !== end) this.fail("dictionary entries are shorter than their total");
    return texts;
  }

  /** An array of `length` elements: a view. The memory must be aligned for it, see {@link copySince}. */
  array<T extends RecordArray>(type: RecordArrayType<T>, length: number): T {
    const byteLength = length * type.BYTES_PER_ELEMENT;
    this.#need(byteLength);
    const offset = this.#bytes.byteOffset + this.#at;
    this.#at += byteLength;
    return new type(this.#bytes.buffer, offset, length);
  }

  /** True when every part is at an address that its arrays can be read at. */
  get isAligned(): boolean {
    return this.#bytes.byteOffset % 8 === 0;
  }

  /** Passes bytes and the padding behind them, whatever they are. */
  skipPadded(byteLength: number): void {
    const paddedBytes = Math.ceil(byteLength / 8) * 8;
    this.#need(paddedBytes);
    this.#at += paddedBytes;
  }

  /** Another reader of everything from `start` to here, on a copy: aligned, and nobody else's. */
  copySince(start: number): RecordReader {
    const { offsetBytes, recordBytes } = this.#part;
    const copy = this.#bytes.slice(start, this.#at);
    return new RecordReader(copy, { offsetBytes: offsetBytes + start, recordBytes });
  }

  /** Skips zeros to the next multiple of 8. */
  pad(): void {
    const end = Math.ceil(this.#at / 8) * 8;
    this.#need(end - this.#at);
    for (; this.#at < end; this.#at++) {
      if (this.#bytes[this.#at] !== 0) this.fail("padding is not zero");
    }
  }

  /** Checks that `count` parts of at least `minBytes` each can follow. */
  checkCount(count: number, minBytes: number, what: string): void {
    if (count * minBytes > this.#bytes.length - this.#at) this.fail(`${count} ${what} do not fit`);
  }

  assertEnd(): void {
    if (this.#at !== this.#bytes.length) this.fail("bytes after the last column");
  }

  fail(reason: string): never {
    const { recordBytes } = this.#part;
    const offsetBytes = this.#part.offsetBytes + this.#at;
    throw new ServerError(
      "SERVER_STORAGE_CORRUPT",
      `ingest record is damaged at byte ${offsetBytes} of ${recordBytes}: ${reason}`,
      { details: { offsetBytes, recordBytes, reason } },
    );
  }

  #need(byteLength: number): void {
    if (byteLength > this.#bytes.length - this.#at) {
      this.fail(`${byteLength} bytes expected, ${this.#bytes.length - this.#at} left`);
    }
  }
}
