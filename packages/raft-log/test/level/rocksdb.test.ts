/**
 * A second LSM engine behind backend `level`: RocksDB, by `@nxtedition/rocksdb`. The contract on the real disk, with the store closed
 * and opened again, and what becomes durable with a save.
 */
import { mkdtemp, rm } from "node:fs/promises";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { suite, test } from "node:test";
import { openRaftLog, raftLogContract, type LevelStore, type RaftLogPlace } from "@walnut/raft-log";

type RocksLevel = new (directory: string) => LevelStore;

const rocksdb = findRocksdb();

/** The package as it is installed, here or in the directory that the variable names. */
function findRocksdb(): RocksLevel | undefined {
  const place = process.env["WALNUT_TEST_ROCKSDB"];
  try {
    const load = createRequire(place === undefined ? import.meta.url : join(place, "package.json"));
    return (load("@nxtedition/rocksdb") as { RocksLevel: RocksLevel }).RocksLevel;
  } catch (error) {
    if (place !== undefined) throw error;
    return undefined;
  }
}

/** A directory of the real disk. A restart is one of the store as well. */
async function onDisk(Rocks: RocksLevel): Promise<RaftLogPlace> {
  const storageRootDirectory = await mkdtemp(join(tmpdir(), "walnut-rocksdb-"));
  return {
    open: async () => {
      const level = new Rocks(join(storageRootDirectory, "store"));
      const log = await openRaftLog({
        storageRootDirectory,
        clusterId: 7,
        peerId: 1,
        backend: "level",
        level,
      });
      const close = log.close.bind(log);
      return Object.assign(log, {
        close: async () => {
          await close();
          await level.close();
        },
      });
    },
    remove: () => rm(storageRootDirectory, { recursive: true }),
  };
}

const skip = rocksdb === undefined && "RocksDB is not installed (docs/testing.md, longer runs)";
suite("the contract of Raft storage: level on RocksDB", { skip }, () => {
  if (rocksdb === undefined) return;
  for (const { title, run } of raftLogContract(() => onDisk(rocksdb))) test(title, run);
});
