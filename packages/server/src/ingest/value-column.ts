/**
 * A column of a MessagePack table: its type follows from its values, not from a schema.
 *
 * Integers stay integers until a float arrives; then every integer of the column must be exact as a float.
 * An integer of 2^63 or more makes the column unsigned, which no negative value may share. A column whose values
 * are all nil has no type and is left out of the batch.
 */
import { hashByte, INVALID_UTF8, VALUE_TOO_LONG } from "./byte-dictionary.ts";
import type { ColumnBuilder } from "./column-builder.ts";
import { FORMAT, type MessagePackCursor } from "./messagepack-cursor.ts";
import type { ColumnType } from "./table-batch.ts";
import type { TableBuilder } from "./table-builder.ts";

const TWO_32 = 4_294_967_296;

export class ValueColumn {
  readonly name: string;
  readonly isTag: boolean;
  /** The last row or item that wrote this column, to find duplicate keys. */
  stamp = -1;

  readonly #table: TableBuilder;
  #builder: ColumnBuilder | undefined;
  #hasNegative = false;

  constructor(table: TableBuilder, options: { readonly name: string; readonly isTag: boolean }) {
    this.#table = table;
    this.name = options.name;
    this.isTag = options.isTag;
  }

  /** Reads the next value into `row`; a nil leaves the row without a value. */
  readValue(cursor: MessagePackCursor, row: number): void {
    if (this.#readRun(cursor, row, row + 1) > row || this.#readInto(cursor, row, 0)) {
      this.#builder?.markValid(row, row + 1);
    }
  }

  /** Writes a text that is not in the body, just read at the cursor, into `row`. */
  writeText(cursor: MessagePackCursor, row: number, text: string): void {
    const column = this.#column(cursor, cursor.at, this.isTag ? "tag" : "string", row, 0);
    column.codes[row] = column.dictionary?.encodeAnyText(text) ?? 0;
    column.markValid(row, row + 1);
  }

  /** Reads the next `count` values into the rows from `firstRow` on. */
  readValues(cursor: MessagePackCursor, firstRow: number, count: number): void {
    const endRow = firstRow + count;
    if (this.#builder !== undefined) this.#table.reserve(this.#builder, endRow);
    let runStart = firstRow;
    let row = firstRow;
    while (row < endRow) {
      row = this.#readRun(cursor, row, endRow);
      if (row === endRow) break;
      cursor.path.element = row - firstRow;
      const hasValue = this.#readInto(cursor, row, endRow);
      if (!hasValue) {
        if (row > runStart) this.#builder?.markValid(runStart, row);
        runStart = row + 1;
      }
      row++;
    }
    if (endRow > runStart) this.#builder?.markValid(runStart, endRow);
    cursor.path.element = -1;
  }

  /** Reads one value of any kind; false for nil. `room` is how many rows to make room for, 0 if unknown. */
  #readInto(cursor: MessagePackCursor, row: number, room: number): boolean {
    if (cursor.peek() === FORMAT.nil) {
      cursor.at++;
      return false;
    }
    const at = cursor.at;
    if (cursor.readText()) {
      const column = this.#column(cursor, at, this.isTag ? "tag" : "string", row, room);
      this.#writeText(cursor, column, row);
      return true;
    }
    if (this.isTag) cursor.fail(`a tag value must be a text, found ${cursor.describe()}`);
    const byte = cursor.peek();
    if (byte === FORMAT.true || byte === FORMAT.false) {
      const column = this.#column(cursor, at, "boolean", row, room);
      column.flags[row] = byte === FORMAT.true ? 1 : 0;
      cursor.at++;
      return true;
    }
    if (cursor.readInteger()) {
      this.#writeInteger(cursor, at, row, room);
      return true;
    }
    const float = cursor.readFloat();
    if (float === undefined) return cursor.fail(`a value cannot be ${cursor.describe()}`);
    if (!Number.isFinite(float)) cursor.fail(`the float ${float} is not finite`, { at });
    const column = this.#column(cursor, at, "float", row, room);
    column.floats[row] = float;
    return true;
  }

  /** Reads as many values as possible that have the column's type in its most usual spelling. */
  #readRun(cursor: MessagePackCursor, row: number, endRow: number): number {
    const column = this.#builder;
    if (column === undefined || column.capacity < endRow) return row;
    switch (column.type) {
      case "float":
        return readFloatRun(cursor, column.floats, row, endRow);
      case "integer":
        return this.#readIntegerRun(cursor, column.halves, row, endRow);
      case "tag":
      case "string":
        return readTextRun(cursor, column, row, endRow);
      case "boolean":
      case "unsigned":
        return row;
    }
  }

  #readIntegerRun(
    cursor: MessagePackCursor,
    halves: Int32Array,
    firstRow: number,
    endRow: number,
  ): number {
    const { bytes, view } = cursor;
    // Nine bytes are the longest integer, so one comparison checks them all.
    const lastStart = bytes.length - 9;
    let at = cursor.at;
    let row = firstRow;
    let signs = 0;
    while (row < endRow && at <= lastStart) {
      const byte = bytes[at] as number;
      let high = 0;
      if (byte < 0x80) {
        halves[2 * row] = byte;
        at += 1;
      } else if (byte === FORMAT.uint64 || byte === FORMAT.int64) {
        high = view.getInt32(at + 1);
        if (high < 0 && byte === FORMAT.uint64) break;
        halves[2 * row] = view.getInt32(at + 5);
        at += 9;
      } else if (byte === FORMAT.uint32) {
        halves[2 * row] = view.getInt32(at + 1);
        at += 5;
      } else if (byte === FORMAT.uint16) {
        halves[2 * row] = view.getUint16(at + 1);
        at += 3;
      } else if (byte === FORMAT.uint8) {
        halves[2 * row] = view.getUint8(at + 1);
        at += 2;
      } else break;
      halves[2 * row + 1] = high;
      signs |= high;
      row++;
    }
    if (signs < 0) this.#hasNegative = true;
    cursor.at = at;
    return row;
  }

  #writeText(cursor: MessagePackCursor, column: ColumnBuilder, row: number): void {
    const { bytes, textStart, textEnd } = cursor;
    let hash = 0;
    for (let at = textStart; at < textEnd; at++) hash = hashByte(hash, bytes[at] as number);
    const code = column.dictionary?.encode(textStart, textEnd, hash) ?? INVALID_UTF8;
    if (code === VALUE_TOO_LONG) {
      cursor.failLimit("maxStringBytes", this.#table.limits.maxStringBytes, textStart);
    }
    if (code < 0) cursor.fail("the text is not valid UTF-8", { at: textStart });
    column.codes[row] = code;
  }

  #writeInteger(cursor: MessagePackCursor, at: number, row: number, room: number): void {
    if (this.#builder?.type === "float") {
      this.#table.reserve(this.#builder, row + 1);
      const value = cursor.integerAsDouble;
      if (!isExactDouble(value, () => cursor.integerAsBigInt))
        this.#failInexact(cursor, at, cursor.integerAsBigInt);
      this.#builder.floats[row] = value;
      return;
    }
    if (cursor.isNegative) this.#hasNegative = true;
    const column = this.#column(cursor, at, cursor.isHuge ? "unsigned" : "integer", row, room);
    if (column.type === "unsigned" && this.#hasNegative) {
      cursor.fail("the column has negative integers and integers of 2^63 or more", { at });
    }
    column.halves[2 * row] = cursor.low;
    column.halves[2 * row + 1] = cursor.high;
  }

  /** The builder, made or turned to another number type if `type` asks for it, with room for `row`. */
  #column(
    cursor: MessagePackCursor,
    at: number,
    type: ColumnType,
    row: number,
    room: number,
  ): ColumnBuilder {
    const column = (this.#builder ??= this.#table.addColumn(this.name, type));
    if (column.capacity === 0 && room > row) this.#table.reserve(column, room, room);
    else if (row >= column.capacity) this.#table.reserve(column, row + 1);
    if (column.type === type || (column.type === "unsigned" && type === "integer")) return column;
    if (column.type === "integer" && type === "unsigned") column.type = "unsigned";
    else if (type === "float" && (column.type === "integer" || column.type === "unsigned")) {
      this.#turnIntoFloats(cursor, column, row);
    } else {
      cursor.fail(
        `column ${JSON.stringify(this.name)} of ${JSON.stringify(this.#table.measurement)} is ${column.type} before and ${type} here`,
        {
          at,
          code: "SERVER_TYPE_CONFLICT",
          details: {
            measurement: this.#table.measurement,
            column: this.name,
            expected: column.type,
            found: type,
          },
        },
      );
    }
    return column;
  }

  #turnIntoFloats(cursor: MessagePackCursor, column: ColumnBuilder, rows: number): void {
    const { halves } = column;
    const isUnsigned = column.type === "unsigned";
    const floats = new Float64Array(column.capacity);
    for (let row = 0; row < rows; row++) {
      const low = (halves[2 * row] as number) >>> 0;
      const half = halves[2 * row + 1] as number;
      const high = isUnsigned ? half >>> 0 : half;
      const value = high * TWO_32 + low;
      const exact = (): bigint => (BigInt(high) << 32n) | BigInt(low);
      if (!isExactDouble(value, exact)) this.#failInexact(cursor, cursor.at, exact());
      floats[row] = value;
    }
    column.type = "float";
    column.floats = floats;
    column.halves = new Int32Array(0);
  }

  #failInexact(cursor: MessagePackCursor, at: number, value: bigint): never {
    return cursor.fail(
      `column ${JSON.stringify(this.name)} has floats and the integer ${value}, which is not exact as a float`,
      { at },
    );
  }
}

/** Whether `value`, an integer rounded to a double, is that integer. */
function isExactDouble(value: number, exact: () => bigint): boolean {
  return Number.isSafeInteger(value) || BigInt(value) === exact();
}

function readFloatRun(
  cursor: MessagePackCursor,
  floats: Float64Array,
  firstRow: number,
  endRow: number,
): number {
  const { bytes, view } = cursor;
  const lastStart = bytes.length - 9;
  let at = cursor.at;
  let row = firstRow;
  while (row < endRow && at <= lastStart && bytes[at] === FORMAT.float64) {
    const value = view.getFloat64(at + 1);
    // The difference is 0 for finite values only; others are reported by the general path.
    if (value - value !== 0) break;
    floats[row++] = value;
    at += 9;
  }
  cursor.at = at;
  return row;
}

function readTextRun(
  cursor: MessagePackCursor,
  column: ColumnBuilder,
  firstRow: number,
  endRow: number,
): number {
  const { bytes } = cursor;
  const { codes, dictionary } = column;
  if (dictionary === undefined) return firstRow;
  // Only fixstr and str8: the longest takes 257 bytes.
  const lastStart = bytes.length - 257;
  let at = cursor.at;
  let row = firstRow;
  while (row < endRow && at <= lastStart) {
    const byte = bytes[at] as number;
    let start = at + 1;
    let length = byte - 0xa0;
    if (byte === FORMAT.str8) length = bytes[start++] as number;
    else if (byte < 0xa0 || byte > 0xbf) break;
    const end = start + length;
    let hash = 0;
    for (let position = start; position < end; position++) {
      hash = hashByte(hash, bytes[position] as number);
    }
    const code = dictionary.encode(start, end, hash);
    if (code < 0) break;
    codes[row++] = code;
    at = end;
  }
  cursor.at = at;
  return row;
}
