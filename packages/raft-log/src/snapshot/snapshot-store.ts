/**
 * Snapshots of all groups of a node, a file each, in one directory.
 *
 * A file gets its name only when all of it is on the device, so a name that is there stands for a whole snapshot; a checksum tells
 * when that is no longer so.
 */
import { joinPath, type Storage } from "@walnut/wal";
import { RaftLogError } from "../errors.ts";
import type { Snapshot, SnapshotMetadata } from "../raft-types.ts";
import { readWhole, writeWhole } from "../whole-file.ts";
import {
  decodeSnapshot,
  encodeSnapshot,
  parseSnapshotName,
  snapshotName,
} from "./snapshot-file.ts";

const TEMPORARY_SUFFIX = ".tmp";

export interface SnapshotStoreOptions {
  readonly storage: Storage;
  /** `snap/` of the node. */
  readonly directory: string;
  readonly keepSnapshots: number;
  readonly onWarning: (message: string) => void;
}

export class SnapshotStore {
  readonly #options: SnapshotStoreOptions;

  private constructor(options: SnapshotStoreOptions) {
    this.#options = options;
  }

  /** Makes the directory if it is missing, and removes what a crash left unfinished. */
  static async open(options: SnapshotStoreOptions): Promise<SnapshotStore> {
    const { storage, directory } = options;
    await storage.ensureDirectory(directory);
    for (const name of await storage.listDirectory(directory)) {
      if (name.endsWith(TEMPORARY_SUFFIX)) await storage.remove(joinPath(directory, name));
    }
    return new SnapshotStore(options);
  }

  /** For reading alone: makes and removes nothing. */
  static looking(options: SnapshotStoreOptions): SnapshotStore {
    return new SnapshotStore(options);
  }

  /**
   * Writes a snapshot; durable when it resolves. Steps, and what a crash right after each leaves behind:
   * 1. temporary file written and synced: a leftover that the next open removes (CRASH: raft-snapshot-file-1)
   * 2. renamed: nothing, or the whole snapshot (CRASH: raft-snapshot-file-2)
   * 3. directory synced: the snapshot
   */
  async save(groupId: number, snapshot: Snapshot): Promise<void> {
    const { storage, directory } = this.#options;
    const path = joinPath(directory, snapshotName(groupId, snapshot.metadata));
    const temporaryPath = path + TEMPORARY_SUFFIX;
    await writeWhole(storage, temporaryPath, encodeSnapshot(groupId, snapshot));
    await storage.rename(temporaryPath, path);
    await storage.syncDirectory(directory);
  }

  /**
   * Reads the newest snapshot up to `newest` that is whole. One that is not is passed over with a warning, down to `oldestIndex`:
   * behind an older one entries would be missing.
   *
   * @throws {RaftLogError} `RAFT_CORRUPT` naming every file and what is wrong with it
   */
  async load(
    groupId: number,
    range: { readonly newest: SnapshotMetadata; readonly oldestIndex: number },
  ): Promise<Snapshot> {
    const { storage, directory, onWarning } = this.#options;
    const names = new Set(await storage.listDirectory(directory));
    const problems: string[] = [];
    if (!names.has(snapshotName(groupId, range.newest))) {
      problems.push(`${snapshotName(groupId, range.newest)}: it is not there`);
    }
    for (const { name, index } of this.#ofGroup(names, groupId)) {
      if (index > range.newest.index) continue;
      if (index < range.newest.index && index < range.oldestIndex) continue;
      const result = decodeSnapshot(groupId, await readWhole(storage, joinPath(directory, name)));
      if (result.kind === "invalid") {
        problems.push(`${name}: ${result.reason}`);
        continue;
      }
      if (problems.length > 0) {
        onWarning(
          `group ${groupId}: snapshot ${range.newest.index} cannot be read (${problems.join("; ")}); ` +
            `snapshot ${index} is used, and the entries behind it`,
        );
      }
      return result.snapshot;
    }
    throw new RaftLogError(
      "RAFT_CORRUPT",
      `group ${groupId}: no snapshot in ${directory} can be read (${problems.join("; ")}): ` +
        "restore the file, or remove this node and add it anew",
      { details: { groupId, directory, index: range.newest.index } },
    );
  }

  /** Removes the snapshots of a group beyond the number kept, and any that the log does not know of. */
  async purge(groupId: number, newestIndex: number): Promise<void> {
    const { storage, directory, keepSnapshots } = this.#options;
    const names = new Set(await storage.listDirectory(directory));
    let kept = 0;
    for (const { name, index } of this.#ofGroup(names, groupId)) {
      if (index <= newestIndex && kept++ < keepSnapshots) continue;
      await storage.remove(joinPath(directory, name));
    }
    await storage.syncDirectory(directory);
  }

  /** Removes all snapshots of a group. */
  async removeGroup(groupId: number): Promise<void> {
    const { storage, directory } = this.#options;
    const names = new Set(await storage.listDirectory(directory));
    for (const { name } of this.#ofGroup(names, groupId)) {
      await storage.remove(joinPath(directory, name));
    }
    await storage.syncDirectory(directory);
  }

  /** Files of a group, the newest first. */
  #ofGroup(
    names: Iterable<string>,
    groupId: number,
  ): readonly { readonly name: string; readonly index: number }[] {
    return [...names]
      .toSorted()
      .toReversed()
      .flatMap((name) => {
        const parsed = parseSnapshotName(name);
        return parsed?.groupId === groupId ? [{ name, index: parsed.index }] : [];
      });
  }
}
