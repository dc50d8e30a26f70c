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
  FileGroup,
  FlushRecord,
  ReplaceRecord,
  TableRecord,
} from "./catalog-record.ts";
import { describeTable, tableKey, type TableName } from "./table-name.ts";

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
  /** Files that were part of a table, by path, until somebody says that their bytes are gone. */
  #removed = new Map<string, CatalogFile>();
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

  /** Files that are part of no table any more and whose bytes may still be there. */
  get removedFiles(): Iterable<CatalogFile> {
    return this.#removed.values();
  }

  /** True for a path that {@link removedFiles} lists. */
  isRemoved(path: string): boolean {
    return this.#removed.has(path);
  }

  /** The bytes of a removed file are gone, durably. */
  forgetRemoved(path: string): void {
    this.#removed.delete(path);
  }

  /**
   * Says why a replacement does not fit this state, or `undefined` when it does: what it removes must be
   * there, what it adds must not, and a name whose bytes are about to go cannot be used again.
   */
  replacementProblem(record: ReplaceRecord): string | undefined {
    const table = this.#tables.get(tableKey(record));
    if (table === undefined) return `there is no table ${describeTable(record)}`;
    const present = new Set(filesOf(table).map((file) => file.path));
    for (const path of record.removed) {
      if (!present.delete(path)) return `${path} is not part of ${describeTable(record)}`;
    }
    const again = new Set(record.removed);
    for (const { path } of record.added.flatMap((group) => group.files)) {
      if (present.has(path)) return `${path} is part of ${describeTable(record)} already`;
      if (this.#removed.has(path) && !again.has(path)) return `${path} was removed before`;
      present.add(path);
    }
    return undefined;
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
      case "removed":
        if (this.#snapshot === undefined) return;
        for (const file of record.files) this.#snapshot.#removed.set(file.path, file);
        return;
      case "snapshot-end":
        if (this.#snapshot === undefined) return;
        this.#tables = this.#snapshot.#tables;
        this.#removed = this.#snapshot.#removed;
        this.#flushedLsn = this.#snapshot.#flushedLsn;
        this.#snapshot = undefined;
        return;
      case "flush":
        // Commits wait for a snapshot to end: one that did not died with its process.
        this.#snapshot = undefined;
        this.#applyFlush(record, lsn);
        return;
      case "replace":
        this.#snapshot = undefined;
        this.#applyReplace(record, lsn);
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
      // Replay begins behind `flushedLsn`: a table that is gone needs no mark that low.
      if (isGone(table) && lastLsn <= this.#flushedLsn) continue;
      const groups = table.groups.length === 0 ? [{ columns: [], files: [] }] : table.groups;
      for (const { columns, files } of groups) {
        for (let from = 0; from === 0 || from < files.length; from += FILES_PER_TABLE_RECORD) {
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
    const removed = [...this.#removed.values()];
    for (let from = 0; from < removed.length; from += FILES_PER_TABLE_RECORD) {
      const files = removed.slice(from, from + FILES_PER_TABLE_RECORD);
      records.push({ version: 1, kind: "removed", files });
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

  #applyReplace(record: ReplaceRecord, lsn: number): void {
    const key = tableKey(record);
    const known = this.#tables.get(key);
    const problem = this.replacementProblem(record);
    if (known === undefined || problem !== undefined) {
      throw new ServerError(
        "SERVER_STORAGE_CORRUPT",
        `catalog record ${lsn} does not fit the ones before it: ${problem ?? "no table"}`,
        { details: { lsn, database: record.database, measurement: record.measurement } },
      );
    }
    const removed = new Set(record.removed);
    for (const file of filesOf(known)) {
      if (removed.has(file.path)) this.#removed.set(file.path, file);
    }
    const kept = known.groups.map(({ columns, files }) => {
      const rest = files.filter((file) => !removed.has(file.path));
      return rest.length === files.length ? { columns, files } : { columns, files: rest };
    });
    let groups: readonly FileGroup[] = kept.filter((group) => group.files.length > 0);
    for (const group of record.added) {
      groups = withFiles(groups, group);
      for (const file of group.files) this.#removed.delete(file.path);
    }
    const { database, measurement, lastLsn } = known;
    const { schema } = record;
    this.#tables.set(key, { database, measurement, lastLsn, schema, groups, ...sumFiles(groups) });
  }

  #addFiles({
    database,
    measurement,
    lastLsn,
    schema,
    columns,
    files,
  }: FlushRecord | TableRecord): void {
    const key = tableKey({ database, measurement });
    const known = this.#tables.get(key);
    const added = sumFiles([{ columns, files }]);
    this.#tables.set(key, {
      database,
      measurement,
      lastLsn,
      schema,
      groups: withFiles(known?.groups ?? [], { columns, files }),
      fileCount: (known?.fileCount ?? 0) + added.fileCount,
      rows: (known?.rows ?? 0) + added.rows,
      bytes: (known?.bytes ?? 0) + added.bytes,
    });
  }
}

/** All files of a table. */
export function filesOf(table: Pick<CatalogTable, "groups">): readonly CatalogFile[] {
  return table.groups.flatMap((group) => group.files);
}

/** True for a table that was deleted as a whole: it has no files and no columns, only a mark for replay. */
export function isGone(table: CatalogTable): boolean {
  return table.fileCount === 0 && table.schema.length === 0;
}

function sumFiles(
  groups: readonly FileGroup[],
): Pick<CatalogTable, "fileCount" | "rows" | "bytes"> {
  const files = filesOf({ groups });
  return {
    fileCount: files.length,
    rows: files.reduce((total, file) => total + file.rows, 0),
    bytes: files.reduce((total, file) => total + file.bytes, 0),
  };
}

/** Groups with the files of one more: those with the same columns are one group. */
export function withFiles(groups: readonly FileGroup[], added: FileGroup): readonly FileGroup[] {
  if (added.files.length === 0) return groups;
  const index = groups.findIndex((group) => hasSameColumns(group.columns, added.columns));
  const known = groups[index];
  if (known === undefined) return [...groups, added];
  return groups.with(index, { columns: known.columns, files: [...known.files, ...added.files] });
}

function hasSameColumns(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && a.every((name, index) => name === b[index]);
}
