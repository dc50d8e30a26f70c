/**
 * Rows of an annotated export (CSV, JSON lines, Parquet) as line protocol, a batch at a time.
 *
 * The annotation says what the rows are; without one nothing is guessed. Batches are the same ones every time.
 */
import type { ExportAnnotation, ExportColumn, ExportRow, ExportValue } from "@walnut/server";
import { CommandFailure } from "./command-failure.ts";
import { CsvRecords, type CsvCell } from "./csv-records.ts";
import { EXIT_USAGE } from "./exit-code.ts";
import { DEFAULT_BATCH_LIMITS, type Batch } from "./line-batches.ts";

/** A row, or what the rows behind it are. */
type ExportItem =
  | { readonly kind: "annotation"; readonly annotation: ExportAnnotation }
  | { readonly kind: "row"; readonly row: ExportRow };

/** Batches of a Parquet file that an export has made. */
export async function* parquetBatches(path: string): AsyncGenerator<Batch> {
  const { openParquetExport } = await import("@walnut/server");
  const { rows, ...annotation } = await openParquetExport(path);
  async function* items(): AsyncGenerator<ExportItem> {
    yield { kind: "annotation", annotation };
    for await (const row of rows) yield { kind: "row", row };
  }
  yield* rowBatches(items());
}

/** Batches of annotated CSV. */
export async function* csvBatches(text: AsyncIterable<string>): AsyncGenerator<Batch> {
  yield* rowBatches(csvItems(text));
}

/** Batches of annotated JSON lines. */
export async function* jsonlBatches(text: AsyncIterable<string>): AsyncGenerator<Batch> {
  const { parseExportAnnotation } = await import("@walnut/server");
  yield* rowBatches(jsonlItems(text, parseExportAnnotation));
}

async function* rowBatches(items: AsyncIterable<ExportItem>): AsyncGenerator<Batch> {
  const { lineFormatter } = await import("@walnut/server");
  const { rows: maxRows, bytes: maxBytes } = DEFAULT_BATCH_LIMITS;
  let format: ReturnType<typeof lineFormatter> | undefined;
  let lines: string[] = [];
  let length = 0;
  let next = 1;
  function cut(): Batch {
    const batch = {
      body: Buffer.from(lines.join(""), "utf8"),
      position: next - lines.length,
      rows: lines.length,
    };
    lines = [];
    length = 0;
    return batch;
  }
  for await (const item of items) {
    if (item.kind === "annotation") {
      const { measurement, columns } = item.annotation;
      format = lineFormatter(measurement, columns);
      continue;
    }
    if (format === undefined) throw withoutAnnotation();
    const line = atRow(next, format, item.row);
    lines.push(line);
    length += line.length;
    next++;
    if (lines.length >= maxRows || length >= maxBytes) yield cut();
  }
  if (lines.length > 0) yield cut();
}

function atRow(row: number, format: (...row: ExportRow) => string, values: ExportRow): string {
  try {
    return format(...values);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new CommandFailure(EXIT_USAGE, `row ${row} cannot be imported: ${reason}`, {
      cause: error,
    });
  }
}

async function* jsonlItems(
  text: AsyncIterable<string>,
  parseAnnotation: (text: string) => ExportAnnotation,
): AsyncGenerator<ExportItem> {
  let columns: readonly ExportColumn[] | undefined;
  let number = 0;
  for await (const line of linesOf(text)) {
    number++;
    if (line.trim() === "") continue;
    let value: Readonly<Record<string, unknown>>;
    try {
      value = JSON.parse(line) as typeof value;
    } catch (error) {
      throw notUnderstood(`line ${number} is not JSON`, error);
    }
    if (value["time"] === undefined && value["walnut"] !== undefined) {
      const annotation = parseAnnotation(JSON.stringify(value["walnut"]));
      columns = annotation.columns;
      yield { kind: "annotation", annotation };
      continue;
    }
    if (columns === undefined) throw withoutAnnotation();
    const place = `line ${number}`;
    const values = columns.map(({ name, type }) => {
      const cell = Object.hasOwn(value, name) ? value[name] : null;
      const cellText = Object.is(cell, -0) ? "-0" : String(cell);
      return cell === null ? null : typedValue(type, cellText, `${place}, "${name}"`);
    });
    yield { kind: "row", row: [timeNsOf(String(value["time"]), place), values] };
  }
}

async function* csvItems(text: AsyncIterable<string>): AsyncGenerator<ExportItem> {
  const records = new CsvRecords();
  const table = new CsvTable();
  for await (const piece of text) {
    for (const cells of records.push(piece)) yield* table.read(cells);
  }
  const last = records.end();
  if (last === undefined) throw notUnderstood("the file ends inside of a quoted cell");
  yield* table.read(last);
}

/** Annotation lines, a line of names, rows; then an empty line and the next table. */
class CsvTable {
  #records = 0;
  #measurement: string | undefined;
  #types: readonly string[] | undefined;
  #columns: readonly ExportColumn[] | undefined;

  *read(cells: readonly CsvCell[]): Generator<ExportItem> {
    this.#records++;
    const place = `record ${this.#records}`;
    const [{ text: head, isQuoted } = { text: "", isQuoted: false }] = cells;
    if (cells.length <= 1 && head === "") return;
    if (!isQuoted && head === "#constant measurement") {
      this.#measurement = cells[1]?.text;
      this.#columns = undefined;
    } else if (!isQuoted && head.startsWith("#datatype ")) {
      this.#types = cells.slice(1).map(({ text }) => text);
      this.#columns = undefined;
    } else if (this.#measurement === undefined || this.#types === undefined) {
      throw withoutAnnotation();
    } else if (this.#columns === undefined) {
      this.#columns = columnsOf(cells, this.#types, place);
      yield {
        kind: "annotation",
        annotation: { measurement: this.#measurement, columns: this.#columns },
      };
    } else if (cells.length !== this.#columns.length + 1) {
      throw notUnderstood(`${place} has ${cells.length} cells, not ${this.#columns.length + 1}`);
    } else {
      const values = this.#columns.map(({ name, type }, index) => {
        const { text = "", isQuoted: isText = false } = cells[index + 1] ?? {};
        return text === "" && !isText ? null : typedValue(type, text, `${place}, "${name}"`);
      });
      yield { kind: "row", row: [timeNsOf(head, place), values] };
    }
  }
}

const TYPES: Readonly<Record<string, ExportColumn["type"]>> = {
  tag: "tag",
  string: "string",
  double: "float",
  long: "integer",
  unsignedLong: "unsigned",
  boolean: "boolean",
};

function columnsOf(
  cells: readonly CsvCell[],
  types: readonly string[],
  place: string,
): readonly ExportColumn[] {
  const [time, ...names] = cells;
  if (time?.text !== "time" || names.length !== types.length) {
    throw notUnderstood(`${place} is not the line of names that #datatype announces`);
  }
  return names.map(({ text: name }, index) => {
    const type = TYPES[types[index] ?? ""];
    if (type === undefined) throw notUnderstood(`#datatype ${types[index]} is not known`);
    return { name, type };
  });
}

function typedValue(type: ExportColumn["type"], text: string, place: string): ExportValue {
  switch (type) {
    case "tag":
    case "string":
      return text;
    case "boolean":
      if (text !== "true" && text !== "false")
        throw notUnderstood(`${place}: ${text} is no ${type}`);
      return text === "true";
    case "integer":
    case "unsigned":
      if (!/^-?\d{1,20}$/.test(text)) throw notUnderstood(`${place}: ${text} is no ${type}`);
      return BigInt(text);
    case "float": {
      const value = Number(text);
      if (text.trim() === "" || (Number.isNaN(value) && text !== "NaN")) {
        throw notUnderstood(`${place}: ${text} is no ${type}`);
      }
      return value;
    }
  }
}

const NS_PER_MS = 1_000_000n;
const TIME = /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?Z$/;

function timeNsOf(text: string, place: string): bigint {
  const [, seconds = "", fraction = ""] = TIME.exec(text) ?? [];
  const ms = Date.parse(`${seconds}Z`);
  if (Number.isNaN(ms))
    throw notUnderstood(`${place}: "${text}" is no time such as 2025-10-09T08:00:00Z`);
  return BigInt(ms) * NS_PER_MS + BigInt(fraction.padEnd(9, "0"));
}

/** Lines as JSON lines have them: only a line feed ends one. */
async function* linesOf(text: AsyncIterable<string>): AsyncGenerator<string> {
  let rest = "";
  for await (const piece of text) {
    const lines = (rest + piece).split("\n");
    rest = lines.pop() ?? "";
    yield* lines;
  }
  if (rest !== "") yield rest;
}

function withoutAnnotation(): CommandFailure {
  return notUnderstood(
    "the file does not say what its columns are; expected one that `walnut export` has made",
  );
}

function notUnderstood(message: string, cause?: unknown): CommandFailure {
  return new CommandFailure(EXIT_USAGE, message, { cause });
}
