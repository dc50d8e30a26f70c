/**
 * One table of a MessagePack body: appends rows item by item, whichever of the two shapes an item has.
 */
import type { BatchBuilder } from "./batch-builder.ts";
import { ByteDictionary, hashBytes, INVALID_UTF8, VALUE_TOO_LONG } from "./byte-dictionary.ts";
import { FORMAT, type MessagePackCursor } from "./messagepack-cursor.ts";
import { readTime, readTimes } from "./messagepack-time.ts";
import { COLUMN_OVERHEAD_BYTES, type TableBuilder } from "./table-builder.ts";
import { ValueColumn } from "./value-column.ts";

const HOST = "host";

/** Where the values of a row item start; −1 where the key is absent. */
export interface RowParts {
  readonly t: number;
  readonly h: number;
  readonly f: number;
  readonly fields: number;
  readonly tags: number;
}

/** Where the values of a columnar item start, and how many rows the request may still have. */
export interface ColumnarParts {
  readonly columns: number;
  readonly tags: number;
  readonly rowsLeft: number;
}

/** A key with its header, where it was last seen, and its column. */
interface KeySlot {
  readonly start: number;
  readonly textStart: number;
  readonly end: number;
  readonly column: ValueColumn;
}

export class MessagePackTable {
  readonly #cursor: MessagePackCursor;
  readonly #rows: TableBuilder;
  readonly #batch: BatchBuilder;
  readonly #nowHalves: Int32Array;
  /** Column names by their bytes, and the column of each code. */
  readonly #names: ByteDictionary;
  readonly #columnsByCode: ValueColumn[] = [];
  readonly #columnsByName: Map<string, ValueColumn> = new Map();
  /** What stood at each position of the tags and fields of the last row: the prediction for the next. */
  readonly #tagSlots: KeySlot[] = [];
  readonly #fieldSlots: KeySlot[] = [];
  /** Number of items read: marks the columns that an item has already written. */
  #itemStamp = 0;

  constructor(parts: {
    readonly cursor: MessagePackCursor;
    readonly rows: TableBuilder;
    readonly batch: BatchBuilder;
    readonly nowHalves: Int32Array;
  }) {
    this.#cursor = parts.cursor;
    this.#rows = parts.rows;
    this.#batch = parts.batch;
    this.#nowHalves = parts.nowHalves;
    this.#names = new ByteDictionary(parts.cursor.bytes, {
      maxValueBytes: parts.batch.limits.maxNameBytes,
    });
  }

  /** Appends one row. */
  readRow(parts: RowParts): void {
    const cursor = this.#cursor;
    const { path } = cursor;
    const row = this.#rows.rowCount;
    this.#itemStamp++;
    this.#rows.reserveTimestamps(row + 1);
    this.#readRowTime(parts.t, row);
    if (parts.h >= 0) this.#readHost(parts.h, row);
    if (parts.tags >= 0) this.#readMap("tags", parts.tags, row);
    if (parts.fields >= 0) this.#readMap("fields", parts.fields, row);
    else this.#readCompactFields(parts.f, row);
    path.section = "";
    this.#rows.rowCount = row + 1;
  }

  /**
   * Appends the rows of a columnar item.
   *
   * @returns the number of rows
   */
  readColumns(parts: ColumnarParts): number {
    const cursor = this.#cursor;
    const { path } = cursor;
    this.#itemStamp++;
    const tagNames = parts.tags < 0 ? undefined : this.#readTagNames(parts.tags);
    path.section = "columns";
    cursor.at = parts.columns;
    const columnCount = cursor.readMapHeader();
    const firstRow = this.#rows.rowCount;
    let rowCount = -1;
    let firstName = "";
    let hasTime = false;
    for (let index = 0; index < columnCount; index++) {
      const keyAt = cursor.at;
      const isTime = this.#readKey("columns");
      const nameStart = cursor.textStart;
      const nameEnd = cursor.textEnd;
      const valueAt = cursor.at;
      const count = cursor.readArrayHeader();
      if (rowCount < 0) {
        if (count > parts.rowsLeft)
          this.#batch.fail(
            "maxRows",
            `the request has more rows than ${this.#batch.limits.maxRows}`,
          );
        rowCount = count;
        firstName = this.#keyText(nameStart, nameEnd);
      } else if (count !== rowCount) {
        const name = this.#keyText(nameStart, nameEnd);
        cursor.fail(`column ${name} has ${count} values, but column ${firstName} has ${rowCount}`, {
          at: valueAt,
        });
      }
      if (isTime) {
        if (hasTime) cursor.fail(`the key "time" appears twice`, { at: keyAt });
        hasTime = true;
        this.#reserveTimes(firstRow, rowCount);
        readTimes(cursor, this.#rows.timestamps, firstRow, rowCount);
      } else {
        const column = this.#columnAt(nameStart, nameEnd, tagNames);
        column.readValues(cursor, firstRow, rowCount);
      }
      path.keyStart = -1;
    }
    if (columnCount - (hasTime ? 1 : 0) < 1)
      cursor.fail("the item has no column besides the time", { at: parts.columns });
    if (tagNames !== undefined) this.#checkTagNames(tagNames, parts.tags);
    if (!hasTime) this.#fillWithNow(firstRow, rowCount);
    path.section = "";
    this.#rows.rowCount = firstRow + rowCount;
    return rowCount;
  }

  #readRowTime(at: number, row: number): void {
    const cursor = this.#cursor;
    if (at >= 0) {
      cursor.at = at;
      cursor.path.section = "t";
      if (cursor.peek() !== FORMAT.nil) {
        readTime(cursor, this.#rows.timestamps, row, undefined);
        return;
      }
    }
    this.#writeNow(row);
  }

  #readHost(at: number, row: number): void {
    const cursor = this.#cursor;
    cursor.at = at;
    cursor.path.section = "h";
    if (cursor.peek() === FORMAT.nil) return;
    const column = this.#columnNamed(HOST, true);
    column.stamp = this.#itemStamp;
    if (!cursor.readInteger()) {
      column.readValue(cursor, row);
      return;
    }
    column.writeText(cursor, row, `host_${cursor.integerAsBigInt}`);
  }

  #readMap(section: "tags" | "fields", at: number, row: number): void {
    const cursor = this.#cursor;
    const { path } = cursor;
    const isTags = section === "tags";
    const limit = isTags ? "maxTagsPerRow" : "maxFieldsPerRow";
    cursor.at = at;
    path.section = section;
    const count = cursor.readMapHeader();
    if (count > this.#batch.limits[limit]) cursor.failLimit(limit, this.#batch.limits[limit], at);
    if (count === 0 && !isTags) cursor.fail("the row has no fields", { at });
    const slots = isTags ? this.#tagSlots : this.#fieldSlots;
    for (let index = 0; index < count; index++) {
      const keyAt = cursor.at;
      const predicted = slots[index];
      if (predicted !== undefined && this.#isKey(predicted)) {
        this.#stamp(predicted.column);
        predicted.column.readValue(cursor, row);
        continue;
      }
      if (this.#readKey(section))
        cursor.fail(`the key "time" is reserved for the timestamp`, { at: keyAt });
      const keyEnd = cursor.textEnd;
      const column = this.#columnAt(cursor.textStart, keyEnd, isTags);
      slots[index] = { start: keyAt, textStart: cursor.textStart, end: keyEnd, column };
      column.readValue(cursor, row);
    }
    path.keyStart = -1;
  }

  /** Whether the key that starts here is the predicted one; reads on after it if so. */
  #isKey(slot: KeySlot): boolean {
    const { bytes, path, at } = this.#cursor;
    const length = slot.end - slot.start;
    // Past the end of the body there is no byte, which equals none.
    for (let offset = 0; offset < length; offset++) {
      if (bytes[slot.start + offset] !== bytes[at + offset]) return false;
    }
    path.keyStart = slot.textStart;
    path.keyEnd = slot.end;
    this.#cursor.at = at + length;
    return true;
  }

  #readCompactFields(at: number, row: number): void {
    const cursor = this.#cursor;
    const { path } = cursor;
    cursor.at = at;
    path.section = "f";
    const count = cursor.readArrayHeader();
    const { maxFieldsPerRow } = this.#batch.limits;
    if (count > maxFieldsPerRow) cursor.failLimit("maxFieldsPerRow", maxFieldsPerRow, at);
    if (count === 0) cursor.fail("the row has no fields", { at });
    for (let index = 0; index < count; index++) {
      path.element = index;
      const column = this.#columnNamed(`field_${index}`, false);
      this.#stamp(column);
      column.readValue(cursor, row);
    }
    path.element = -1;
  }

  /** Reads a key into `textStart` and `textEnd`; whether it is `time`. */
  #readKey(section: string): boolean {
    const cursor = this.#cursor;
    const at = cursor.at;
    if (!cursor.readText())
      cursor.fail(`a key of '${section}' must be a text, found ${cursor.describe()}`);
    const { textStart, textEnd, bytes, path } = cursor;
    if (textStart === textEnd) cursor.fail(`a key of '${section}' is empty`, { at });
    path.keyStart = textStart;
    path.keyEnd = textEnd;
    return (
      textEnd - textStart === 4 &&
      bytes[textStart] === 0x74 &&
      bytes[textStart + 1] === 0x69 &&
      bytes[textStart + 2] === 0x6d &&
      bytes[textStart + 3] === 0x65
    );
  }

  /** The column whose name stands at these bytes, marked as written by this item. */
  #columnAt(
    start: number,
    end: number,
    tags: boolean | ReadonlySet<string> | undefined,
  ): ValueColumn {
    const cursor = this.#cursor;
    const code = this.#names.encode(start, end, hashBytes(cursor.bytes, start, end));
    if (code === INVALID_UTF8) cursor.fail("the key is not valid UTF-8", { at: start });
    if (code === VALUE_TOO_LONG) {
      cursor.failLimit("maxNameBytes", this.#batch.limits.maxNameBytes, start);
    }
    const name = this.#names.values[code] as string;
    const isTag = typeof tags === "boolean" ? tags : tags?.has(name) === true;
    const known = this.#columnsByCode[code];
    const column =
      known !== undefined && known.isTag === isTag ? known : this.#columnNamed(name, isTag);
    this.#columnsByCode[code] = column;
    this.#stamp(column);
    return column;
  }

  #columnNamed(name: string, isTag: boolean): ValueColumn {
    const known = this.#columnsByName.get(name);
    if (known !== undefined) {
      if (known.isTag !== isTag) {
        this.#cursor.fail(
          `${JSON.stringify(name)} is both a tag and a field of ${JSON.stringify(this.#rows.measurement)}`,
        );
      }
      return known;
    }
    const { maxColumnsPerTable } = this.#batch.limits;
    // Counted here too: columns of nothing but nil never reach the table.
    if (this.#columnsByName.size >= maxColumnsPerTable) {
      this.#batch.fail(
        "maxColumnsPerTable",
        `table ${JSON.stringify(this.#rows.measurement)} has more columns than ${maxColumnsPerTable}`,
      );
    }
    this.#batch.claim(COLUMN_OVERHEAD_BYTES);
    const column = new ValueColumn(this.#rows, { name, isTag });
    this.#columnsByName.set(name, column);
    return column;
  }

  #stamp(column: ValueColumn): void {
    if (column.stamp === this.#itemStamp) {
      this.#cursor.fail(`the column ${JSON.stringify(column.name)} appears twice in the item`);
    }
    column.stamp = this.#itemStamp;
  }

  #readTagNames(at: number): Set<string> {
    const cursor = this.#cursor;
    cursor.at = at;
    cursor.path.section = "tags";
    const names = new Set<string>();
    const count = cursor.readArrayHeader();
    for (let index = 0; index < count; index++) {
      cursor.path.element = index;
      if (!cursor.readText()) cursor.fail(`a tag name must be a text, found ${cursor.describe()}`);
      const name = cursor.text();
      if (names.has(name)) cursor.fail(`the tag ${JSON.stringify(name)} appears twice`);
      names.add(name);
    }
    cursor.path.element = -1;
    return names;
  }

  #checkTagNames(names: ReadonlySet<string>, at: number): void {
    for (const name of names) {
      if (this.#columnsByName.get(name)?.stamp === this.#itemStamp) continue;
      this.#cursor.path.section = "tags";
      this.#cursor.fail(`the tag ${JSON.stringify(name)} is not one of the columns`, { at });
    }
  }

  #reserveTimes(firstRow: number, count: number): void {
    const rows = firstRow + count;
    if (firstRow === 0) this.#rows.reserveTimestamps(rows, rows);
    else this.#rows.reserveTimestamps(rows);
  }

  #fillWithNow(firstRow: number, count: number): void {
    this.#reserveTimes(firstRow, count);
    for (let row = firstRow; row < firstRow + count; row++) this.#writeNow(row);
  }

  #writeNow(row: number): void {
    this.#rows.timestamps[2 * row] = this.#nowHalves[0] as number;
    this.#rows.timestamps[2 * row + 1] = this.#nowHalves[1] as number;
  }

  #keyText(start: number, end: number): string {
    return JSON.stringify(this.#cursor.bytes.toString("utf8", start, Math.min(end, start + 60)));
  }
}
