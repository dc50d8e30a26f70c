/**
 * Opens Raft storage in etcd's files: locks, replay, repair of what a crash left, and the one group that there is.
 */
import { joinPath, WalError, type Storage } from "@walnut/wal";
import { CacheBudget, EntryCache } from "../entry-cache.ts";
import { RaftLogError } from "../errors.ts";
import { claimDirectory } from "../identity.ts";
import { groupsStatus, type RaftGroups, type RaftGroupsStatus } from "../raft-groups.ts";
import { assertGroupId, type ResolvedRaftLogOptions } from "../raft-log-options.ts";
import { EtcdRaftLog } from "./etcd-raft-log.ts";
import type { EtcdReplay } from "./etcd-replay.ts";
import {
  decodeNodeMetadata,
  encodeHardState,
  encodeNodeMetadata,
  encodeWalSnapshot,
} from "./raft-messages.ts";
import { cutSegment, isZeroFrom, rewriteBytes } from "./repair-wal.ts";
import { SegmentFiles } from "./segment-files.ts";
import type { SegmentLock } from "./segment-lock.ts";
import { SnapDirectory } from "./snap-directory.ts";
import { readStart, writeStart } from "./start-file.ts";
import { damageError } from "./wal-damage.ts";
import { listSegments, replayWal, type ReplayedWal, type Segment } from "./wal-directory.ts";
import { RECORD_TYPE } from "./wal-record.ts";
import { createSegment, WalWriter, type WalEnd } from "./wal-writer.ts";

const GROUP_ID = 0;

/**
 * @throws {RaftLogError} `RAFT_WRONG_CLUSTER`, `RAFT_CORRUPT`
 * @throws {WalError} `WAL_LOCKED`
 */
export async function openEtcdGroups(
  storage: Storage,
  lock: SegmentLock,
  options: ResolvedRaftLogOptions,
): Promise<RaftGroups> {
  const { storageRootDirectory } = options;
  const directory = joinPath(storageRootDirectory, "wal");
  await storage.ensureDirectory(directory);
  const directoryLock = await storage.lockDirectory(storageRootDirectory);
  if (directoryLock.kind === "refused") throw locked(storageRootDirectory, directoryLock.owner);
  const release = async (): Promise<void> => {
    await lock.close();
    await directoryLock.release();
  };
  try {
    return await openLocked({ storage, lock, options, directory }, release);
  } catch (error) {
    await release();
    throw error;
  }
}

interface Opening {
  readonly storage: Storage;
  readonly lock: SegmentLock;
  readonly options: ResolvedRaftLogOptions;
  /** `wal/` of the node. */
  readonly directory: string;
}

async function openLocked(opening: Opening, release: () => Promise<void>): Promise<RaftGroups> {
  const { storage, lock, options, directory } = opening;
  const { storageRootDirectory, clusterId, peerId, backend } = options;
  let segments = await listSegments(storage, directory);
  const newest = segments.at(-1);
  if (newest === undefined) {
    await claimDirectory(storage, storageRootDirectory, { clusterId, peerId, backend });
    segments = [await createLog(opening)];
  } else if (!(await lock.hold(newest.path))) {
    throw locked(newest.path, "another process, perhaps etcd");
  }
  await removeLeftovers(storage, directory);
  const replayed = await replayAndRepair(opening, segments);
  assertOwner(opening, replayed.replay);
  await claimDirectory(storage, storageRootDirectory, { clusterId, peerId, backend });
  const snaps = new SnapDirectory({
    storage,
    directory: joinPath(storageRootDirectory, "snap"),
    onWarning: options.onWarning,
  });
  await snaps.prepare();
  await takeNewestSnapshot(replayed.replay, snaps);
  const end = await settle(storage, directory, replayed);
  const files = new SegmentFiles(storage, segments);
  const writer = new WalWriter(
    {
      storage,
      directory,
      metadata: replayed.replay.metadata ?? encodeNodeMetadata({ clusterId, peerId }),
      segmentSizeBytes: options.segmentSizeBytes,
      neverSyncs: options.unsafeNoSync,
      onSegment: async (segment) => {
        files.add(segment);
        await lock.hold(segment.path);
      },
    },
    end,
  );
  const log = new EtcdRaftLog({
    replay: replayed.replay,
    writer,
    files,
    cache: new EntryCache(new CacheBudget(options.cacheBytes)),
    snaps,
    keepSnapshots: options.keepSnapshots,
    noteStart: (start) =>
      writeStart(storage, storageRootDirectory, start, (step) => writer.guard(step)),
    removeSegment: (path) =>
      writer.guard(async () => {
        await storage.remove(path);
        await storage.syncDirectory(directory);
      }),
  });
  return new EtcdRaftGroups(log, [() => writer.close(), () => files.close(), release]);
}

/** The first file of a new log, as etcd begins one. */
async function createLog({ storage, options, directory, lock }: Opening): Promise<Segment> {
  const { clusterId, peerId } = options;
  const { segment, file } = await createSegment(
    { storage, directory, metadata: encodeNodeMetadata({ clusterId, peerId }) },
    {
      sequence: 0,
      firstIndex: 0,
      crc: 0,
      records: [
        {
          type: RECORD_TYPE.snapshot,
          data: [encodeWalSnapshot({ index: 0, term: 0, confState: undefined })],
        },
      ],
    },
  );
  await file.close();
  await lock.hold(segment.path);
  return segment;
}

/** Files that were about to become segments. */
async function removeLeftovers(storage: Storage, directory: string): Promise<void> {
  for (const name of await storage.listDirectory(directory)) {
    if (/^\d+\.tmp$/.test(name)) await storage.remove(joinPath(directory, name));
  }
}

async function replayAndRepair(
  { storage, options, directory }: Opening,
  segments: readonly Segment[],
): Promise<ReplayedWal> {
  const noted = await readStart(storage, options.storageRootDirectory);
  const replayed = await replayWal(storage, segments, { noted });
  const { damage, endOffsetBytes } = replayed;
  if (damage === undefined) return replayed;
  const newest = segments.at(-1);
  if (damage.kind !== "torn" || damage.path !== newest?.path) {
    throw damageError(damage);
  }
  const brokenPath = await cutSegment(storage, { directory, path: newest.path, endOffsetBytes });
  options.onWarning(
    `${newest.path} ended inside a record, as a crash leaves it; it was cut at offset ${endOffsetBytes}, and is kept as ${brokenPath}`,
  );
  // Once: what is found now is not for repair.
  const again = await replayWal(storage, segments, { noted });
  if (again.damage !== undefined) throw damageError(again.damage);
  return again;
}

/** Compares the node that the WAL names with the one that opens it. Metadata of others is opaque. */
function assertOwner({ options, directory }: Opening, { metadata }: EtcdReplay): void {
  const owner = metadata === undefined ? undefined : decodeNodeMetadata(metadata);
  if (owner === undefined) return;
  for (const key of ["clusterId", "peerId"] as const) {
    if (owner[key] === options[key]) continue;
    throw new RaftLogError(
      "RAFT_WRONG_CLUSTER",
      `${directory} belongs to ${key} ${owner[key]}, not ${options[key]}; open it as what it is, or choose another directory`,
      { details: { directory, key, found: owner[key], expected: options[key] } },
    );
  }
}

/** The newest snapshot that the WAL names, with its members: etcd before 3.5 has them in the snapshot's file alone. */
export async function takeNewestSnapshot(replay: EtcdReplay, snaps: SnapDirectory): Promise<void> {
  const newest = replay.snapshots.at(-1);
  if (newest === undefined) return;
  const { index, term } = newest;
  const confState =
    newest.confState ?? (await snaps.load(replay.loadableSnapshots())).metadata.confState;
  replay.state.snapshot = { index, term, confState };
}

/**
 * Leaves the newest file so that it ends with its last record, all of it on the device. Bytes behind the end that are not zeros are
 * copied aside before they go.
 */
async function settle(storage: Storage, directory: string, replayed: ReplayedWal): Promise<WalEnd> {
  const { replay, segments, endOffsetBytes, crc } = replayed;
  const segment = segments.at(-1);
  if (segment === undefined) throw new Error("a log without files");
  const file = await storage.openFile(segment.path, "write");
  try {
    if (!(await isZeroFrom(file, endOffsetBytes))) {
      await cutSegment(storage, { directory, path: segment.path, endOffsetBytes });
    }
    if ((await file.size()) > endOffsetBytes) await file.truncate(endOffsetBytes);
    await rewriteBytes(file, endOffsetBytes);
    await file.syncAll();
    await storage.syncDirectory(directory);
  } catch (error) {
    await file.close();
    throw error;
  }
  const { hardState, lastIndex } = replay.state;
  const isSaved = hardState.term > 0 || hardState.vote > 0n || hardState.commit > 0;
  return {
    segment,
    file,
    offsetBytes: endOffsetBytes,
    crc,
    lastIndex,
    state: isSaved ? encodeHardState(hardState) : undefined,
  };
}

function locked(path: string, owner: string): WalError {
  return new WalError("WAL_LOCKED", `${path} is open in ${owner}: stop it first`, {
    details: { path, owner },
  });
}

/** The one group of a node whose log is etcd's. */
class EtcdRaftGroups implements RaftGroups {
  readonly #log: EtcdRaftLog;
  readonly #closers: readonly (() => Promise<void>)[];
  #closing: Promise<void> | undefined;

  constructor(log: EtcdRaftLog, closers: readonly (() => Promise<void>)[]) {
    this.#log = log;
    this.#closers = closers;
  }

  get groupIds(): readonly number[] {
    return this.#log.holdsSomething ? [GROUP_ID] : [];
  }

  group(groupId: number): EtcdRaftLog {
    assertGroupId(groupId);
    if (groupId === GROUP_ID) return this.#log;
    throw onlyOneGroup(`there is no group ${groupId}`);
  }

  async removeGroup(groupId: number): Promise<void> {
    if (groupId !== GROUP_ID) return;
    throw onlyOneGroup("the only group cannot be removed: close the log and remove its directory");
  }

  async purge(): Promise<void> {
    await this.#log.purge();
  }

  status(): RaftGroupsStatus {
    return groupsStatus("etcd", [this.#log.status()], undefined);
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  /** All of it is closed, whatever fails; the first failure is told. */
  async #close(): Promise<void> {
    const failures: unknown[] = [];
    for (const close of [() => this.#log.close(), ...this.#closers]) {
      await close().catch((error: unknown) => failures.push(error));
    }
    if (failures.length > 0) throw failures[0];
  }
}

function onlyOneGroup(problem: string): RaftLogError {
  return new RaftLogError(
    "RAFT_INVALID_OPTION",
    `option groupId: ${problem}; the backend "etcd" keeps one group, number ${GROUP_ID}, as etcd does. "walnut" keeps many`,
    { details: { option: "groupId" } },
  );
}
