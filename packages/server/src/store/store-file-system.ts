/**
 * What the table store needs of a disk besides what DuckDB does itself.
 *
 * DuckDB writes Parquet files and never syncs them; everything that makes a file durable and part of the
 * directory tree goes through this interface, so that tests can stop the protocol at every step. Methods
 * throw the system's error and leave the outcome unknown: nobody repeats a failed sync on the same file.
 */
import { open, mkdir, readdir, rename, stat, unlink } from "node:fs/promises";
import { ifThere } from "../if-there.ts";

/** One entry of a directory. */
export interface DirectoryEntry {
  readonly name: string;
  readonly isDirectory: boolean;
}

/** The disk under the Parquet root. Paths are absolute. */
export interface StoreFileSystem {
  /** Creates a directory whose parent exists; it may exist already. */
  makeDirectory(path: string): Promise<void>;
  /** Makes creations, renames and removals in a directory durable. */
  syncDirectory(path: string): Promise<void>;
  /** Makes everything written to a file, by whomever, durable. */
  syncFile(path: string): Promise<void>;
  /** Replaces `to` by `from` in one step; durable after {@link syncDirectory}. */
  rename(from: string, to: string): Promise<void>;
  /** Removes a file; one that is not there is no error. */
  removeFile(path: string): Promise<void>;
  /** Size in bytes, or `undefined` when there is no such file. */
  fileSizeBytes(path: string): Promise<number | undefined>;
  /** Entries of a directory; none when it is not there. */
  listDirectory(path: string): Promise<readonly DirectoryEntry[]>;
}

/** The disk of this machine. */
export const nodeStoreFileSystem: StoreFileSystem = {
  async makeDirectory(path) {
    // Data of other people: readable by the owner only, as the log is.
    await mkdir(path, { recursive: true, mode: 0o700 });
  },

  async syncDirectory(path) {
    // Windows cannot open a directory; NTFS journals names by itself.
    if (process.platform === "win32") return;
    await syncPath(path, "r");
  },

  async syncFile(path) {
    await syncPath(path, "r+");
  },

  rename,

  async removeFile(path) {
    await ifThere(unlink(path));
  },

  async fileSizeBytes(path) {
    const stats = await ifThere(stat(path));
    return stats === undefined || !stats.isFile() ? undefined : stats.size;
  },

  async listDirectory(path) {
    const entries = (await ifThere(readdir(path, { withFileTypes: true }))) ?? [];
    return entries.map((entry) => ({ name: entry.name, isDirectory: entry.isDirectory() }));
  },
};

async function syncPath(path: string, flags: "r" | "r+"): Promise<void> {
  const handle = await open(path, flags);
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
