/**
 * Reads what `ByteWriter` wrote. Never beyond the end: bytes that are too few or make no sense are `SERIES_CORRUPT`, with the
 * offset at which they were read.
 */
import { SeriesError } from "../errors.ts";

const MAX_FAST_SHIFT = 49;

export class ByteReader {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  #offset = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  get offset(): number {
    return this.#offset;
  }

  /** Bytes that have not been read. */
  get left(): number {
    return this.#bytes.byteLength - this.#offset;
  }

  u8(): number {
    const byte = this.#bytes[this.#offset];
    if (byte === undefined) throw this.corrupt("1 byte wanted, 0 left");
    this.#offset++;
    return byte;
  }

  u16(): number {
    this.#need(2);
    this.#offset += 2;
    return this.#view.getUint16(this.#offset - 2, true);
  }

  u32(): number {
    this.#need(4);
    this.#offset += 4;
    return this.#view.getUint32(this.#offset - 4, true);
  }

  u64(): bigint {
    this.#need(8);
    this.#offset += 8;
    return this.#view.getBigUint64(this.#offset - 8, true);
  }

  i64(): bigint {
    this.#need(8);
    this.#offset += 8;
    return this.#view.getBigInt64(this.#offset - 8, true);
  }

  varint(): number {
    const first = this.u8();
    if (first < 0x80) return first;
    let value = first & 0x7f;
    let scale = 0x80;
    for (;;) {
      const byte = this.u8();
      value += (byte & 0x7f) * scale;
      if (!Number.isSafeInteger(value)) throw this.corrupt("a number above 2^53 - 1");
      if (byte < 0x80) return value;
      scale *= 0x80;
    }
  }

  /** The next signed varint where it takes up to four bytes; otherwise `undefined`, and nothing is read. */
  signedSmall(): number | undefined {
    const bytes = this.#bytes;
    let folded = 0;
    for (let read = 0; read < 4; read++) {
      const byte = bytes[this.#offset + read];
      if (byte === undefined) return undefined;
      folded |= (byte & 0x7f) << (7 * read);
      if (byte >= 0x80) continue;
      this.#offset += read + 1;
      return (folded & 1) === 0 ? folded >>> 1 : -(folded >>> 1) - 1;
    }
    return undefined;
  }

  signedVarint(): bigint {
    let low = 0;
    let shift = 0;
    for (let scale = 1; shift < MAX_FAST_SHIFT; scale *= 0x80, shift += 7) {
      const byte = this.u8();
      low += (byte & 0x7f) * scale;
      if (byte < 0x80) return BigInt(low % 2 === 0 ? low / 2 : -(low + 1) / 2);
    }
    let folded = BigInt(low);
    for (;;) {
      const byte = this.u8();
      folded |= BigInt(byte & 0x7f) << BigInt(shift);
      if (folded >= 2n ** 64n) throw this.corrupt("a number of more than 64 bits");
      if (byte < 0x80) return (folded & 1n) === 0n ? folded >> 1n : -(folded >> 1n) - 1n;
      shift += 7;
    }
  }

  /** A view of the next bytes. */
  raw(length: number): Uint8Array {
    this.#need(length);
    this.#offset += length;
    return this.#bytes.subarray(this.#offset - length, this.#offset);
  }

  /** The error that says what is wrong here. */
  corrupt(what: string): SeriesError {
    return new SeriesError("SERIES_CORRUPT", `at offset ${this.#offset}: ${what}`, {
      details: { offset: this.#offset },
    });
  }

  #need(bytes: number): void {
    if (bytes > this.left) throw this.corrupt(`${bytes} bytes wanted, ${this.left} left`);
  }
}
