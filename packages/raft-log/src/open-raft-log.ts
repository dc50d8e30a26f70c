/**
 * The builder: options in, storage of the chosen backend out. The only place where disk, clock and randomness come in.
 */
import {
  joinPath,
  nodeEnvironment,
  NodeStorage,
  type Storage,
  type WalEnvironment,
} from "@walnut/wal";
import { RaftLogError } from "./errors.ts";
import { listSegments } from "./etcd/wal-directory.ts";
import { openEtcdGroups } from "./etcd/open-etcd-groups.ts";
import { nodeSegmentLock, noSegmentLock } from "./etcd/segment-lock.ts";
import { claimDirectory } from "./identity.ts";
import type { RaftGroups } from "./raft-groups.ts";
import {
  resolveRaftLogOptions,
  type RaftLogOptions,
  type ResolvedRaftLogOptions,
} from "./raft-log-options.ts";
import type { RaftLog } from "./raft-log.ts";
import { openLevelGroups } from "./level/level-raft-groups.ts";
import { openMemoryGroups } from "./memory/memory-raft-groups.ts";
import { SingleRaftLog } from "./single-raft-log.ts";
import { openWalnutGroups } from "./walnut/walnut-raft-groups.ts";

/** Group of a log that is opened alone. */
export const ONLY_GROUP_ID = 0;

/**
 * Opens the storage of a node that is a member of one Raft group.
 *
 * @throws {RaftLogError} `RAFT_INVALID_OPTION`, `RAFT_WRONG_CLUSTER`, `RAFT_CORRUPT`
 * @throws {WalError} `WAL_LOCKED` when another process has it open, `WAL_CORRUPT`, `WAL_IO`, …
 */
export async function openRaftLog(options: RaftLogOptions): Promise<RaftLog> {
  return await openRaftLogWith(nodeEnvironment(), options);
}

/** As {@link openRaftLog}, in a given environment. */
export async function openRaftLogWith(
  environment: WalEnvironment,
  options: RaftLogOptions,
): Promise<RaftLog> {
  const groups = await openRaftGroupsWith(environment, options);
  return new SingleRaftLog(groups.group(ONLY_GROUP_ID), groups);
}

/**
 * Opens the storage of a node that is a member of many Raft groups, all of them in one stream: one sync for whatever is saved at
 * the same time.
 *
 * @throws as {@link openRaftLog}
 */
export async function openRaftGroups(options: RaftLogOptions): Promise<RaftGroups> {
  return await openRaftGroupsWith(nodeEnvironment(), options);
}

/** As {@link openRaftGroups}, in a given environment. */
export async function openRaftGroupsWith(
  environment: WalEnvironment,
  options: RaftLogOptions,
): Promise<RaftGroups> {
  const resolved = resolveRaftLogOptions(options);
  if (resolved.backend === "memory") return openMemoryGroups(resolved);
  if (resolved.backend === "etcd") {
    const { storage } = environment;
    const lock = storage instanceof NodeStorage ? nodeSegmentLock() : noSegmentLock();
    return await openEtcdGroups(storage, lock, resolved);
  }
  const { storageRootDirectory, clusterId, peerId, backend } = resolved;
  await assertNotEtcd(environment.storage, resolved);
  await claimDirectory(environment.storage, storageRootDirectory, { clusterId, peerId, backend });
  if (backend === "level") return await openLevelGroups(environment, resolved);
  return await openWalnutGroups(environment, resolved);
}

/** Etcd's own directories have no identity file: without this one would be taken for a new node's. */
async function assertNotEtcd(
  storage: Storage,
  { storageRootDirectory, backend }: ResolvedRaftLogOptions,
): Promise<void> {
  const directory = joinPath(storageRootDirectory, "wal");
  if ((await listSegments(storage, directory)).length === 0) return;
  throw new RaftLogError(
    "RAFT_WRONG_CLUSTER",
    `${directory} holds etcd's files, not those of backend ${backend}; open it with backend "etcd", or convert it`,
    { details: { directory, key: "backend", found: "etcd", expected: backend } },
  );
}
