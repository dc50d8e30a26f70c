/**
 * Finds out what is in a directory, and opens it for looking: a node of ours, by its identity file, or etcd's data directory.
 */
import { joinPath, nodeEnvironment, type Storage, type WalEnvironment } from "@walnut/wal";
import { RaftLogError } from "../errors.ts";
import { parseSegmentName } from "../etcd/segment-name.ts";
import { namesIn } from "../etcd/wal-directory.ts";
import { IDENTITY_NAME, readIdentity } from "../identity.ts";
import { openRaftGroupsWith } from "../open-raft-log.ts";
import { RAFT_BACKENDS, type RaftBackend } from "../raft-log-options.ts";
import { openEtcdSource } from "./etcd-source.ts";
import type { RaftProgress, RaftSource, RaftSourceGroup } from "./raft-source.ts";
import { openWalnutSource } from "./walnut-source.ts";

/** What is in a directory. */
export interface LocatedRaftLog {
  readonly backend: RaftBackend;
  /** Where `wal/` and `snap/` are. */
  readonly directory: string;
}

/**
 * Where the Raft log is in a directory: in it, or in its `member`, as etcd has it.
 *
 * @throws {RaftLogError} `RAFT_INVALID_OPTION` when there is none
 */
export async function locateRaftLog(storage: Storage, directory: string): Promise<LocatedRaftLog> {
  for (const place of [directory, joinPath(directory, "member")]) {
    const names = await namesIn(storage, place);
    if (names.includes(IDENTITY_NAME)) {
      const { backend } = await readIdentity(storage, place);
      const known = RAFT_BACKENDS.find((name) => name === backend);
      if (known !== undefined) return { backend: known, directory: place };
    }
    const files = names.includes("wal") ? await namesIn(storage, joinPath(place, "wal")) : [];
    if (files.some((name) => parseSegmentName(name) !== undefined)) {
      return { backend: "etcd", directory: place };
    }
  }
  throw new RaftLogError(
    "RAFT_INVALID_OPTION",
    `${directory} holds no Raft log: neither a file ${IDENTITY_NAME}, nor the files of etcd in wal/ or member/wal/`,
    { details: { directory } },
  );
}

/**
 * Opens a Raft log for looking. It may be in use, but for the backend "level", whose store has one user at a time.
 *
 * @throws {RaftLogError} `RAFT_INVALID_OPTION` when there is none, `RAFT_CORRUPT` when nothing of it can be read; other damage is part
 *   of the answer
 */
export async function openRaftSource(options: {
  readonly directory: string;
  readonly onProgress?: RaftProgress | undefined;
}): Promise<RaftSource> {
  return await openRaftSourceWith(nodeEnvironment(), options);
}

/** As {@link openRaftSource}, in a given environment. */
export async function openRaftSourceWith(
  environment: WalEnvironment,
  options: { readonly directory: string; readonly onProgress?: RaftProgress | undefined },
): Promise<RaftSource> {
  const { backend, directory } = await locateRaftLog(environment.storage, options.directory);
  switch (backend) {
    case "etcd":
      return await openEtcdSource(environment, directory, options.onProgress);
    case "walnut":
      return await openWalnutSource(environment, directory, options.onProgress);
    case "level":
    case "memory":
      return await openAsNode(environment, directory, backend);
  }
}

/** By opening it as its node does. */
async function openAsNode(
  environment: WalEnvironment,
  directory: string,
  backend: RaftBackend,
): Promise<RaftSource> {
  const { clusterId, peerId } = await readIdentity(environment.storage, directory);
  const opened = await openRaftGroupsWith(environment, {
    storageRootDirectory: directory,
    clusterId,
    peerId,
    backend,
  });
  const groups = new Map<number, RaftSourceGroup>();
  for (const groupId of opened.groupIds) {
    const log = opened.group(groupId);
    groups.set(groupId, {
      firstIndex: log.firstIndex,
      lastIndex: log.lastIndex,
      snapshotIndex: log.status().snapshotIndex,
      initialState: () => log.initialState(),
      term: (index) => log.term(index),
      entries: (lo, hi, maxBytes) => log.entries(lo, hi, maxBytes),
      snapshot: () => log.snapshot(),
    });
  }
  return {
    backend,
    directory,
    clusterId,
    peerId,
    groups,
    records: 0,
    bytes: 0,
    damage: [],
    close: () => opened.close(),
  };
}
