/**
 * One table of a remote-write request: the rows of all series of one metric, one tag column for each label.
 *
 * A label that SQL or the store could not tell from the columns `time` and `value` is called `exported_…`, as
 * Prometheus itself does with labels that clash.
 */
import { INVALID_UTF8, VALUE_TOO_LONG, type ByteDictionary } from "./byte-dictionary.ts";
import type { ColumnBuilder } from "./column-builder.ts";
import { writeSigned } from "./decimal-integer.ts";
import type { TableBuilder } from "./table-builder.ts";

const VALUE_COLUMN = "value";
const RESERVED_NAME = /^(?:time|value)$/i;
const MS_PER_SECOND = 1_000;
const NS_PER_MS = 1_000_000;

/** Why a tag could not be written. */
export type TagFault = "twice" | "invalid-utf8" | "too-long";

export class RemoteWriteTable {
  readonly #rows: TableBuilder;
  readonly #labelNames: ByteDictionary;
  readonly #value: ColumnBuilder;
  /** Tag columns by the code of their label's name. */
  readonly #tags: ColumnBuilder[] = [];

  constructor(rows: TableBuilder, labelNames: ByteDictionary) {
    this.#rows = rows;
    this.#labelNames = labelNames;
    this.#value = rows.addColumn(VALUE_COLUMN, "float");
  }

  get rowCount(): number {
    return this.#rows.rowCount;
  }

  /** Appends a row without tags. `timeMs` fits 64-bit nanoseconds. */
  addRow(timeMs: number, value: number): void {
    const row = this.#rows.rowCount;
    this.#rows.reserveTimestamps(row + 1);
    this.#rows.reserve(this.#value, row + 1);
    const absolute = Math.abs(timeMs);
    const seconds = Math.floor(absolute / MS_PER_SECOND);
    const restNs = (absolute - seconds * MS_PER_SECOND) * NS_PER_MS;
    writeSigned(this.#rows.timestamps, row, seconds, restNs, timeMs < 0);
    this.#value.floats[row] = value;
    this.#value.markValid(row, row + 1);
    this.#rows.rowCount = row + 1;
  }

  /** Gives all rows from `firstRow` on one value of a tag; a slice of the body. */
  fillTag(
    name: number,
    text: { readonly start: number; readonly end: number; readonly hash: number },
    firstRow: number,
  ): TagFault | undefined {
    const { rowCount } = this.#rows;
    const column = (this.#tags[name] ??= this.#addTag(name));
    // A column is written once per series, and every series has rows of its own.
    if (column.stamp === firstRow) return "twice";
    column.stamp = firstRow;
    const code = column.dictionary?.encode(text.start, text.end, text.hash) ?? INVALID_UTF8;
    if (code === INVALID_UTF8) return "invalid-utf8";
    if (code === VALUE_TOO_LONG) return "too-long";
    this.#rows.reserve(column, rowCount);
    column.codes.fill(code, firstRow, rowCount);
    column.markValid(firstRow, rowCount);
    return undefined;
  }

  #addTag(name: number): ColumnBuilder {
    const label = this.#labelNames.values[name] ?? "";
    const wanted = RESERVED_NAME.test(label) ? `exported_${label}` : label;
    // Only a label that is called `exported_value` itself finds the column taken; it then counts as twice.
    return this.#rows.column(wanted) ?? this.#rows.addColumn(wanted, "tag");
  }
}
