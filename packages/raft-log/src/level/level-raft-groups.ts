/**
 * All groups of a node in one store of keys: opening, one writer for all, removal.
 */
import { joinPath, type WalEnvironment } from "@walnut/wal";
import { CacheBudget, EntryCache } from "../entry-cache.ts";
import { RaftGroupLog } from "../group/raft-group-log.ts";
import { groupsStatus, type RaftGroups, type RaftGroupsStatus } from "../raft-groups.ts";
import { assertGroupId, type ResolvedRaftLogOptions } from "../raft-log-options.ts";
import { SnapshotStore } from "../snapshot/snapshot-store.ts";
import { newStreamGroup, type StreamGroup } from "../walnut/stream-replay.ts";
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

interface OpenGroup {
  readonly group: StreamGroup;
  readonly log: RaftGroupLog;
}

export class LevelRaftGroups implements RaftGroups {
  readonly #options: ResolvedRaftLogOptions;
  readonly #opened: OpenLevel;
  readonly #writer: LevelWriter;
  readonly #snapshots: SnapshotStore;
  readonly #budget: CacheBudget;
  readonly #groups = new Map<number, OpenGroup>();
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
    for (const group of groups.values()) this.#add(group);
  }

  get groupIds(): readonly number[] {
    const born = [...this.#groups.values()].filter(({ group }) => group.stateLsn > 0);
    return born.map(({ group }) => group.state.groupId).toSorted((a, b) => a - b);
  }

  group(groupId: number): RaftGroupLog {
    assertGroupId(groupId);
    const known = this.#groups.get(groupId);
    return known?.log ?? this.#add(newStreamGroup(groupId));
  }

  /**
   * Steps, and what a crash right after each leaves behind:
   * 1. the group's state replaced by a mark, synced: the next open goes on with the removal
   * 2. its keys deleted: the same
   * 3. the mark deleted: nothing of the group but its snapshots, which nothing names any more
   */
  async removeGroup(groupId: number): Promise<void> {
    const known = this.#groups.get(groupId);
    if (known === undefined) return;
    await known.log.close();
    const mark = { type: "put", key: stateKey(groupId), value: removedValue(groupId) } as const;
    await this.#writer.write([mark], "synced");
    await clearGroup(this.#opened.store, groupId);
    await this.#snapshots.removeGroup(groupId);
    this.#groups.delete(groupId);
  }

  async purge(): Promise<void> {
    for (const { log } of this.#groups.values()) await log.purge();
  }

  status(): RaftGroupsStatus {
    const logs = [...this.#groups.values()].map(({ log }) => log.status());
    return groupsStatus("level", logs, undefined);
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  #add(group: StreamGroup): RaftGroupLog {
    const { unsafeNoSync } = this.#options;
    const log = new RaftGroupLog({
      medium: new LevelMedium(this.#opened.store, this.#writer, group.state),
      group,
      cache: new EntryCache(this.#budget),
      snapshots: this.#snapshots,
      unsafeNoSync,
    });
    this.#groups.set(group.state.groupId, { group, log });
    return log;
  }

  async #close(): Promise<void> {
    try {
      for (const { log } of this.#groups.values()) await log.close();
      await this.#writer.settled();
    } finally {
      await this.#opened.close();
    }
  }
}
