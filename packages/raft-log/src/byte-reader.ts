/** Reads what `ByteWriter` wrote. Never beyond the end: bytes that are too few are a `RangeError`, which callers translate. */

export class ByteReader {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  #offset = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  /** Bytes that have not been read. */
  get left(): number {
    return this.#bytes.byteLength - this.#offset;
  }

  u8(): number {
    const value = this.#view.getUint8(this.#offset);
    this.#offset += 1;
    return value;
  }

  u32(): number {
    const value = this.#view.getUint32(this.#offset, true);
    this.#offset += 4;
    return value;
  }

  u64(): bigint {
    const value = this.#view.getBigUint64(this.#offset, true);
    this.#offset += 8;
    return value;
  }

  varint(): number {
    let value = 0;
    let scale = 1;
    for (;;) {
      const byte = this.u8();
      value += (byte & 0x7f) * scale;
      if (!Number.isSafeInteger(value)) throw new RangeError("a varint above 2^53 - 1");
      if (byte < 0x80) return value;
      scale *= 0x80;
    }
  }

  /** A view of the next bytes. */
  raw(length: number): Uint8Array {
    if (length > this.left) throw new RangeError(`${length} bytes of ${this.left}`);
    this.#offset += length;
    return this.#bytes.subarray(this.#offset - length, this.#offset);
  }
}
