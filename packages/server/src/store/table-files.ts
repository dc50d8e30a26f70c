/**
 * The files of a table as something that can be exchanged: what compaction, DELETE and retention have in common.
 *
 * One of them at a time has a table; each reads what the catalog says, prepares new files, and commits one record.
 * What the record removes is freed later (removed-files.ts).
 */
import type { Catalog } from "./catalog.ts";
import type { CatalogFile, ColumnSchema, FileGroup } from "./catalog-record.ts";
import type { FileAccess, OpenFiles } from "./file-access.ts";
import { filesOf, isGone, type CatalogTable } from "./catalog-state.ts";
import type { FileEngine } from "./file-engine.ts";
import { rewriteFiles, type RewrittenFile } from "./file-rewrite.ts";
import type { RemovedFiles } from "./removed-files.ts";
import type { StoreFileSystem } from "./store-file-system.ts";
import { TableLocks } from "./table-locks.ts";
import { tableKey, type TableName } from "./table-name.ts";

export interface TableFilesOptions {
  readonly catalog: Catalog;
  readonly files: StoreFileSystem;
  readonly engine: FileEngine;
  /** Absolute path of the Parquet root. */
  readonly root: string;
  /** How files of tables are read. */
  readonly access: FileAccess;
  readonly removedFiles: RemovedFiles;
  /** See {@link Catalog.reload}. */
  readonly onReloaded: () => void;
}

/** Work of the store itself is not cut short: it ends with the store. */
const NEVER = new AbortController().signal;

/** What takes the place of what. */
export interface FileExchange {
  readonly removed: readonly string[];
  readonly added: readonly FileGroup[];
  /** Columns of the table afterwards, asked when the record is made; those of the catalog by default. */
  readonly schemaAfter?: (
    remaining: number,
    known: readonly ColumnSchema[],
  ) => readonly ColumnSchema[];
}

/** Reads and exchanges files of tables. */
export class TableFiles {
  readonly #options: TableFilesOptions;
  readonly #locks = new TableLocks();
  #attempts = 0;

  constructor(options: TableFilesOptions) {
    this.#options = options;
  }

  get engine(): FileEngine {
    return this.#options.engine;
  }

  /** Every table of the catalog, also those without files. */
  get tables(): readonly CatalogTable[] {
    return [...this.#options.catalog.tables];
  }

  /** A table as the catalog knows it now. */
  table(name: TableName): CatalogTable | undefined {
    const table = this.#options.catalog.table(tableKey(name));
    return table === undefined || isGone(table) ? undefined : table;
  }

  /** True while somebody exchanges files of the table. */
  isTaken(table: TableName): boolean {
    return this.#locks.isTaken(tableKey(table));
  }

  /** Runs an action with the table as the catalog knows it then; nobody else exchanges its files meanwhile. */
  async exclusive<T>(
    name: TableName,
    action: (current: () => CatalogTable | undefined) => Promise<T>,
  ): Promise<T> {
    const { catalog, onReloaded } = this.#options;
    const key = tableKey(name);
    return await this.#locks.exclusive(key, async () => {
      // A commit that failed may be durable all the same: names of new files follow from what is there.
      if (catalog.needsReload) await catalog.reload(onReloaded);
      return await action(() => catalog.table(key));
    });
  }

  /** Makes files readable until they are released. */
  async open(files: readonly CatalogFile[]): Promise<OpenFiles> {
    return await this.#options.access.open(files, NEVER);
  }

  /** See {@link rewriteFiles}. */
  async rewrite(
    schema: readonly ColumnSchema[],
    groups: readonly FileGroup[],
    keep?: string,
  ): Promise<RewrittenFile> {
    const { files, engine, root } = this.#options;
    const attempt = ++this.#attempts;
    const opened = await this.open(groups.flatMap((group) => group.files));
    try {
      const locate = (file: CatalogFile): string => opened.pathOf(file);
      return await rewriteFiles({ files, engine, locate, root }, { schema, groups, keep, attempt });
    } finally {
      opened.release();
    }
  }

  /** Exchanges files in one step. When it rejects, either all of it has happened or nothing; a reload tells. */
  async exchange(table: TableName, { removed, added, schemaAfter }: FileExchange): Promise<void> {
    const { catalog, removedFiles } = this.#options;
    const key = tableKey(table);
    // 5. The record. CRASH: rewrite-5 leaves new files with or without their record: without, see rewrite-3; with,
    //    the old ones are listed as removed.
    await catalog.commit(
      () => {
        const known = catalog.table(key);
        const schema = known?.schema ?? [];
        const remaining = (known === undefined ? 0 : filesOf(known).length) - removed.length;
        const addedFiles = added.reduce((total, group) => total + group.files.length, 0);
        return {
          version: 1,
          kind: "replace",
          database: table.database,
          measurement: table.measurement,
          schema: schemaAfter?.(remaining + addedFiles, schema) ?? schema,
          removed,
          added,
        };
      },
      // 6. Their bytes go later. CRASH: rewrite-6, the record is durable.
      () => removedFiles.track(),
    );
  }
}
