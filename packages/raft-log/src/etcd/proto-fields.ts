/**
 * The wire format of Protocol Buffers, as far as etcd's messages need it: varints and byte strings. Pure.
 *
 * Reading is tolerant, as the messages of several versions of etcd want it: fields in any order, unknown ones passed over, numbers
 * up to 2^53 - 1 (ids: 64 bits). What cannot be read is a `RangeError`, which callers translate.
 */
import type { ByteWriter } from "../byte-writer.ts";

const WIRE = { varint: 0, fixed64: 1, bytes: 2, fixed32: 5 } as const;
const MAX_VARINT_BYTES = 10;
const MAX_FIELD = 2 ** 29 - 1;

/** Writes a field that is a whole number from 0 to 2^53 - 1. */
export function writeNumberField(writer: ByteWriter, field: number, value: number): void {
  writer.varint(field * 8 + WIRE.varint);
  writer.varint(value);
}

/** Writes a field that is an unsigned number of 64 bits. */
export function writeIdField(writer: ByteWriter, field: number, value: bigint): void {
  writer.varint(field * 8 + WIRE.varint);
  let rest = value;
  for (; rest >= 0x80n; rest >>= 7n) writer.u8(Number(rest & 0x7fn) | 0x80);
  writer.u8(Number(rest));
}

/** Writes the head of a field of bytes; the bytes follow. */
export function writeBytesHead(writer: ByteWriter, field: number, lengthBytes: number): void {
  writer.varint(field * 8 + WIRE.bytes);
  writer.varint(lengthBytes);
}

export function writeBytesField(writer: ByteWriter, field: number, bytes: Uint8Array): void {
  writeBytesHead(writer, field, bytes.byteLength);
  writer.raw(bytes);
}

/** One field that was read. A byte string is a view. */
export interface ProtoField {
  readonly number: number;
  readonly value: bigint | number | Uint8Array;
}

/** The fields of a message, in their order; those of other wire types are passed over. */
export function* readFields(bytes: Uint8Array): Generator<ProtoField, undefined> {
  const reader = new ProtoReader(bytes);
  while (reader.left > 0) {
    const tag = numberOf(reader.varint());
    const number = Math.floor(tag / 8);
    if (number === 0 || number > MAX_FIELD) throw new RangeError(`a field with number ${number}`);
    switch (tag % 8) {
      case WIRE.varint:
        yield { number, value: reader.varint() };
        break;
      case WIRE.bytes:
        yield { number, value: reader.bytes(numberOf(reader.varint())) };
        break;
      case WIRE.fixed64:
        reader.bytes(8);
        break;
      case WIRE.fixed32:
        reader.bytes(4);
        break;
      default:
        throw new RangeError(`a field of wire type ${tag % 8}`);
    }
  }
  return undefined;
}

/** A field as a number. */
export function numberOf(value: ProtoField["value"]): number {
  if (typeof value === "number") return value;
  throw new RangeError(`${String(value)} where a number up to 2^53 - 1 is expected`);
}

/** A field as an id of 64 bits. */
export function idOf(value: ProtoField["value"]): bigint {
  if (value instanceof Uint8Array) throw new RangeError("bytes where an id is expected");
  return BigInt(value);
}

export function bytesOf(value: ProtoField["value"]): Uint8Array {
  if (value instanceof Uint8Array) return value;
  throw new RangeError(`${String(value)} where bytes are expected`);
}

/** A repeated id: one value a field, or several packed into one. */
export function idsOf(value: ProtoField["value"]): readonly bigint[] {
  if (!(value instanceof Uint8Array)) return [BigInt(value)];
  const reader = new ProtoReader(value);
  const ids: bigint[] = [];
  while (reader.left > 0) ids.push(BigInt(reader.varint()));
  return ids;
}

class ProtoReader {
  readonly #bytes: Uint8Array;
  #offset = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  get left(): number {
    return this.#bytes.byteLength - this.#offset;
  }

  /** A number where it fits, a bigint above. */
  varint(): number | bigint {
    const start = this.#offset;
    let value = 0;
    let scale = 1;
    for (let count = 0; count < MAX_VARINT_BYTES; count++) {
      const byte = this.#bytes[this.#offset++];
      if (byte === undefined) throw new RangeError("the message ends inside a number");
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) return Number.isSafeInteger(value) ? value : this.#large(start);
      scale *= 0x80;
    }
    throw new RangeError("a number of more than 64 bits");
  }

  bytes(length: number): Uint8Array {
    if (length > this.left) throw new RangeError(`${length} bytes announced, ${this.left} there`);
    this.#offset += length;
    return this.#bytes.subarray(this.#offset - length, this.#offset);
  }

  #large(start: number): bigint {
    let value = 0n;
    for (let at = this.#offset - 1; at >= start; at--) {
      value = (value << 7n) | BigInt((this.#bytes[at] ?? 0) & 0x7f);
    }
    return BigInt.asUintN(64, value);
  }
}
