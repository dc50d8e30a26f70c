/**
 * How files of tables are read: where their bytes are on this machine while somebody reads them.
 *
 * Queries, and whoever rewrites files, open what they are about to read and release it afterwards. Local files are
 * simply there; those in object storage are fetched first (objects/object-file-access.ts).
 */
import type { CatalogFile } from "./catalog-record.ts";

/** Files that can be read until they are released. */
export interface OpenFiles {
  /** Absolute path of one of them, with slashes. */
  pathOf(file: CatalogFile): string;
  /** Idempotent. */
  release(): void;
}

/** Gives files to read. */
export interface FileAccess {
  /** Absolute paths of the directories that hold every file it gives out. */
  readonly directories: readonly string[];
  /** Makes files readable. Rejects with a ServerError, or with the reason of the signal. */
  open(files: readonly CatalogFile[], signal: AbortSignal): Promise<OpenFiles>;
}

/** Files below a Parquet root. */
export function localFileAccess(root: string): FileAccess {
  const opened: OpenFiles = {
    pathOf: (file) => `${root}/${file.path}`,
    release: () => undefined,
  };
  return { directories: [root], open: () => Promise.resolve(opened) };
}
