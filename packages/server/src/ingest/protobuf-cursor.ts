/**
 * Reads the protobuf wire format: tags, varints, fixed 64-bit values, lengths. Knows no message.
 *
 * Every length is checked against the message that encloses it before it is used, so that no input, whatever
 * it claims, makes a reader leave its message or go backwards.
 */

/** How a field's value is written. Groups (3 and 4) are not read: nobody writes them any more. */
export const WIRE = { varint: 0, fixed64: 1, bytes: 2, fixed32: 5 } as const;

const TWO_32 = 4_294_967_296;
const MAX_VARINT_BYTES = 10;

/** A position in a message. Limits are set by the caller with {@link end}. */
export class ProtobufCursor {
  readonly bytes: Buffer;
  /** Next byte to read. */
  at = 0;
  /** End of the message being read: nothing is read beyond it. */
  end: number;
  /** Field number and wire type of the last tag. */
  field = 0;
  wire = 0;
  /** The last varint: its low and high 32 bits, both unsigned. */
  low = 0;
  high = 0;
  readonly #fail: (reason: string, at: number) => never;

  /** @param fail - throws the error of a malformed message; `at` is the first byte of what is wrong */
  constructor(bytes: Buffer, fail: (reason: string, at: number) => never) {
    this.bytes = bytes;
    this.end = bytes.length;
    this.#fail = fail;
  }

  /** Reads the next tag of the message; false at its end. */
  nextField(): boolean {
    if (this.at >= this.end) return false;
    const start = this.at;
    this.readVarint();
    if (this.high !== 0) this.#fail("a field number is too large", start);
    this.wire = this.low & 7;
    this.field = this.low >>> 3;
    if (this.field === 0) this.#fail("a field has the number 0", start);
    return true;
  }

  /** Checks that the field that was just named is written as its schema says. */
  expect(wire: number, name: string): void {
    if (this.wire !== wire) {
      this.#fail(`${name} has wire type ${this.wire}, expected ${wire}`, this.at);
    }
  }

  /** Reads a varint of up to 64 bits into {@link low} and {@link high}. */
  readVarint(): void {
    const { bytes } = this;
    const start = this.at;
    let low = 0;
    let high = 0;
    for (let index = 0; index < MAX_VARINT_BYTES; index++) {
      if (this.at >= this.end) this.#fail("the message ends inside a number", start);
      const byte = bytes[this.at++] as number;
      const bits = byte & 0x7f;
      if (index < 4) low |= bits << (index * 7);
      else if (index === 4) {
        low |= bits << 28;
        high = bits >>> 4;
      } else high |= bits << (index * 7 - 32);
      if (byte < 0x80) {
        if (index === 9 && bits > 1) this.#fail("a number has more than 64 bits", start);
        this.low = low >>> 0;
        this.high = high >>> 0;
        return;
      }
    }
    this.#fail("a number has more than 64 bits", start);
  }

  /** Reads a length and returns the end of what it measures; {@link at} is its start. */
  readLength(name: string): number {
    const start = this.at;
    this.readVarint();
    const end = this.at + this.high * TWO_32 + this.low;
    if (end > this.end) this.#fail(`${name} is longer than what is left of its message`, start);
    return end;
  }

  /** Moves past 8 bytes and returns where they begin. */
  readFixed64(name: string): number {
    const start = this.at;
    if (start + 8 > this.end) this.#fail(`the message ends inside ${name}`, start);
    this.at += 8;
    return start;
  }

  /** Moves past the value of the field that was just named, whatever it is. */
  skipValue(): void {
    switch (this.wire) {
      case WIRE.varint:
        this.readVarint();
        return;
      case WIRE.fixed64:
        this.readFixed64("a field");
        return;
      case WIRE.bytes:
        this.at = this.readLength("a field");
        return;
      case WIRE.fixed32: {
        if (this.at + 4 > this.end) this.#fail("the message ends inside a field", this.at);
        this.at += 4;
        return;
      }
      default:
        this.#fail(`wire type ${this.wire} is unknown`, this.at);
    }
  }
}
