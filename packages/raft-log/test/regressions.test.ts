/**
 * Defects that other Raft logs were measured to have, each shown not to be here, where no other test of this package does so by name.
 * Theirs: babuza, hashicorp/raft-wal, etcd, `@maboke123/raft-core`.
 */
import assert from "node:assert/strict";
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { suite, test, type TestContext } from "node:test";
import { isWalError } from "@walnut/wal";
import {
  isRaftLogError,
  openRaftLog,
  openRaftLogWith,
  type RaftBackend,
  type RaftLog,
  type RaftLogOptions,
} from "@walnut/raft-log";
import {
  assertEntries,
  entriesOf,
  entry,
  hardState,
  snapshotAt,
} from "../src/contract/contract-case.ts";
import { Machine } from "./machine.ts";

const NODE = { clusterId: 1, peerId: 2 };

async function directoryOf(context: TestContext): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), "walnut-raft-regressions-"));
  context.after(() => rm(directory, { recursive: true }));
  return directory;
}

function open(
  storageRootDirectory: string,
  backend: RaftBackend,
  options: Partial<RaftLogOptions> = {},
): Promise<RaftLog> {
  return openRaftLog({ ...NODE, storageRootDirectory, backend, ...options });
}

/** Flips a bit of the text in the file of the directory that has it. @returns its path */
async function flipText(directory: string, text: string): Promise<string> {
  for (const name of await readdir(directory)) {
    const path = join(directory, name);
    const bytes = await readFile(path);
    const at = bytes.lastIndexOf(text);
    if (at === -1) continue;
    bytes[at] = (bytes[at] ?? 0) ^ 1;
    await writeFile(path, bytes);
    return path;
  }
  return assert.fail(`no file holds ${text}`);
}

function isDamage(error: unknown): boolean {
  return isRaftLogError(error, "RAFT_CORRUPT") || isWalError(error, "WAL_CORRUPT");
}

for (const backend of ["walnut", "etcd"] as const) {
  suite(`defects of other Raft logs: ${backend}`, () => {
    test("babuza, raft-wal, raft-core: damage to the last entry is no torn end, and nothing is cut", async (context) => {
      const directory = await directoryOf(context);
      const log = await open(directory, backend);
      await log.save(hardState(1, 2), entriesOf(1, 9, 1));
      await log.save(undefined, [entry(10, 1, "the last one")]);
      await log.close();
      const path = await flipText(join(directory, "wal"), "the last one");
      const before = await readFile(path);
      await assert.rejects(open(directory, backend), isDamage);
      assert.deepEqual(await readFile(path), before);
    });

    test("babuza, raft-wal: what was damaged since the log was opened is not handed out", async (context) => {
      const directory = await directoryOf(context);
      await using log = await open(directory, backend, { cacheBytes: 0 });
      await log.save(hardState(1, 2), [entry(1, 1, "the first one"), ...entriesOf(2, 9, 1)]);
      await flipText(join(directory, "wal"), "the first one");
      await assert.rejects(log.entries(1, 2), isDamage);
    });

    test("babuza applies maxSize after it has read: here what is behind the limit is not touched", async (context) => {
      const directory = await directoryOf(context);
      await using log = await open(directory, backend, { cacheBytes: 0 });
      await log.save(hardState(1, 2), entriesOf(1, 9, 1));
      await log.save(undefined, [entry(10, 1, "behind the limit")]);
      await flipText(join(directory, "wal"), "behind the limit");
      const { entryBytes } = log.status();
      const found = await log.entries(1, 11, entryBytes - 1);
      assert.deepEqual(
        found.map(({ index }) => index),
        [1, 2, 3, 4, 5, 6, 7, 8, 9],
      );
      await assert.rejects(log.entries(1, 11, entryBytes), isDamage);
    });

    test("babuza on Badger: a snapshot is there after a power loss right behind it", async () => {
      const machine = new Machine();
      const node = { ...NODE, storageRootDirectory: "/node", backend };
      const log = await openRaftLogWith(machine.environment, node);
      await log.save(hardState(1, 2, 9), entriesOf(1, 9, 1));
      for (const index of [4, 8]) {
        await log.saveSnapshot(snapshotAt(index, 1));
        const after = await openRaftLogWith(machine.afterPowerLoss().environment, node);
        assert.deepEqual(await after.snapshot(), snapshotAt(index, 1));
      }
    });

    test("etcd: a snapshot file of no bytes gives way to the one before, with a warning", async (context) => {
      const directory = await directoryOf(context);
      const log = await open(directory, backend);
      await log.save(hardState(1, 2, 9), entriesOf(1, 9, 1));
      for (const index of [4, 8]) await log.saveSnapshot(snapshotAt(index, 1));
      await log.close();
      const snap = join(directory, "snap");
      const [newest = ""] = (await readdir(snap)).toSorted().toReversed();
      await writeFile(join(snap, newest), "");
      const warnings: string[] = [];
      await using again = await open(directory, backend, {
        onWarning: (message) => warnings.push(message),
      });
      assert.deepEqual(await again.snapshot(), snapshotAt(4, 1));
      assert.ok(warnings.some((message) => message.includes(newest)));
    });
  });
}

for (const backend of ["walnut", "etcd", "level"] as const) {
  suite(`defects of babuza: ${backend}`, () => {
    test("CreateWal, deleteUncommitted: opening again removes nothing, committed or not", async (context) => {
      const directory = await directoryOf(context);
      const entries = entriesOf(1, 10, 1);
      for (let life = 0; life < 3; life++) {
        await using log = await open(directory, backend);
        if (life === 0) await log.save(hardState(1, 2, 3), entries);
        await assertEntries(log, entries);
      }
    });

    test("a cache without bounds: small parts of large messages do not keep these in memory", async (context) => {
      const directory = await directoryOf(context);
      await using log = await open(directory, backend, { cacheBytes: 64 * 1024 });
      const message = new Uint8Array(1024 * 1024).fill(7);
      for (let index = 1; index <= 3; index++) {
        const data = message.subarray(index * 1000, index * 1000 + 100);
        await log.save(undefined, [{ ...entry(index, 1), data }]);
      }
      const { cachedBytes } = log.status();
      assert.ok(cachedBytes >= 300 && cachedBytes < 2000, `${cachedBytes} bytes`);
      for (const { data } of await log.entries(1, 4)) {
        assert.equal(data.buffer.byteLength, 100);
        assert.deepEqual(data, new Uint8Array(100).fill(7));
      }
    });

    test("no lock: a second node on the directory is refused", async (context) => {
      const directory = await directoryOf(context);
      await using log = await open(directory, backend);
      await assert.rejects(open(directory, backend), (error) => isWalError(error, "WAL_LOCKED"));
      await log.save(hardState(1, 2), entriesOf(1, 2, 1));
    });

    test("lengths of 24 bits: an entry of 17 MiB is an entry", async (context) => {
      const directory = await directoryOf(context);
      const data = new Uint8Array(17 * 1024 * 1024).fill(7);
      const log = await open(directory, backend);
      await log.save(hardState(1, 2), [{ ...entry(1, 1), data }]);
      await log.close();
      await using again = await open(directory, backend);
      const [found] = await again.entries(1, 2);
      assert.ok(Buffer.from(found?.data ?? []).equals(data));
    });
  });
}
