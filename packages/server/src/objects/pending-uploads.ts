/**
 * Which files of a catalog wait for their upload, since when, and what has failed before.
 *
 * Made anew from the catalog when that has changed, so flushes, compaction, deletion and import need not tell anybody.
 * Groups of the catalog are never changed, only replaced: one that was looked at is not looked at again. Pure state.
 */
import type { CatalogFile, FileGroup } from "../store/catalog-record.ts";
import type { CatalogTable } from "../store/catalog-state.ts";
import type { TableName } from "../store/table-name.ts";

/** A file that is not in the bucket yet. */
export interface PendingUpload {
  readonly table: TableName;
  readonly file: CatalogFile;
  /** Monotonic time at which it was noticed, in ms. */
  readonly sinceMs: number;
  /** Grows with each file that is noticed. */
  readonly sequence: number;
  /** Failures of this file alone; those of the bucket are not counted here. */
  failures: number;
  notBeforeMs: number;
  isRunning: boolean;
}

/** Files that wait, oldest first. */
export class PendingUploads {
  #pending = new Map<string, PendingUpload>();
  #localFiles = new WeakMap<FileGroup, readonly CatalogFile[]>();
  #nextSequence = 1;
  #bytes = 0;

  get size(): number {
    return this.#pending.size;
  }

  /** Bytes of all of them. */
  get bytes(): number {
    return this.#bytes;
  }

  /** All of them. */
  values(): Iterable<PendingUpload> {
    return this.#pending.values();
  }

  oldest(): PendingUpload | undefined {
    return this.#pending.values().next().value;
  }

  /** The sequence that the next file to be noticed will have. */
  get nextSequence(): number {
    return this.#nextSequence;
  }

  /** The oldest file that may be uploaded now. */
  next(nowMs: number): PendingUpload | undefined {
    for (const pending of this.#pending.values()) {
      if (!pending.isRunning && pending.notBeforeMs <= nowMs) return pending;
    }
    return undefined;
  }

  /** Takes over what the tables say now. */
  update(tables: Iterable<CatalogTable>, nowMs: number): void {
    const known = this.#pending;
    const kept = new Set<string>();
    const noticed: { readonly table: TableName; readonly file: CatalogFile }[] = [];
    for (const table of tables) {
      for (const group of table.groups) {
        for (const file of this.#localFilesOf(group)) {
          if (known.has(file.path)) kept.add(file.path);
          else noticed.push({ table, file });
        }
      }
    }
    for (const path of known.keys()) if (!kept.has(path)) known.delete(path);
    for (const { table, file } of noticed) {
      known.set(file.path, {
        table: { database: table.database, measurement: table.measurement },
        file,
        sinceMs: nowMs,
        sequence: this.#nextSequence++,
        failures: 0,
        notBeforeMs: 0,
        isRunning: false,
      });
    }
    this.#bytes = 0;
    for (const { file } of known.values()) this.#bytes += file.bytes;
  }

  #localFilesOf(group: FileGroup): readonly CatalogFile[] {
    let files = this.#localFiles.get(group);
    if (files === undefined) {
      files = group.files.filter((file) => file.place !== "object");
      this.#localFiles.set(group, files);
    }
    return files;
  }
}
