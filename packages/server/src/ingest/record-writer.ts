/**
 * Writes the parts of a record into one array of a size known in advance (see batch-codec.ts).
 *
 * Whole arrays are copied with `set`. Every byte is written, padding as zeros: the memory may be used again.
 */

/** Arrays are copied as they are in memory, which is the format's byte order only on such hosts. */
const IS_LITTLE_ENDIAN: boolean = new Uint8Array(new Uint16Array([1]).buffer)[0] === 1;

/** Any typed array that a record can hold. */
export type RecordArray =
  | Uint8Array
  | Uint16Array
  | Uint32Array
  | Float64Array
  | BigInt64Array
  | BigUint64Array;

export class RecordWriter {
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly #buffer: Buffer;
  #at = 0;

  /** @param bytes - memory of exactly the record's size, at the start of its buffer */
  constructor(bytes: Uint8Array<ArrayBuffer>) {
    if (!IS_LITTLE_ENDIAN) throw new Error("ingest records need a little-endian host");
    if (bytes.byteOffset !== 0) throw new RangeError("a record starts where its memory starts");
    this.bytes = bytes;
    this.#buffer = Buffer.from(bytes.buffer);
  }

  u8s(values: readonly number[]): void {
    for (const value of values) this.bytes[this.#at++] = value;
  }

  u32s(values: readonly number[]): void {
    for (const value of values) this.#at = this.#buffer.writeUInt32LE(value, this.#at);
  }

  /** Writes a text of exactly `byteLength` bytes. */
  text(text: string, byteLength: number): void {
    const encoding = byteLength === text.length ? "latin1" : "utf8";
    this.#buffer.write(text, this.#at, byteLength, encoding);
    this.#at += byteLength;
  }

  array(values: RecordArray): void {
    this.bytes.set(new Uint8Array(values.buffer, values.byteOffset, values.byteLength), this.#at);
    this.#at += values.byteLength;
  }

  /** Writes every value as a narrower unsigned integer; values must fit. */
  narrowed(values: Uint32Array, to: typeof Uint8Array | typeof Uint16Array): void {
    const target = new to(this.bytes.buffer, this.#at, values.length);
    for (let index = 0; index < values.length; index++) target[index] = values[index] ?? 0;
    this.#at += target.byteLength;
  }

  /** Skips to the next multiple of 8. */
  pad(): void {
    const end = Math.ceil(this.#at / 8) * 8;
    while (this.#at < end) this.bytes[this.#at++] = 0;
  }

  assertFull(): void {
    if (this.#at !== this.bytes.length) {
      throw new Error(`record of ${this.bytes.length} bytes was filled with ${this.#at}`);
    }
  }
}
