/**
 * One growing column of a table: typed arrays that decoders write into directly, and the rows that have a value.
 *
 * A decoder writes the value of a row first (`floats[row] = ...`) and marks rows valid afterwards, in ascending
 * ranges, so that a run of equally shaped rows costs one call per column instead of one per value. Rows that
 * are never marked stay null. One class serves all kinds, with the arrays of the other kinds empty: the
 * decoders' inner loops then see objects of one shape, which the compiler turns into direct loads.
 */
import type { ByteDictionary } from "./byte-dictionary.ts";
import type { Column, ColumnType } from "./table-batch.ts";

const NO_FLOATS = new Float64Array(0);
const NO_HALVES = new Int32Array(0);
const NO_CODES = new Uint32Array(0);
const NO_FLAGS = new Uint8Array(0);

/** Bytes that one value takes in memory and at most in the log. */
export const BYTES_PER_VALUE: Readonly<Record<ColumnType, number>> = {
  tag: 4,
  string: 4,
  float: 8,
  integer: 8,
  unsigned: 8,
  boolean: 1,
};

export class ColumnBuilder {
  readonly name: string;
  type: ColumnType;
  /** Rows that the arrays have room for. */
  capacity = 0;
  /** Rows that have been claimed from the batch's limit (see `TableBuilder.reserve`). */
  claimedRows = 0;
  floats: Float64Array = NO_FLOATS;
  /** 64-bit integers as pairs of 32-bit halves, low half first (see `writeSigned`). */
  halves: Int32Array = NO_HALVES;
  codes: Uint32Array = NO_CODES;
  flags: Uint8Array = NO_FLAGS;
  /** Set for tags and strings. */
  readonly dictionary: ByteDictionary | undefined;
  /** Free for the decoder: the row or line that wrote this column last, to find duplicates. */
  stamp = -1;

  /** Rows [0, filledTo) are valid as long as there is no bitmap. */
  #filledTo = 0;
  #bitmap: Uint8Array | undefined;

  constructor(name: string, type: ColumnType, dictionary: ByteDictionary | undefined) {
    this.name = name;
    this.type = type;
    this.dictionary = dictionary;
  }

  /** Makes room for `rows` rows; keeps what is there. New room is zero. */
  reserve(rows: number): void {
    switch (this.type) {
      case "tag":
      case "string":
        this.codes = grown(this.codes, new Uint32Array(rows));
        break;
      case "float":
        this.floats = grown(this.floats, new Float64Array(rows));
        break;
      case "integer":
      case "unsigned":
        this.halves = grown(this.halves, new Int32Array(rows * 2));
        break;
      case "boolean":
        this.flags = grown(this.flags, new Uint8Array(rows));
        break;
    }
    this.capacity = rows;
  }

  /** Marks rows [from, to) valid. `from` is never below the end of an earlier range. */
  markValid(from: number, to: number): void {
    if (this.#bitmap === undefined) {
      if (from === this.#filledTo) {
        this.#filledTo = to;
        return;
      }
      this.#bitmap = new Uint8Array(Math.max(64, to >>> 2));
      setBits(this.#bitmap, 0, this.#filledTo);
    }
    if (to > this.#bitmap.length * 8) this.#bitmap = grown(this.#bitmap, new Uint8Array(to >>> 2));
    setBits(this.#bitmap, from, to);
  }

  /** Whether any row was marked valid. */
  get hasValues(): boolean {
    return this.#bitmap !== undefined || this.#filledTo > 0;
  }

  /** The finished column of `rowCount` rows; the builder must not be used afterwards. */
  finish(rowCount: number): Column {
    const { name } = this;
    if (this.capacity < rowCount) this.reserve(rowCount);
    const validity = this.#finishValidity(rowCount);
    switch (this.type) {
      case "tag":
      case "string":
        return {
          name,
          type: this.type,
          validity,
          codes: exactly(this.codes, rowCount),
          dictionary: this.dictionary?.values ?? [],
        };
      case "float":
        return { name, type: "float", validity, values: exactly(this.floats, rowCount) };
      case "integer":
        return { name, type: "integer", validity, values: signedView(this.halves, rowCount) };
      case "unsigned":
        return { name, type: "unsigned", validity, values: unsignedView(this.halves, rowCount) };
      case "boolean":
        return { name, type: "boolean", validity, values: exactly(this.flags, rowCount) };
    }
  }

  #finishValidity(rowCount: number): Uint8Array | undefined {
    if (this.#bitmap === undefined && this.#filledTo === rowCount) return undefined;
    const validity = new Uint8Array((rowCount + 7) >>> 3);
    if (this.#bitmap === undefined) setBits(validity, 0, this.#filledTo);
    else validity.set(this.#bitmap.subarray(0, validity.length));
    return validity;
  }
}

/** `halves` as a signed 64-bit column of exactly `rowCount` values. */
export function signedView(halves: Int32Array, rowCount: number): BigInt64Array {
  const exact = exactly(halves, rowCount * 2);
  return new BigInt64Array(exact.buffer, exact.byteOffset, rowCount);
}

function unsignedView(halves: Int32Array, rowCount: number): BigUint64Array {
  const exact = exactly(halves, rowCount * 2);
  return new BigUint64Array(exact.buffer, exact.byteOffset, rowCount);
}

interface GrowableArray<T> {
  readonly length: number;
  set(source: T): void;
  subarray(start: number, end: number): T;
  slice(start: number, end: number): T;
}

/** Copies `old` into the larger `room`. */
function grown<T extends GrowableArray<T>>(old: T, room: T): T {
  room.set(old);
  return room;
}

/** Exactly `length` elements: a view, or a copy where a view would keep much unused memory alive. */
function exactly<T extends GrowableArray<T>>(array: T, length: number): T {
  const isWasteful = array.length > 1024 && array.length > length + (length >>> 1);
  return isWasteful ? array.slice(0, length) : array.subarray(0, length);
}

/** Sets bits [from, to), whole bytes at a time where possible. */
function setBits(bitmap: Uint8Array, from: number, to: number): void {
  let at = from;
  while (at < to && (at & 7) !== 0) {
    bitmap[at >>> 3] = (bitmap[at >>> 3] as number) | (1 << (at & 7));
    at++;
  }
  const wholeEnd = to & ~7;
  if (at < wholeEnd) {
    bitmap.fill(0xff, at >>> 3, wholeEnd >>> 3);
    at = wholeEnd;
  }
  while (at < to) {
    bitmap[at >>> 3] = (bitmap[at >>> 3] as number) | (1 << (at & 7));
    at++;
  }
}
