/** Options of the section `[storage]`: where rows are kept. */
import type { RowsOf } from "./option-row.ts";

/** Options of the section `[storage]`. */
export interface StorageSection {
  /**
   * Directory that holds everything: log, catalog, Parquet files, token. Made with mode 0700 when missing.
   * Default "./data".
   */
  readonly dataDirectory?: string | undefined;
}

export const STORAGE_SECTION: RowsOf<StorageSection> = {
  dataDirectory: {
    kind: "text",
    toml: "storage.data_dir",
    flag: "data-dir",
    default: "./data",
    summary: "directory of the log, the catalog, the Parquet files and the token",
  },
};
