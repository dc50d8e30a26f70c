/**
 * The `.snap` files of etcd in `snap/`.
 *
 * Written more carefully than etcd does: a file gets its name when all of it is on the device. Other files in the directory, such
 * as etcd's database `db`, are left alone.
 */
import { isErrno, joinPath, type Storage } from "@walnut/wal";
import { RaftLogError } from "../errors.ts";
import type { Snapshot } from "../raft-types.ts";
import { readWhole, writeWhole } from "../whole-file.ts";
import {
  decodeSnapFile,
  encodeSnapFile,
  parseSnapName,
  snapName,
  type SnapId,
} from "./snap-file.ts";
import { namesIn } from "./wal-directory.ts";

const TEMPORARY_SUFFIX = ".snap.tmp";

export interface SnapDirectoryOptions {
  readonly storage: Storage;
  readonly directory: string;
  readonly onWarning: (message: string) => void;
}

export class SnapDirectory {
  readonly #options: SnapDirectoryOptions;

  /** Reading needs nothing more; see {@link SnapDirectory.prepare} for writing. */
  constructor(options: SnapDirectoryOptions) {
    this.#options = options;
  }

  /** Makes the directory if it is missing, and removes what a crash left unfinished. */
  async prepare(): Promise<void> {
    const { storage, directory } = this.#options;
    await storage.ensureDirectory(directory);
    for (const name of await storage.listDirectory(directory)) {
      if (name.endsWith(TEMPORARY_SUFFIX)) await storage.remove(joinPath(directory, name));
    }
  }

  /**
   * Writes a snapshot; durable when it resolves. Steps, and what a crash right after each leaves behind:
   * 1. temporary file written and synced: a leftover that the next open removes (CRASH: raft-etcd-snap-1)
   * 2. renamed, directory synced: a file that the WAL does not name yet (CRASH: raft-etcd-snap-2)
   */
  async save(snapshot: Snapshot): Promise<void> {
    const { storage, directory } = this.#options;
    const path = joinPath(directory, snapName(snapshot.metadata));
    const temporaryPath = path.replace(/\.snap$/, TEMPORARY_SUFFIX);
    await writeWhole(storage, temporaryPath, encodeSnapFile(snapshot));
    await storage.rename(temporaryPath, path);
    await storage.syncDirectory(directory);
  }

  /**
   * The first of the snapshots named that can be read. Others are passed over with a warning.
   *
   * @param named - newest first
   * @throws {RaftLogError} `RAFT_CORRUPT` naming every file and what is wrong with it
   */
  async load(named: readonly SnapId[]): Promise<Snapshot> {
    const { storage, directory, onWarning } = this.#options;
    const names = new Set(await namesIn(storage, directory));
    const problems: string[] = [];
    for (const id of named) {
      const name = snapName(id);
      const bytes = names.has(name) ? await this.#read(joinPath(directory, name)) : undefined;
      if (bytes === undefined) {
        problems.push(`${name}: it is not there`);
        continue;
      }
      const result = decodeSnapFile(bytes);
      if (result.kind === "invalid") {
        problems.push(`${name}: ${result.reason}`);
        continue;
      }
      if (problems.length > 0) {
        onWarning(
          `a snapshot cannot be read (${problems.join("; ")}); ${name} is used, and the entries behind it`,
        );
      }
      return result.snapshot;
    }
    throw new RaftLogError(
      "RAFT_CORRUPT",
      `no snapshot in ${directory} can be read (${problems.join("; ")}): ` +
        "restore the file, or remove this node and add it anew",
      { details: { directory, index: named[0]?.index ?? 0 } },
    );
  }

  /** Names of snapshot files that are damaged, and why; of all that are there. */
  async damaged(): Promise<readonly { readonly path: string; readonly reason: string }[]> {
    const { storage, directory } = this.#options;
    const found: { readonly path: string; readonly reason: string }[] = [];
    for (const name of (await namesIn(storage, directory)).toSorted()) {
      if (parseSnapName(name) === undefined) continue;
      const path = joinPath(directory, name);
      const bytes = await this.#read(path);
      if (bytes === undefined) continue;
      const result = decodeSnapFile(bytes);
      if (result.kind === "invalid") found.push({ path, reason: result.reason });
    }
    return found;
  }

  /** Removes the snapshots beyond the newest `keepSnapshots`, and those that the log does not name. */
  async purge(newest: SnapId, keepSnapshots: number): Promise<void> {
    const { storage, directory } = this.#options;
    const newestName = snapName(newest);
    const names = (await storage.listDirectory(directory))
      .filter((name) => parseSnapName(name) !== undefined)
      .toSorted()
      .toReversed();
    const known = names.filter((name) => name <= newestName);
    const gone = new Set([
      ...names.filter((name) => name > newestName),
      ...known.slice(keepSnapshots),
    ]);
    if (gone.size === 0) return;
    for (const name of gone) await storage.remove(joinPath(directory, name));
    await storage.syncDirectory(directory);
  }

  /** `undefined` when etcd has removed the file since the directory was listed. */
  async #read(path: string): Promise<Uint8Array | undefined> {
    try {
      return await readWhole(this.#options.storage, path);
    } catch (error) {
      if (isErrno(error, "ENOENT")) return undefined;
      throw error;
    }
  }
}
