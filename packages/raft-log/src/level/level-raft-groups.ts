/**
 * All groups of a node in one store of keys: opening, one writer for all, removal.
 */
import { joinPath, type WalEnvironment } from "@walnut/wal";
import { CacheBudget, EntryCache } from "../entry-cache.ts";
import { GroupSet } from "../group/group-set.ts";
import { RaftGroupLog } from "../group/raft-group-log.ts";
import { groupsStatus, type RaftGroups, type RaftGroupsStatus } from "../raft-groups.ts";
import type { ResolvedRaftLogOptions } from "../raft-log-options.ts";
import { SnapshotStore } from "../snapshot/snapshot-store.ts";
import type { StreamGroup } from "../walnut/stream-replay.ts";
import { LevelMedium } from "./level-medium.ts";
import { removedValue, stateKey } from "./level-record.ts";
import { clearGroup, replayLevel } from "./level-replay.ts";
import { openClassicLevel, useLevel, type OpenLevel } from "./level-store.ts";
import { LevelWriter } from "./level-writer.ts";

/** Opens the store, in `wal/level` unless one was handed in, and the snapshots in `snap/`. */
export async function openLevelGroups(
  { storage }: WalEnvironment,
  options: ResolvedRaftLogOptions,
): Promise<LevelRaftGroups> {
  const { storageRootDirectory, level, onWarning } = options;
  const opened =
    level === undefined
      ? await openClassicLevel(storage, joinPath(storageRootDirectory, "wal"))
      : await useLevel(level, onWarning);
  try {
    const snapshots = await SnapshotStore.open({
      storage,
      directory: joinPath(storageRootDirectory, "snap"),
      keepSnapshots: options.keepSnapshots,
      onWarning,
    });
    return new LevelRaftGroups(options, opened, snapshots, await replayLevel(opened.store));
  } catch (error) {
    await opened.close().catch(() => undefined); // The first failure is the one to tell.
    throw error;
  }
}

export class LevelRaftGroups implements RaftGroups {
  readonly #options: ResolvedRaftLogOptions;
  readonly #opened: OpenLevel;
  readonly #writer: LevelWriter;
  readonly #snapshots: SnapshotStore;
  readonly #budget: CacheBudget;
  readonly #groups: GroupSet;
  #closing: Promise<void> | undefined;

  constructor(
    options: ResolvedRaftLogOptions,
    opened: OpenLevel,
    snapshots: SnapshotStore,
    groups: ReadonlyMap<number, StreamGroup>,
  ) {
    this.#options = options;
    this.#opened = opened;
    this.#writer = new LevelWriter(opened.store);
    this.#snapshots = snapshots;
    this.#budget = new CacheBudget(options.cacheBytes);
    this.#groups = new GroupSet((group) => this.#open(group), groups.values());
  }

  get groupIds(): readonly number[] {
    return this.#groups.ids;
  }

  group(groupId: number): RaftGroupLog {
    return this.#groups.get(groupId);
  }

  /**
   * Steps, and what a crash right after each leaves behind:
   * 1. the group's state replaced by a mark, synced: the next open goes on with the removal
   * 2. its keys deleted: the same
   * 3. the mark deleted: nothing of the group but its snapshots, which nothing names any more
   */
  async removeGroup(groupId: number): Promise<void> {
    const log = this.#groups.known(groupId);
    if (log === undefined) return;
    await log.close();
    const mark = { type: "put", key: stateKey(groupId), value: removedValue(groupId) } as const;
    await this.#writer.write([mark], "synced");
    await clearGroup(this.#opened.store, groupId);
    await this.#snapshots.removeGroup(groupId);
    this.#groups.forget(groupId);
  }

  async purge(): Promise<void> {
    for (const log of this.#groups.logs) await log.purge();
  }

  status(): RaftGroupsStatus {
    return groupsStatus("level", this.#groups.status(), undefined);
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  #open(group: StreamGroup): RaftGroupLog {
    const { unsafeNoSync } = this.#options;
    return new RaftGroupLog({
      medium: new LevelMedium(this.#opened.store, this.#writer, group.state),
      group,
      cache: new EntryCache(this.#budget),
      snapshots: this.#snapshots,
      unsafeNoSync,
    });
  }

  async #close(): Promise<void> {
    try {
      await this.#groups.close();
      await this.#writer.settled();
    } finally {
      await this.#opened.close();
    }
  }
}
