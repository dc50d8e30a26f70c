/**
 * The shapes seen in a body: finds the shape of a line by its keys, or makes it, with its table and columns.
 *
 * This is where names are checked: escapes, UTF-8, length, duplicates, the reserved name `time`, and keys that
 * are a tag here and a field there.
 */
import type { BatchBuilder } from "./batch-builder.ts";
import { hashByte } from "./byte-dictionary.ts";
import type { ColumnBuilder } from "./column-builder.ts";
import type { ByteRange, LineBody } from "./line-body.ts";
import { unescapeText, type EscapeContext } from "./line-escapes.ts";
import { MARKS_PER_PART, type LineScanner } from "./line-scanner.ts";
import { LineShape, LineTable, ShapeSlot } from "./line-shape.ts";
import { NOT_A_VALUE } from "./line-diagnosis.ts";
import { fieldValueType } from "./line-value.ts";

/** Shapes remembered; a body with more of them starts over, so that hostile bodies cannot fill the memory. */
const MAX_SHAPES = 4_096;
const NEWLINE = 0x0a;

export class LineShapes {
  readonly #body: LineBody;
  readonly #batch: BatchBuilder;
  readonly #scanner: LineScanner;
  readonly #tables: Map<string, LineTable> = new Map();
  readonly #shapes: Map<number, LineShape> = new Map();
  /** Number of shapes made so far: marks the columns that a shape already uses. */
  #shapeStamp = 0;

  constructor(parts: {
    readonly body: LineBody;
    readonly batch: BatchBuilder;
    readonly scanner: LineScanner;
  }) {
    this.#body = parts.body;
    this.#batch = parts.batch;
    this.#scanner = parts.scanner;
  }

  /** Ends the runs of all tables. */
  finish(): void {
    for (const table of this.#tables.values()) table.startRun(undefined);
  }

  /** The shape of the line at `start`, found by its keys or made. */
  find(start: number): LineShape {
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
    const { bytes } = this.#body;
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
    return this.#body.bytes.compare(this.#body.bytes, otherStart, otherEnd, start, end) === 0;
  }

  #makeShape(start: number): LineShape {
    const { measurementEnd, tagCount, fieldCount } = this.#scanner;
    const { maxTagsPerRow, maxFieldsPerRow } = this.#batch.limits;
    if (tagCount > maxTagsPerRow) {
      this.#body.fail({
        at: start,
        reason: `the line has more tags than ${maxTagsPerRow}`,
        details: { limit: "maxTagsPerRow" },
      });
    }
    if (fieldCount > maxFieldsPerRow) {
      this.#body.fail({
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
    const { bytes } = this.#body;
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
      this.#body.fail({
        ...fault,
        reason: `${JSON.stringify(name)} is both a tag and a field of ${JSON.stringify(table.rows.measurement)}`,
      });
    }
    if (column.stamp === this.#shapeStamp) {
      this.#body.fail({
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
      nameRange: ByteRange;
      value: ByteRange;
      isTag: boolean;
    },
  ): ColumnBuilder {
    const { nameRange, value, isTag } = origin;
    if (name === "time") {
      this.#body.fail({
        at: nameRange.start,
        end: nameRange.end,
        reason: `the key "time" is reserved for the timestamp`,
      });
    }
    const type = isTag ? "tag" : fieldValueType(this.#body.bytes, value.start, value.end);
    if (type === undefined)
      this.#body.fail({ at: value.start, end: value.end, reason: NOT_A_VALUE });
    return table.rows.addColumn(name, type);
  }

  #name(range: ByteRange, context: EscapeContext): string {
    const name = unescapeText(this.#body.bytes, range, context);
    const kind = context === "measurement" ? "measurement" : "key";
    if (name === undefined)
      this.#body.fail({
        at: range.start,
        end: range.end,
        reason: `the ${kind} is not valid UTF-8`,
      });
    const { maxNameBytes } = this.#batch.limits;
    if (Buffer.byteLength(name) > maxNameBytes) {
      this.#body.fail({
        at: range.start,
        end: range.end,
        reason: `the ${kind} is longer than ${maxNameBytes} bytes`,
        details: { limit: "maxNameBytes" },
      });
    }
    return name;
  }
}
