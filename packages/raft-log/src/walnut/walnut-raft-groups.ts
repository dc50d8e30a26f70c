/**
 * All groups of a node on one stream: opening, one cursor for all, removal.
 */
import { joinPath, openWalWith, type WalEnvironment } from "@walnut/wal";
import { ByteWriter } from "../byte-writer.ts";
import { CacheBudget, EntryCache } from "../entry-cache.ts";
import { GroupSet } from "../group/group-set.ts";
import { RaftGroupLog } from "../group/raft-group-log.ts";
import {
  groupsStatus,
  type GroupHolding,
  type RaftGroups,
  type RaftGroupsStatus,
} from "../raft-groups.ts";
import type { ResolvedRaftLogOptions } from "../raft-log-options.ts";
import { SnapshotStore } from "../snapshot/snapshot-store.ts";
import { RaftStream } from "./raft-stream.ts";
import { StreamReplay, type StreamGroup } from "./stream-replay.ts";
import { writeRemoved } from "./stream-record.ts";

/** A quiet group is carried forward when it holds more than this of the stream behind it. */
const MAX_LAG_SEGMENTS = 2;

/** Opens the stream in `wal/` and the snapshots in `snap/`, and replays. */
export async function openWalnutGroups(
  environment: WalEnvironment,
  options: ResolvedRaftLogOptions,
): Promise<WalnutRaftGroups> {
  const { storageRootDirectory } = options;
  const wal = await openWalWith(environment, {
    directory: joinPath(storageRootDirectory, "wal"),
    durability: options.unsafeNoSync ? "async" : "fdatasync",
    segmentSizeBytes: options.segmentSizeBytes,
  });
  try {
    const snapshots = await SnapshotStore.open({
      storage: environment.storage,
      directory: joinPath(storageRootDirectory, "snap"),
      keepSnapshots: options.keepSnapshots,
      onWarning: options.onWarning,
    });
    const replay = new StreamReplay();
    for await (const records of wal.readBatches({ visibility: "written" })) {
      for (const { lsn, payload } of records) replay.take(lsn, payload);
    }
    return new WalnutRaftGroups(options, new RaftStream(wal), snapshots, replay.finish());
  } catch (error) {
    await wal.close().catch(() => undefined); // The first failure is the one to tell.
    throw error;
  }
}

export class WalnutRaftGroups implements RaftGroups {
  readonly #options: ResolvedRaftLogOptions;
  readonly #stream: RaftStream;
  readonly #snapshots: SnapshotStore;
  readonly #budget: CacheBudget;
  readonly #groups: GroupSet;
  #closing: Promise<void> | undefined;

  constructor(
    options: ResolvedRaftLogOptions,
    stream: RaftStream,
    snapshots: SnapshotStore,
    groups: ReadonlyMap<number, StreamGroup>,
  ) {
    this.#options = options;
    this.#stream = stream;
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

  async removeGroup(groupId: number): Promise<void> {
    const log = this.#groups.known(groupId);
    if (log === undefined) return;
    await log.close();
    const writer = new ByteWriter();
    writeRemoved(writer, groupId);
    await this.#stream.append([writer.view(0, writer.length)], "synced");
    this.#groups.forget(groupId);
    await this.#snapshots.removeGroup(groupId);
    await this.#release();
  }

  async purge(): Promise<void> {
    const { appendedLsn } = this.#stream.wal.positions;
    const { segments } = this.#stream.wal.status();
    const oldestLsn = segments.at(-MAX_LAG_SEGMENTS)?.firstLsn ?? appendedLsn;
    for (const log of this.#groups.logs) {
      if (log.neededLsn < oldestLsn) await log.carryForward();
      await log.purge();
    }
  }

  status(): RaftGroupsStatus {
    return groupsStatus("walnut", this.#groups.status(), this.#holder());
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  /** The group that needs the oldest record, if whole files before what the others need are kept for it. */
  #holder(): GroupHolding | undefined {
    const { segments, positions } = this.#stream.wal.status();
    let oldest: RaftGroupLog | undefined;
    let oldestLsn = Number.POSITIVE_INFINITY;
    let othersLsn = positions.durableLsn + 1;
    for (const log of this.#groups.logs) {
      const { neededLsn } = log;
      if (neededLsn < oldestLsn) {
        othersLsn = Math.min(othersLsn, oldestLsn);
        oldestLsn = neededLsn;
        oldest = log;
      } else othersLsn = Math.min(othersLsn, neededLsn);
    }
    const held = segments.filter(
      ({ isSealed, lastLsn }) => isSealed && lastLsn >= oldestLsn && lastLsn < othersLsn,
    );
    if (oldest === undefined || held.length === 0) return undefined;
    const heldBytes = held.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
    return { groupId: oldest.status().groupId, heldBytes };
  }

  #open(group: StreamGroup): RaftGroupLog {
    const { unsafeNoSync } = this.#options;
    return new RaftGroupLog({
      medium: this.#stream.ofGroup(group.state.groupId, () => this.#release()),
      group,
      cache: new EntryCache(this.#budget),
      snapshots: this.#snapshots,
      unsafeNoSync,
    });
  }

  async #release(): Promise<void> {
    await this.#stream.release(() => {
      let neededLsn = this.#stream.wal.positions.durableLsn + 1;
      for (const log of this.#groups.logs) neededLsn = Math.min(neededLsn, log.neededLsn);
      return neededLsn;
    });
  }

  async #close(): Promise<void> {
    try {
      await this.#groups.close();
    } finally {
      await this.#stream.close();
    }
  }
}
