/**
 * What the records of a catalog add up to: tables, their columns and their files.
 *
 * Applying a record replaces the parts it changes, so that a reader holding a {@link CatalogTable} keeps a
 * consistent one. The same function serves replay and live commits. Pure memory, no I/O.
 */
import { ServerError } from "../errors.ts";
import type {
  CatalogFile,
  CatalogRecord,
  ColumnSchema,
  FlushRecord,
  TableRecord,
} from "./catalog-record.ts";
import { describeTable, tableKey, type TableName } from "./table-name.ts";

/** Files that have the same columns. */
export interface FileGroup {
  /** Columns of the files besides the time. */
  readonly columns: readonly string[];
  readonly files: readonly CatalogFile[];
}

/** A table as far as it is in Parquet. */
export interface CatalogTable extends TableName {
  /** Rows of the log up to this LSN are in `groups` (those of later records are not). */
  readonly lastLsn: number;
  readonly schema: readonly ColumnSchema[];
  readonly groups: readonly FileGroup[];
  readonly fileCount: number;
  readonly rows: number;
  readonly bytes: number;
}

/** Files in one record of a snapshot: keeps a record far below the largest one that a log takes. */
const FILES_PER_TABLE_RECORD = 2000;

/** Tables by key, and how far the whole store is flushed. */
export class CatalogState {
  #tables = new Map<string, CatalogTable>();
  #flushedLsn = 0;
  /** A snapshot of which only a part has been read. */
  #snapshot: CatalogState | undefined;

  /** Every row of every table up to this LSN is in Parquet. */
  get flushedLsn(): number {
    return this.#flushedLsn;
  }

  get tables(): Iterable<CatalogTable> {
    return this.#tables.values();
  }

  table(key: string): CatalogTable | undefined {
    return this.#tables.get(key);
  }

  /** Takes over what a record says. `lsn` is the record's own, for messages. */
  apply(record: CatalogRecord, lsn: number): void {
    switch (record.kind) {
      case "created":
        return;
      case "snapshot":
        this.#snapshot = new CatalogState();
        this.#snapshot.#flushedLsn = record.flushedLsn;
        return;
      case "table":
        // Without a beginning it is the rest of a snapshot whose first segments were released after a newer one.
        if (this.#snapshot !== undefined) this.#snapshot.#addFiles(record);
        return;
      case "snapshot-end":
        if (this.#snapshot === undefined) return;
        this.#tables = this.#snapshot.#tables;
        this.#flushedLsn = this.#snapshot.#flushedLsn;
        this.#snapshot = undefined;
        return;
      case "flush":
        // Commits wait for a snapshot to end: one that did not died with its process.
        this.#snapshot = undefined;
        this.#applyFlush(record, lsn);
        return;
    }
  }

  /** Records that rebuild this state from nothing. */
  toRecords(): readonly CatalogRecord[] {
    const records: CatalogRecord[] = [
      { version: 1, kind: "snapshot", flushedLsn: this.#flushedLsn },
    ];
    for (const table of this.#tables.values()) {
      const { database, measurement, lastLsn, schema } = table;
      for (const { columns, files } of table.groups) {
        for (let from = 0; from < files.length; from += FILES_PER_TABLE_RECORD) {
          const part = files.slice(from, from + FILES_PER_TABLE_RECORD);
          records.push({
            version: 1,
            kind: "table",
            database,
            measurement,
            lastLsn,
            schema,
            columns,
            files: part,
          });
        }
      }
    }
    records.push({ version: 1, kind: "snapshot-end" });
    return records;
  }

  #applyFlush(record: FlushRecord, lsn: number): void {
    const known = this.#tables.get(tableKey(record));
    // Ranges of a table follow one another. One that overlaps would show its rows twice.
    if (known !== undefined && record.firstLsn <= known.lastLsn) {
      throw new ServerError(
        "SERVER_STORAGE_CORRUPT",
        `catalog record ${lsn}: flush ${record.firstLsn}-${record.lastLsn} of ` +
          `${describeTable(record)} begins at or below its last one, ${known.lastLsn}`,
        { details: { lsn, database: record.database, measurement: record.measurement } },
      );
    }
    this.#addFiles(record);
    this.#flushedLsn = Math.max(this.#flushedLsn, record.flushedLsn);
  }

  #addFiles(record: FlushRecord | TableRecord): void {
    const { database, measurement, lastLsn, schema, columns, files } = record;
    const key = tableKey(record);
    const known = this.#tables.get(key);
    const sum = (select: (file: CatalogFile) => number): number =>
      files.reduce((total, file) => total + select(file), 0);
    this.#tables.set(key, {
      database,
      measurement,
      lastLsn,
      schema,
      groups: withFiles(known?.groups ?? [], { columns, files }),
      fileCount: (known?.fileCount ?? 0) + files.length,
      rows: (known?.rows ?? 0) + sum((file) => file.rows),
      bytes: (known?.bytes ?? 0) + sum((file) => file.bytes),
    });
  }
}

function withFiles(groups: readonly FileGroup[], added: FileGroup): readonly FileGroup[] {
  const index = groups.findIndex((group) => hasSameColumns(group.columns, added.columns));
  const known = groups[index];
  if (known === undefined) return [...groups, added];
  return groups.with(index, { columns: known.columns, files: [...known.files, ...added.files] });
}

function hasSameColumns(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && a.every((name, index) => name === b[index]);
}
