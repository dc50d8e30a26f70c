import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { suite, test } from "node:test";
import { MemoryLevel } from "memory-level";
import {
  openRaftLog,
  raftLogContract,
  type RaftBackend,
  type RaftLogOptions,
  type RaftLogPlace,
} from "@walnut/raft-log";

const NODE = { clusterId: 7, peerId: 1, segmentSizeBytes: 64 * 1024 };

/** A directory of the real disk. */
async function onDisk(options: Partial<RaftLogOptions>): Promise<RaftLogPlace> {
  const storageRootDirectory = await mkdtemp(join(tmpdir(), "walnut-raft-"));
  return {
    open: () => openRaftLog({ ...NODE, ...options, storageRootDirectory }),
    remove: () => rm(storageRootDirectory, { recursive: true }),
  };
}

for (const backend of ["walnut", "etcd", "level"] satisfies RaftBackend[]) {
  suite(`the contract of Raft storage: ${backend}`, () => {
    for (const { title, run } of raftLogContract(() => onDisk({ backend }))) test(title, run);
  });
}

for (const backend of ["walnut", "etcd", "level"] satisfies RaftBackend[]) {
  suite(`the contract of Raft storage: ${backend} without a cache`, () => {
    const make = (): Promise<RaftLogPlace> => onDisk({ backend, cacheBytes: 0 });
    for (const { title, run } of raftLogContract(make)) test(title, run);
  });
}

suite("the contract of Raft storage: level in memory, handed in", () => {
  const make = (): Promise<RaftLogPlace> => onDisk({ backend: "level", level: new MemoryLevel() });
  for (const { title, run } of raftLogContract(make)) test(title, run);
});

suite("the contract of Raft storage: memory", () => {
  const make = (): Promise<RaftLogPlace> => onDisk({ backend: "memory" });
  for (const { title, run } of raftLogContract(make, { survives: false })) test(title, run);
});
