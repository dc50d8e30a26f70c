/**
 * InfluxDB line protocol to typed columns. Strict: one bad line refuses the whole body.
 *
 * The decoder predicts that a line has the shape of an earlier one (line-shape.ts) and then only compares the
 * bytes of its keys and writes its values into typed arrays: no strings, no maps, no objects per line. A line
 * that differs in any way is walked by line-scanner.ts, which finds or makes its shape and reports what is wrong.
 *
 * Rules that the format leaves open: docs/protocol.md, section "Line protocol".
 */
import { ServerError } from "../errors.ts";
import { BatchBuilder } from "./batch-builder.ts";
import { hashByte, INVALID_UTF8 } from "./byte-dictionary.ts";
import { NO_FLOAT, readFloat } from "./decimal-float.ts";
import { readIntegerField, readTimestamp, readUnsignedField } from "./decimal-integer.ts";
import type { ColumnBuilder } from "./column-builder.ts";
import type { IngestLimits } from "./ingest-limits.ts";
import { lineError, type LineFault } from "./line-error.ts";
import { unescapeText, type EscapeContext } from "./line-escapes.ts";
import { LineScanner, MARKS_PER_PART } from "./line-scanner.ts";
import { LineShape, LineTable, ShapeSlot } from "./line-shape.ts";
import { PRECISION_SCALES, type Precision, type PrecisionScale } from "./precision.ts";
import type { ColumnType, IngestBatch } from "./table-batch.ts";
import { asBuffer } from "./utf8-text.ts";

export interface LineProtocolOptions {
  readonly database: string;
  /** Unit of the timestamps in the body. */
  readonly precision: Precision;
  /** Timestamp of lines that have none, in nanoseconds since 1970. */
  readonly nowNs: bigint;
  readonly limits: IngestLimits;
}

/**
 * Decodes one request body.
 *
 * The body is not changed, and the batch does not refer to it.
 *
 * @throws {ServerError} `SERVER_INVALID_LINE`, `SERVER_TYPE_CONFLICT`, `SERVER_TOO_LARGE`, each with details
 *   `line` (from 1), `offsetBytes` (from 0, in the body), `reason` and `text`
 */
export function decodeLineProtocol(body: Uint8Array, options: LineProtocolOptions): IngestBatch {
  if (body.length > MAX_BODY_BYTES) {
    throw new ServerError(
      "SERVER_TOO_LARGE",
      `the body has ${body.length} bytes, at most ${MAX_BODY_BYTES} are possible`,
      {
        details: { found: body.length, limit: MAX_BODY_BYTES },
      },
    );
  }
  return new LineProtocolDecoder(terminated(body), options).decode();
}

/** Positions in the body are kept in signed 32-bit integers. */
const MAX_BODY_BYTES = 0x7fff_fff0;
/** Shapes remembered; a body with more of them starts over, so that hostile bodies cannot fill the memory. */
const MAX_SHAPES = 4_096;

const MISMATCH = -1;

const TAB = 0x09;
const NEWLINE = 0x0a;
const CARRIAGE_RETURN = 0x0d;
const SPACE = 0x20;
const QUOTE = 0x22;
const HASH = 0x23;
const COMMA = 0x2c;
const EQUALS = 0x3d;
const BACKSLASH = 0x5c;

/** 1 for bytes that end a tag value or need care inside it: newline, space, `,`, `=`, `\`. */
const TAG_VALUE_STOPS: Uint8Array = new Uint8Array(256);
for (const byte of [NEWLINE, SPACE, COMMA, EQUALS, BACKSLASH]) TAG_VALUE_STOPS[byte] = 1;

class LineProtocolDecoder {
  readonly #bytes: Buffer;
  readonly #limits: IngestLimits;
  readonly #scale: PrecisionScale;
  readonly #nowHalves: Int32Array;
  readonly #batch: BatchBuilder;
  readonly #scanner: LineScanner;
  readonly #tables: Map<string, LineTable> = new Map();
  #shapes: Map<number, LineShape> = new Map();
  #lineStart = 0;
  /** Number of shapes made so far: marks the columns that a shape already uses. */
  #shapeStamp = 0;
  /** Where the last line stopped to match its shape, and the column whose value it was. */
  #stoppedAt = 0;
  #stoppedColumn: ColumnBuilder | undefined;

  /** @param body - ends with a newline */
  constructor(body: Buffer, options: LineProtocolOptions) {
    this.#bytes = body;
    this.#limits = options.limits;
    this.#scale = PRECISION_SCALES[options.precision];
    this.#nowHalves = new Int32Array(new BigInt64Array([options.nowNs]).buffer);
    this.#scanner = new LineScanner(body);
    this.#batch = new BatchBuilder({
      database: options.database,
      limits: options.limits,
      body,
      fail: (limit, reason) =>
        this.#fail({ code: "SERVER_TOO_LARGE", at: this.#lineStart, reason, details: { limit } }),
    });
  }

  decode(): IngestBatch {
    const bytes = this.#bytes;
    const end = bytes.length;
    const { maxLineBytes, maxRows } = this.#limits;
    let rows = 0;
    let shape: LineShape | undefined;
    let position = 0;
    while (position < end) {
      const byte = bytes[position] as number;
      if (byte <= HASH) {
        if (byte === SPACE || byte === TAB || byte === NEWLINE) {
          position++;
          continue;
        }
        if (byte === HASH) {
          position = bytes.indexOf(NEWLINE, position) + 1;
          continue;
        }
        if (byte === CARRIAGE_RETURN && bytes[position + 1] === NEWLINE) {
          position += 2;
          continue;
        }
      }
      this.#lineStart = position;
      let next = MISMATCH;
      if (shape !== undefined) {
        next = this.#readRow(shape.successor, position);
        if (next !== MISMATCH) shape = shape.successor;
      }
      if (next === MISMATCH) {
        const found = this.#findShape(position);
        if (shape !== undefined) shape.successor = found;
        shape = found;
        next = this.#readRow(shape, position);
        if (next === MISMATCH) this.#failValue(shape);
      }
      if (next - position - 1 > maxLineBytes) {
        this.#fail({
          at: position,
          reason: `the line is longer than ${maxLineBytes} bytes`,
          details: { limit: "maxLineBytes" },
        });
      }
      if (++rows > maxRows)
        this.#batch.fail("maxRows", `the request has more rows than ${maxRows}`);
      position = next;
    }
    for (const table of this.#tables.values()) table.startRun(undefined);
    return this.#batch.finish();
  }

  /**
   * Writes the line at `start` as the next row of the shape's table.
   *
   * @returns the position after the line, or MISMATCH (with `#stoppedAt`) when the line is not of this shape
   *   or is not valid; the row then does not exist
   */
  #readRow(shape: LineShape, start: number): number {
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

  #writeEscapedText(
    column: ColumnBuilder,
    range: { start: number; end: number },
    row: number,
  ): boolean {
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
    this.#stoppedAt = at;
    this.#stoppedColumn = column;
    return MISMATCH;
  }

  /** The shape of the line at `start`, found by its keys or made. */
  #findShape(start: number): LineShape {
    const scanner = this.#scanner;
    scanner.scan(start);
    const hash = this.#shapeHash(start);
    const known = this.#shapes.get(hash);
    if (known !== undefined && this.#isShapeOf(known, start)) return known;
    if (this.#shapes.size >= MAX_SHAPES) this.#shapes.clear();
    const shape = this.#makeShape(start);
    this.#shapes.set(hash, shape);
    return shape;
  }

  #shapeHash(start: number): number {
    const { marks, measurementEnd, tagCount, fieldCount } = this.#scanner;
    const bytes = this.#bytes;
    let hash = tagCount;
    for (let at = start; at < measurementEnd; at++) hash = hashByte(hash, bytes[at] as number);
    const end = (tagCount + fieldCount) * MARKS_PER_PART;
    for (let mark = 0; mark < end; mark += MARKS_PER_PART) {
      const keyEnd = marks[mark + 1] as number;
      for (let at = marks[mark] as number; at < keyEnd; at++)
        hash = hashByte(hash, bytes[at] as number);
    }
    return hash;
  }

  #isShapeOf(shape: LineShape, start: number): boolean {
    const { marks, measurementEnd, tagCount, fieldCount } = this.#scanner;
    if (shape.tags.length !== tagCount || shape.fields.length !== fieldCount) return false;
    if (!this.#isSame(shape.headStart, shape.headEnd, start, measurementEnd)) return false;
    const isSameKey = (slot: ShapeSlot, part: number): boolean =>
      this.#isSame(
        slot.keyStart,
        slot.keyEnd,
        marks[part * MARKS_PER_PART] as number,
        marks[part * MARKS_PER_PART + 1] as number,
      );
    return (
      shape.tags.every((slot, index) => isSameKey(slot, index)) &&
      shape.fields.every((slot, index) => isSameKey(slot, tagCount + index))
    );
  }

  #isSame(start: number, end: number, otherStart: number, otherEnd: number): boolean {
    return this.#bytes.compare(this.#bytes, otherStart, otherEnd, start, end) === 0;
  }

  #makeShape(start: number): LineShape {
    const { measurementEnd, tagCount, fieldCount } = this.#scanner;
    const { maxTagsPerRow, maxFieldsPerRow } = this.#limits;
    if (tagCount > maxTagsPerRow) {
      this.#fail({
        at: start,
        reason: `the line has more tags than ${maxTagsPerRow}`,
        details: { limit: "maxTagsPerRow" },
      });
    }
    if (fieldCount > maxFieldsPerRow) {
      this.#fail({
        at: start,
        reason: `the line has more fields than ${maxFieldsPerRow}`,
        details: { limit: "maxFieldsPerRow" },
      });
    }
    const table = this.#table(this.#name({ start, end: measurementEnd }, "measurement"), start);
    this.#shapeStamp++;
    const tags: ShapeSlot[] = [];
    const fields: ShapeSlot[] = [];
    for (let part = 0; part < tagCount; part++) tags.push(this.#makeSlot(table, part, true));
    for (let part = tagCount; part < tagCount + fieldCount; part++)
      fields.push(this.#makeSlot(table, part, false));
    return new LineShape({ table, headStart: start, headEnd: measurementEnd, tags, fields });
  }

  #table(measurement: string, start: number): LineTable {
    const known = this.#tables.get(measurement);
    if (known !== undefined) return known;
    const bytes = this.#bytes;
    const lineBytes = bytes.indexOf(NEWLINE, start) + 1 - start;
    const expectedRows = Math.ceil(((bytes.length - start) / lineBytes) * 1.1);
    const table = new LineTable(this.#batch.table(measurement, expectedRows));
    this.#tables.set(measurement, table);
    return table;
  }

  #makeSlot(table: LineTable, part: number, isTag: boolean): ShapeSlot {
    const { marks } = this.#scanner;
    const mark = part * MARKS_PER_PART;
    const key = { start: marks[mark] as number, end: marks[mark + 1] as number };
    const value = { start: marks[mark + 2] as number, end: marks[mark + 3] as number };
    const nameRange = { start: key.start, end: key.end - 1 };
    const name = this.#name(nameRange, "name");
    const column =
      table.rows.column(name) ?? this.#addColumn(table, name, { nameRange, value, isTag });
    const fault = { at: nameRange.start, end: nameRange.end, details: { column: name } };
    if ((column.type === "tag") !== isTag) {
      this.#fail({
        ...fault,
        reason: `${JSON.stringify(name)} is both a tag and a field of ${JSON.stringify(table.rows.measurement)}`,
      });
    }
    if (column.stamp === this.#shapeStamp) {
      this.#fail({
        ...fault,
        reason: `the ${isTag ? "tag" : "field"} key ${JSON.stringify(name)} appears twice in the line`,
      });
    }
    column.stamp = this.#shapeStamp;
    return new ShapeSlot(key, column);
  }

  #addColumn(
    table: LineTable,
    name: string,
    origin: {
      nameRange: { start: number; end: number };
      value: { start: number; end: number };
      isTag: boolean;
    },
  ): ColumnBuilder {
    const { nameRange, value, isTag } = origin;
    if (name === "time") {
      this.#fail({
        at: nameRange.start,
        end: nameRange.end,
        reason: `the key "time" is reserved for the timestamp`,
      });
    }
    const type = isTag ? "tag" : valueType(this.#bytes, value.start, value.end);
    if (type === undefined) this.#failNotAValue(value);
    return table.rows.addColumn(name, type);
  }

  #name(range: { start: number; end: number }, context: EscapeContext): string {
    const name = unescapeText(this.#bytes, range, context);
    const kind = context === "measurement" ? "measurement" : "key";
    if (name === undefined)
      this.#fail({ at: range.start, end: range.end, reason: `the ${kind} is not valid UTF-8` });
    const { maxNameBytes } = this.#limits;
    if (Buffer.byteLength(name) > maxNameBytes) {
      this.#fail({
        at: range.start,
        end: range.end,
        reason: `the ${kind} is longer than ${maxNameBytes} bytes`,
        details: { limit: "maxNameBytes" },
      });
    }
    return name;
  }

  /** Raises the error of a line whose shape is known but whose values or end are not valid. */
  #failValue(shape: LineShape): never {
    const column = this.#stoppedColumn;
    const at = this.#stoppedAt;
    if (column === undefined) return this.#failLineEnd(at);
    const { marks, tagCount, fieldCount } = this.#scanner;
    let end = at;
    for (let part = 0; part < tagCount + fieldCount; part++) {
      if (marks[part * MARKS_PER_PART + 2] === at) end = marks[part * MARKS_PER_PART + 3] as number;
    }
    const found = column.type === "tag" ? "tag" : valueType(this.#bytes, at, end);
    if (found === undefined) return this.#failNotAValue({ start: at, end });
    if (found !== column.type) {
      return this.#fail({
        code: "SERVER_TYPE_CONFLICT",
        at,
        end,
        reason: `field ${JSON.stringify(column.name)} of ${JSON.stringify(shape.table.rows.measurement)} is ${column.type} in earlier lines and ${found} here`,
        details: {
          measurement: shape.table.rows.measurement,
          column: column.name,
          expected: column.type,
          found,
        },
      });
    }
    return this.#failContent(column, { start: at, end });
  }

  /** The value is of the column's type but not acceptable. */
  #failContent(column: ColumnBuilder, value: { start: number; end: number }): never {
    const { start: at, end } = value;
    const details = { column: column.name };
    if (column.type === "tag" || column.type === "string") {
      const isTag = column.type === "tag";
      const range = isTag ? value : { start: at + 1, end: end - 1 };
      const text = unescapeText(this.#bytes, range, isTag ? "name" : "string");
      const what = isTag ? "the tag value" : "the string";
      if (text === undefined)
        return this.#fail({ at, end, reason: `${what} is not valid UTF-8`, details });
      const { maxStringBytes } = this.#limits;
      return this.#fail({
        at,
        end,
        reason: `${what} is longer than ${maxStringBytes} bytes`,
        details: { ...details, limit: "maxStringBytes" },
      });
    }
    const range =
      column.type === "float"
        ? "of a finite 64-bit float"
        : `of ${column.type === "integer" ? "a signed" : "an unsigned"} 64-bit integer`;
    return this.#fail({ at, end, reason: `the number is outside the range ${range}`, details });
  }

  #failNotAValue(value: { start: number; end: number }): never {
    return this.#fail({
      at: value.start,
      end: value.end,
      reason:
        "the field value is not a number, an integer with 'i' or 'u', a boolean or a quoted string",
    });
  }

  #failLineEnd(at: number): never {
    const bytes = this.#bytes;
    let end = at;
    while (!isBlank(bytes[end] as number)) end++;
    let digits = bytes[at] === 0x2d ? at + 1 : at;
    const first = digits;
    while (isDigit(bytes[digits] as number)) digits++;
    const isNumber = digits > first && digits === end && bytes[at - 1] === SPACE;
    const reason = isNumber
      ? "the timestamp is outside the range of signed 64-bit nanoseconds"
      : "expected an integer timestamp or the end of the line";
    return this.#fail({ at, end: Math.max(end, at + 1), reason });
  }

  #fail(fault: Omit<LineFault, "lineStart">): never {
    throw lineError(this.#bytes, { lineStart: this.#lineStart, ...fault });
  }
}

/** The body itself when it ends with a newline, else a copy that does, so that loops need no bounds check. */
function terminated(body: Uint8Array): Buffer {
  if (body.length === 0 || body[body.length - 1] === NEWLINE) return asBuffer(body);
  const copy = Buffer.alloc(body.length + 1);
  copy.set(body);
  copy[body.length] = NEWLINE;
  return copy;
}

/** The type that a field value has by its spelling; `undefined` when it is none. The range is not checked. */
function valueType(
  bytes: Buffer,
  start: number,
  end: number,
): Exclude<ColumnType, "tag"> | undefined {
  if (bytes[start] === QUOTE) return "string";
  if (parseBoolean(bytes, start, end) !== undefined) return "boolean";
  const last = bytes[end - 1];
  const isInteger = last === 0x69;
  const isUnsigned = last === 0x75;
  if (isInteger || isUnsigned) {
    let at = isInteger && bytes[start] === 0x2d ? start + 1 : start;
    if (at === end - 1) return undefined;
    while (at < end - 1 && isDigit(bytes[at] as number)) at++;
    if (at < end - 1) return undefined;
    return isInteger ? "integer" : "unsigned";
  }
  return isFloatText(bytes, start, end) ? "float" : undefined;
}

function isFloatText(bytes: Buffer, start: number, end: number): boolean {
  const probe = new Float64Array(1);
  const stop = readFloat(bytes, start, probe, 0);
  if (stop !== NO_FLOAT) return stop === end;
  // Well-formed but too large is a float out of range, which is a better message than "not a number".
  return /^-?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$/.test(bytes.toString("latin1", start, end));
}

/** 1, 0 or `undefined`: t T true True TRUE, f F false False FALSE. */
function parseBoolean(bytes: Buffer, start: number, end: number): 0 | 1 | undefined {
  switch (end - start) {
    case 1: {
      const byte = bytes[start];
      if (byte === 0x74 || byte === 0x54) return 1;
      return byte === 0x66 || byte === 0x46 ? 0 : undefined;
    }
    case 4: {
      const text = bytes.toString("latin1", start, end);
      return text === "true" || text === "True" || text === "TRUE" ? 1 : undefined;
    }
    case 5: {
      const text = bytes.toString("latin1", start, end);
      return text === "false" || text === "False" || text === "FALSE" ? 0 : undefined;
    }
    default:
      return undefined;
  }
}

function isDigit(byte: number): boolean {
  return (byte - 0x30) >>> 0 <= 9;
}

function isBlank(byte: number): boolean {
  return byte === SPACE || byte === NEWLINE || byte === CARRIAGE_RETURN;
}
