/**
 * Reads one line of a known shape into the next row of its table: the inner loop of line protocol.
 *
 * Keys are compared, values are written into typed arrays, nothing is allocated. Whatever does not match is a
 * mismatch, for any reason; what the reason was is found out by others (line-shapes.ts, line-diagnosis.ts).
 */
import { INVALID_UTF8, hashByte } from "./byte-dictionary.ts";
import type { ColumnBuilder } from "./column-builder.ts";
import { readFloat } from "./decimal-float.ts";
import { readIntegerField, readTimestamp, readUnsignedField } from "./decimal-integer.ts";
import type { ByteRange, LineBody } from "./line-body.ts";
import { unescapeText } from "./line-escapes.ts";
import type { LineShape, ShapeSlot } from "./line-shape.ts";
import { parseBoolean } from "./line-value.ts";
import type { PrecisionScale } from "./precision.ts";

/** Returned instead of a position when the line is not of the shape or not valid. Also NO_FLOAT and NO_NUMBER. */
export const MISMATCH = -1;

const NEWLINE = 0x0a;
const CARRIAGE_RETURN = 0x0d;
const SPACE = 0x20;
const QUOTE = 0x22;
const COMMA = 0x2c;
const EQUALS = 0x3d;
const BACKSLASH = 0x5c;

/** 1 for bytes that end a tag value or need care inside it: newline, space, `,`, `=`, `\`. */
const TAG_VALUE_STOPS: Uint8Array = new Uint8Array(256);
for (const byte of [NEWLINE, SPACE, COMMA, EQUALS, BACKSLASH]) TAG_VALUE_STOPS[byte] = 1;

export class LineRowReader {
  /** Where the last line that did not match stopped to match, and the column of that value, if any. */
  stoppedAt = 0;
  stoppedColumn: ColumnBuilder | undefined;

  readonly #bytes: Buffer;
  readonly #scale: PrecisionScale;
  readonly #nowHalves: Int32Array;

  constructor(body: LineBody, times: { readonly scale: PrecisionScale; readonly nowNs: bigint }) {
    this.#bytes = body.bytes;
    this.#scale = times.scale;
    this.#nowHalves = new Int32Array(new BigInt64Array([times.nowNs]).buffer);
  }

  /**
   * Writes the line at `start` as the next row of the shape's table.
   *
   * @returns the position after the line, or MISMATCH (with `stoppedAt`) when the line is not of this shape
   *   or is not valid; the row then does not exist
   */
  readRow(shape: LineShape, start: number): number {
    const bytes = this.#bytes;
    const table = shape.table.rows;
    const row = table.rowCount;
    if (row >= shape.capacity) shape.reserve(row + 1);

    let position = start;
    for (let at = shape.headStart; at < shape.headEnd; at++) {
      if (bytes[at] !== bytes[position++]) return MISMATCH;
    }

    const { tags, fields } = shape;
    for (let index = 0; index < tags.length; index++) {
      const slot = tags[index] as ShapeSlot;
      if (bytes[position++] !== COMMA) return MISMATCH;
      for (let at = slot.keyStart; at < slot.keyEnd; at++) {
        if (bytes[at] !== bytes[position++]) return MISMATCH;
      }
      position = this.#readTagValue(slot.column, position, row);
      if (position === MISMATCH) return MISMATCH;
    }
    if (bytes[position] !== SPACE) return MISMATCH;
    do position++;
    while (bytes[position] === SPACE);

    for (let index = 0; index < fields.length; index++) {
      const slot = fields[index] as ShapeSlot;
      if (index > 0 && bytes[position++] !== COMMA) return MISMATCH;
      for (let at = slot.keyStart; at < slot.keyEnd; at++) {
        if (bytes[at] !== bytes[position++]) return MISMATCH;
      }
      const valueStart = position;
      position = this.#readFieldValue(slot.column, valueStart, row);
      if (position === MISMATCH) return this.#stop(valueStart, slot.column);
      const byte = bytes[position];
      if (byte !== COMMA && byte !== SPACE && byte !== NEWLINE && byte !== CARRIAGE_RETURN) {
        return this.#stop(valueStart, slot.column);
      }
    }

    position = this.#readLineEnd(table.timestamps, position, row);
    if (position === MISMATCH) return MISMATCH;
    if (shape.table.runShape !== shape) shape.table.startRun(shape);
    table.rowCount = row + 1;
    return position;
  }

  #readTagValue(column: ColumnBuilder, start: number, row: number): number {
    const bytes = this.#bytes;
    let position = start;
    let hash = 0;
    let byte = bytes[position] as number;
    while (TAG_VALUE_STOPS[byte] === 0) {
      hash = hashByte(hash, byte);
      byte = bytes[++position] as number;
    }
    if (byte === BACKSLASH) return this.#readEscapedTagValue(column, start, row);
    if ((byte !== COMMA && byte !== SPACE) || position === start) return this.#stop(start, column);
    const code = column.dictionary?.encode(start, position, hash) ?? INVALID_UTF8;
    if (code < 0) return this.#stop(start, column);
    column.codes[row] = code;
    return position;
  }

  #readEscapedTagValue(column: ColumnBuilder, start: number, row: number): number {
    const bytes = this.#bytes;
    let position = start;
    for (;;) {
      const byte = bytes[position] as number;
      if (byte === COMMA || byte === SPACE) break;
      if (byte === EQUALS || byte === NEWLINE) return this.#stop(start, column);
      const next = bytes[position + 1];
      const isEscape = byte === BACKSLASH && (next === COMMA || next === SPACE || next === EQUALS);
      position += isEscape ? 2 : 1;
    }
    return this.#writeEscapedText(column, { start, end: position }, row)
      ? position
      : this.#stop(start, column);
  }

  /** Position after the value at `start`, or MISMATCH when it is not a value of the column's type. */
  #readFieldValue(column: ColumnBuilder, start: number, row: number): number {
    switch (column.type) {
      case "float":
        return readFloat(this.#bytes, start, column.floats, row);
      case "integer":
        return readIntegerField(this.#bytes, start, column.halves, row);
      case "unsigned":
        return readUnsignedField(this.#bytes, start, column.halves, row);
      case "boolean":
        return this.#readBoolean(column, start, row);
      case "string":
      case "tag":
        return this.#readString(column, start, row);
    }
  }

  #readBoolean(column: ColumnBuilder, start: number, row: number): number {
    const bytes = this.#bytes;
    let end = start;
    while (
      bytes[end] !== COMMA &&
      bytes[end] !== SPACE &&
      bytes[end] !== NEWLINE &&
      bytes[end] !== CARRIAGE_RETURN
    )
      end++;
    const value = parseBoolean(bytes, start, end);
    if (value === undefined) return MISMATCH;
    column.flags[row] = value;
    return end;
  }

  #readString(column: ColumnBuilder, start: number, row: number): number {
    const bytes = this.#bytes;
    const end = bytes.length - 1;
    if (bytes[start] !== QUOTE) return MISMATCH;
    let position = start + 1;
    let hash = 0;
    let hasBackslash = false;
    for (; position < end; position++) {
      const byte = bytes[position] as number;
      if (byte === QUOTE) break;
      hash = hashByte(hash, byte);
      if (byte !== BACKSLASH) continue;
      hasBackslash = true;
      const next = bytes[position + 1];
      if (next === QUOTE || next === BACKSLASH) position++;
    }
    if (position >= end) return MISMATCH;
    if (hasBackslash) {
      return this.#writeEscapedText(column, { start: start + 1, end: position }, row)
        ? position + 1
        : MISMATCH;
    }
    const code = column.dictionary?.encode(start + 1, position, hash) ?? INVALID_UTF8;
    if (code < 0) return MISMATCH;
    column.codes[row] = code;
    return position + 1;
  }

  #writeEscapedText(column: ColumnBuilder, range: ByteRange, row: number): boolean {
    const text = unescapeText(this.#bytes, range, column.type === "tag" ? "name" : "string");
    if (text === undefined || column.dictionary === undefined) return false;
    const code = column.dictionary.encodeText(text);
    if (code < 0) return false;
    column.codes[row] = code;
    return true;
  }

  /** Reads the optional timestamp and the end of the line. */
  #readLineEnd(timestamps: Int32Array, start: number, row: number): number {
    const bytes = this.#bytes;
    let position = start;
    while (bytes[position] === SPACE) position++;
    const byte = bytes[position];
    if (position > start && byte !== NEWLINE && byte !== CARRIAGE_RETURN) {
      const timestampStart = position;
      position = readTimestamp(bytes, position, this.#scale, timestamps, row);
      if (position === MISMATCH) return this.#stop(timestampStart, undefined);
      while (bytes[position] === SPACE) position++;
    } else {
      timestamps[2 * row] = this.#nowHalves[0] as number;
      timestamps[2 * row + 1] = this.#nowHalves[1] as number;
    }
    if (bytes[position] === CARRIAGE_RETURN) position++;
    return bytes[position] === NEWLINE ? position + 1 : this.#stop(position, undefined);
  }

  #stop(at: number, column: ColumnBuilder | undefined): typeof MISMATCH {
    this.stoppedAt = at;
    this.stoppedColumn = column;
    return MISMATCH;
  }
}
