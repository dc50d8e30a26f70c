/**
 * A position in a MessagePack body: reads one value at a time, checks every length against the bytes that are
 * left, and knows where it is (`batch[3].fields.usage`) when something is wrong.
 *
 * Integers are read as two 32-bit halves and texts as positions in the body, so that a value reaches its column
 * without an object in between. Knows nothing of tables.
 */
import { ServerError, type ServerErrorCode } from "../errors.ts";
import type { IngestLimits } from "./ingest-limits.ts";
import { asBuffer, decodeUtf8, printableExcerpt } from "./utf8-text.ts";

/** First bytes of values, as the MessagePack specification names them. */
export const FORMAT = {
  nil: 0xc0,
  false: 0xc2,
  true: 0xc3,
  ext8: 0xc7,
  float32: 0xca,
  float64: 0xcb,
  uint8: 0xcc,
  uint16: 0xcd,
  uint32: 0xce,
  uint64: 0xcf,
  int8: 0xd0,
  int16: 0xd1,
  int32: 0xd2,
  int64: 0xd3,
  fixext4: 0xd6,
  fixext8: 0xd7,
  str8: 0xd9,
  str16: 0xda,
  str32: 0xdb,
  array16: 0xdc,
  array32: 0xdd,
  map16: 0xde,
  map32: 0xdf,
  negativeFixint: 0xe0,
} as const;

/** Bytes of a whole value by its first byte, where that says it all; 0 where it does not. */
const FIXED_BYTES: Uint8Array = Uint8Array.from({ length: 256 }, (_, byte) => {
  if (byte < 0x80 || byte >= FORMAT.negativeFixint) return 1;
  if (byte >= 0xa0 && byte < 0xc0) return 1 + (byte & 0x1f);
  if (byte === FORMAT.nil || byte === FORMAT.false || byte === FORMAT.true) return 1;
  if (byte === FORMAT.float32) return 5;
  if (byte === FORMAT.float64) return 9;
  if (byte >= FORMAT.uint8 && byte <= FORMAT.int64) return 1 + (1 << (byte & 3));
  // Extensions of fixed length: type and 1, 2, 4, 8 or 16 bytes.
  return byte >= 0xd4 && byte <= 0xd8 ? 2 + (1 << (byte - 0xd4)) : 0;
});

const TWO_32 = 4_294_967_296;
const MAX_NAME_CHARS = 60;

/** The part of the body that is being read, for error messages. */
export interface MessagePackPath {
  /** How items are contained: `batch[3]`, `[3]`, or nothing for a single item. */
  container: "batch" | "array" | "none";
  itemIndex: number;
  /** Key inside the item, such as `columns`. */
  section: string;
  /** Bytes of the key inside the section; start −1 when there is none. */
  keyStart: number;
  keyEnd: number;
  /** Index inside an array; −1 when there is none. */
  element: number;
}

export class MessagePackCursor {
  readonly bytes: Buffer;
  readonly view: DataView;
  at = 0;
  readonly path: MessagePackPath = {
    container: "none",
    itemIndex: 0,
    section: "",
    keyStart: -1,
    keyEnd: -1,
    element: -1,
  };

  /** The integer that was read last: halves of its two's complement. */
  low = 0;
  high = 0;
  /** Whether that integer is at least 2^63, so that its halves are unsigned. */
  isHuge = false;
  /** Bytes of the text that was read last. */
  textStart = 0;
  textEnd = 0;

  readonly #maxDepth: number;

  constructor(body: Uint8Array, options: { readonly maxDepth: number }) {
    this.bytes = asBuffer(body);
    this.view = new DataView(body.buffer, body.byteOffset, body.byteLength);
    this.#maxDepth = options.maxDepth;
  }

  /** First byte of the next value. */
  peek(): number {
    if (this.at >= this.bytes.length) this.fail("the body ends too early");
    return this.bytes[this.at] as number;
  }

  get isAtEnd(): boolean {
    return this.at === this.bytes.length;
  }

  isMap(): boolean {
    const byte = this.peek();
    return (byte >= 0x80 && byte < 0x90) || byte === FORMAT.map16 || byte === FORMAT.map32;
  }

  isArray(): boolean {
    const byte = this.peek();
    return (byte >= 0x90 && byte < 0xa0) || byte === FORMAT.array16 || byte === FORMAT.array32;
  }

  /** Number of entries of the map that starts here; reads on after its header. */
  readMapHeader(): number {
    const byte = this.peek();
    if (byte >= 0x80 && byte < 0x90) return this.#checkedCount(byte & 0x0f, 1, 2);
    if (byte === FORMAT.map16) return this.#checkedCount(this.#uint16(), 3, 2);
    if (byte === FORMAT.map32) return this.#checkedCount(this.#uint32(), 5, 2);
    return this.fail(`expected a map, found ${this.describe()}`);
  }

  /** Number of elements of the array that starts here; reads on after its header. */
  readArrayHeader(): number {
    const byte = this.peek();
    if (byte >= 0x90 && byte < 0xa0) return this.#checkedCount(byte & 0x0f, 1, 1);
    if (byte === FORMAT.array16) return this.#checkedCount(this.#uint16(), 3, 1);
    if (byte === FORMAT.array32) return this.#checkedCount(this.#uint32(), 5, 1);
    return this.fail(`expected an array, found ${this.describe()}`);
  }

  /** Reads a text into `textStart` and `textEnd`; false, without reading, when the value is none. */
  readText(): boolean {
    const byte = this.peek();
    let headerBytes = 1;
    let length = 0;
    if (byte >= 0xa0 && byte < 0xc0) length = byte & 0x1f;
    else if (byte === FORMAT.str8) {
      headerBytes = 2;
      length = this.#uint8();
    } else if (byte === FORMAT.str16) {
      headerBytes = 3;
      length = this.#uint16();
    } else if (byte === FORMAT.str32) {
      headerBytes = 5;
      length = this.#uint32();
    } else return false;
    const start = this.at + headerBytes;
    if (length > this.bytes.length - start) this.fail("a text is longer than the rest of the body");
    this.textStart = start;
    this.textEnd = start + length;
    this.at = this.textEnd;
    return true;
  }

  /** Reads an integer into `low`, `high` and `isHuge`; false, without reading, when the value is none. */
  readInteger(): boolean {
    const byte = this.peek();
    this.isHuge = false;
    if (byte < 0x80) return this.#integer(1, byte, 0);
    if (byte >= FORMAT.negativeFixint) return this.#integer(1, byte - 256, -1);
    switch (byte) {
      case FORMAT.uint8:
        return this.#integer(2, this.#uint8(), 0);
      case FORMAT.uint16:
        return this.#integer(3, this.#uint16(), 0);
      case FORMAT.uint32:
        return this.#integer(5, this.#uint32(), 0);
      case FORMAT.int8: {
        const value = (this.#uint8() << 24) >> 24;
        return this.#integer(2, value, value >> 31);
      }
      case FORMAT.int16: {
        const value = (this.#uint16() << 16) >> 16;
        return this.#integer(3, value, value >> 31);
      }
      case FORMAT.int32: {
        const value = this.#uint32() | 0;
        return this.#integer(5, value, value >> 31);
      }
      case FORMAT.uint64:
      case FORMAT.int64: {
        this.#need(9);
        const high = this.view.getInt32(this.at + 1);
        this.isHuge = byte === FORMAT.uint64 && high < 0;
        return this.#integer(9, this.view.getInt32(this.at + 5), high);
      }
      default:
        return false;
    }
  }

  /** Reads a float; `undefined`, without reading, when the value is none. */
  readFloat(): number | undefined {
    const byte = this.peek();
    if (byte === FORMAT.float64) {
      this.#need(9);
      const value = this.view.getFloat64(this.at + 1);
      this.at += 9;
      return value;
    }
    if (byte === FORMAT.float32) {
      this.#need(5);
      const value = this.view.getFloat32(this.at + 1);
      this.at += 5;
      return value;
    }
    return undefined;
  }

  /** Whether the integer read last is negative. */
  get isNegative(): boolean {
    return this.high < 0 && !this.isHuge;
  }

  /** The integer read last as a double: exact up to 2^53, else rounded. */
  get integerAsDouble(): number {
    const high = this.isHuge ? this.high >>> 0 : this.high;
    return high * TWO_32 + (this.low >>> 0);
  }

  /** The integer read last, exactly. */
  get integerAsBigInt(): bigint {
    const high = this.isHuge ? this.high >>> 0 : this.high;
    return (BigInt(high) << 32n) | BigInt(this.low >>> 0);
  }

  /** Passes over the next value, whatever it is. */
  skip(): void {
    this.#skipValues(1, 0);
  }

  /** The text read last as a string. */
  text(): string {
    const text = decodeUtf8(this.bytes, this.textStart, this.textEnd);
    return text ?? this.fail("a text is not valid UTF-8", { at: this.textStart });
  }

  /** What the next value is, in words. */
  describe(): string {
    if (this.at >= this.bytes.length) return "the end of the body";
    const byte = this.bytes[this.at] as number;
    if (byte < 0x80 || byte >= FORMAT.negativeFixint) return "an integer";
    if (byte >= FORMAT.uint8 && byte <= FORMAT.int64) return "an integer";
    if (this.isMap()) return "a map";
    if (this.isArray()) return "an array";
    if (byte < 0xc0 || (byte >= FORMAT.str8 && byte <= FORMAT.str32)) return "a text";
    if (byte === FORMAT.nil) return "nil";
    if (byte === FORMAT.true || byte === FORMAT.false) return "a boolean";
    if (byte === FORMAT.float32 || byte === FORMAT.float64) return "a float";
    if (byte >= 0xc4 && byte <= 0xc6) return "binary data";
    return byte === 0xc1 ? "the byte c1, which MessagePack does not use" : "an extension value";
  }

  /** Throws the error of a body that cannot be accepted. */
  fail(
    reason: string,
    options: {
      readonly at?: number;
      readonly code?: ServerErrorCode;
      readonly details?: Readonly<Record<string, string | number>>;
    } = {},
  ): never {
    const path = this.pathText();
    const at = options.at ?? this.at;
    const where = path === "" ? "" : ` in ${path}`;
    throw new ServerError(
      options.code ?? "SERVER_INVALID_MESSAGEPACK",
      `byte ${at}${where}: ${reason}; nothing of the request was stored`,
      { details: { offsetBytes: at, path, reason, ...options.details } },
    );
  }

  /** Throws the error of a single item that breaks a limit. */
  failLimit(limit: keyof IngestLimits, value: number, at: number): never {
    return this.fail(`the limit ${limit} of ${value} is exceeded`, { at, details: { limit } });
  }

  /** The place that is being read, as `batch[3].fields.usage`. */
  pathText(): string {
    const { container, itemIndex, section, keyStart, keyEnd, element } = this.path;
    const item =
      container === "none" ? "" : `${container === "batch" ? "batch" : ""}[${itemIndex}]`;
    const parts = [item, section];
    if (keyStart >= 0) {
      const range = { start: keyStart, end: keyEnd, maxChars: MAX_NAME_CHARS };
      parts.push(printableExcerpt(this.bytes, range));
    }
    const text = parts.filter((part) => part !== "").join(".");
    return element < 0 ? text : `${text}[${element}]`;
  }

  #skipValues(count: number, depth: number): void {
    if (depth > this.#maxDepth) this.fail(`values are nested deeper than ${this.#maxDepth} levels`);
    const { bytes } = this;
    for (let left = count; left > 0; left--) {
      const fixed = FIXED_BYTES[this.peek()] as number;
      if (fixed > bytes.length - this.at) this.fail("the body ends too early");
      if (fixed > 0) this.at += fixed;
      else if (this.isArray()) this.#skipValues(this.readArrayHeader(), depth + 1);
      else if (this.isMap()) this.#skipValues(this.readMapHeader() * 2, depth + 1);
      else if (!this.readText()) this.#skipExtension();
    }
  }

  #skipExtension(): void {
    if (this.peek() !== FORMAT.ext8) this.fail(`a value cannot be ${this.describe()}`);
    const length = 3 + this.#uint8();
    this.#need(length);
    this.at += length;
  }

  #integer(byteLength: number, low: number, high: number): true {
    this.low = low | 0;
    this.high = high;
    this.at += byteLength;
    return true;
  }

  #checkedCount(count: number, headerBytes: number, bytesPerEntry: number): number {
    if (count * bytesPerEntry > this.bytes.length - this.at - headerBytes) {
      this.fail(`${count} entries are announced, more than the rest of the body can hold`);
    }
    this.at += headerBytes;
    return count;
  }

  #uint8(): number {
    this.#need(2);
    return this.view.getUint8(this.at + 1);
  }

  #uint16(): number {
    this.#need(3);
    return this.view.getUint16(this.at + 1);
  }

  #uint32(): number {
    this.#need(5);
    return this.view.getUint32(this.at + 1);
  }

  #need(byteLength: number): void {
    if (byteLength > this.bytes.length - this.at) this.fail("the body ends too early");
  }
}
