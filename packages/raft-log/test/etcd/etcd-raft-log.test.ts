/** What backend `etcd` does beyond the contract: refusals, damage by place, files that go, memory. */
import assert from "node:assert/strict";
import { readdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { suite, test } from "node:test";
import {
  isRaftLogError,
  openRaftGroups,
  openRaftLog,
  openRaftLogWith,
  openRaftSource,
  type RaftLog,
  type RaftLogOptions,
} from "@walnut/raft-log";
import { entriesOf, entry, hardState, snapshotAt } from "../../src/contract/contract-case.ts";
import { Machine } from "../machine.ts";
import { temporaryDirectory } from "./wal-fixture.ts";

const FIRST = "wal/0000000000000000-0000000000000000.wal";

function open(
  storageRootDirectory: string,
  options: Partial<RaftLogOptions> = {},
): Promise<RaftLog> {
  return openRaftLog({
    storageRootDirectory,
    clusterId: 1,
    peerId: 2,
    backend: "etcd",
    ...options,
  });
}

async function flip(path: string, text: string): Promise<void> {
  const bytes = await readFile(path);
  const at = bytes.indexOf(text);
  bytes[at] = (bytes[at] ?? 0) ^ 1;
  await writeFile(path, bytes);
}

suite("backend etcd", () => {
  test("keeps one group: another is refused as RAFT_INVALID_OPTION", async (context) => {
    const storageRootDirectory = await temporaryDirectory(context);
    const node = { storageRootDirectory, clusterId: 1, peerId: 2, backend: "etcd" } as const;
    await using groups = await openRaftGroups(node);
    assert.throws(
      () => groups.group(1),
      (error) => isRaftLogError(error, "RAFT_INVALID_OPTION"),
    );
    await assert.rejects(groups.removeGroup(0), (error) =>
      isRaftLogError(error, "RAFT_INVALID_OPTION"),
    );
    assert.deepEqual(groups.groupIds, []);
    await groups.group(0).save(hardState(1, 1), []);
    assert.deepEqual(groups.groupIds, [0]);
  });

  test("knows its node by the WAL alone, as etcd has no identity file", async (context) => {
    const directory = await temporaryDirectory(context);
    await (await open(directory)).close();
    await rm(join(directory, "raft-identity"));
    await assert.rejects(open(directory, { clusterId: 9 }), (error) =>
      isRaftLogError(error, "RAFT_WRONG_CLUSTER"),
    );
    assert.ok(!(await readdir(directory)).includes("raft-identity"));
    await (await open(directory)).close();
  });

  test("verifies what it reads: damage since the log was opened is RAFT_CORRUPT, with its place", async (context) => {
    const directory = await temporaryDirectory(context);
    await using log = await open(directory, { cacheBytes: 0 });
    await log.save(hardState(1, 1), entriesOf(1, 20, 1));
    await flip(join(directory, FIRST), "1.17");
    assert.equal((await log.entries(1, 17)).length, 16);
    for (const [lo, hi] of [
      [1, 21],
      [17, 18],
      [17, 21],
    ] as const) {
      await assert.rejects(log.entries(lo, hi), (error) => {
        if (!isRaftLogError(error, "RAFT_CORRUPT")) return false;
        assert.equal(error.details["index"], 16);
        assert.equal(error.details["path"], join(directory, FIRST));
        return true;
      });
    }
    assert.equal((await log.entries(18, 21)).length, 3);
  });

  test("refuses to open on a wrong checksum, with file, offset and entry, and changes nothing", async (context) => {
    const directory = await temporaryDirectory(context);
    const log = await open(directory);
    await log.save(hardState(1, 1), entriesOf(1, 20, 1));
    await log.close();
    await flip(join(directory, FIRST), "1.20");
    const before = await readFile(join(directory, FIRST));
    await assert.rejects(open(directory), (error) => {
      if (!isRaftLogError(error, "RAFT_CORRUPT")) return false;
      const { kind, index, path } = error.details;
      assert.deepEqual([kind, index, path], ["crc-mismatch", 19, join(directory, FIRST)]);
      return true;
    });
    assert.deepEqual(await readFile(join(directory, FIRST)), before);
  });

  test("a damaged note of a compaction is RAFT_CORRUPT; without it the log begins earlier", async (context) => {
    const directory = await temporaryDirectory(context);
    const log = await open(directory);
    await log.save(hardState(1, 1), entriesOf(1, 20, 1));
    await log.compact(7);
    await log.close();
    const path = join(directory, "raft-start");
    await writeFile(path, (await readFile(path)).fill(1, 8, 9));
    await assert.rejects(open(directory), (error) => isRaftLogError(error, "RAFT_CORRUPT"));
    await rm(path);
    const again = await open(directory);
    assert.equal(again.firstIndex, 1);
    await again.close();
  });

  test("a broken newest snapshot gives way to the one before, with a warning", async (context) => {
    const directory = await temporaryDirectory(context);
    const warnings: string[] = [];
    await using log = await open(directory, { onWarning: (text) => warnings.push(text) });
    await log.save(hardState(1, 1), entriesOf(1, 20, 1));
    await log.saveSnapshot(snapshotAt(5, 1));
    await log.saveSnapshot(snapshotAt(9, 1));
    await flip(join(directory, "snap/0000000000000001-0000000000000009.snap"), "state 9");
    assert.deepEqual(await log.snapshot(), snapshotAt(5, 1));
    assert.equal(warnings.length, 1);
    await log.compact(7);
    await assert.rejects(log.snapshot(), (error) => isRaftLogError(error, "RAFT_CORRUPT"));
  });

  test("files go that neither the log nor its snapshot needs, the one with the snapshot's index stays", async (context) => {
    const directory = await temporaryDirectory(context);
    const log = await open(directory, { segmentSizeBytes: 64 * 1024 });
    const data = "x".repeat(10_000);
    for (let index = 1; index <= 40; index++)
      await log.save(hardState(1, 1), [entry(index, 1, data)]);
    const files = async (): Promise<number[]> =>
      (await readdir(join(directory, "wal")))
        .toSorted()
        .map((name) => Number.parseInt(name.slice(17, 33), 16));
    assert.deepEqual(await files(), [0, 8, 15, 22, 29, 36]);
    await log.saveSnapshot(snapshotAt(25, 1));
    assert.deepEqual(await files(), [0, 8, 15, 22, 29, 36]);
    await log.compact(30);
    assert.deepEqual(await files(), [22, 29, 36]);
    await log.saveSnapshot(snapshotAt(39, 1));
    assert.deepEqual(await files(), [29, 36]);
    await log.close();
    const again = await open(directory);
    assert.deepEqual([again.firstIndex, again.lastIndex], [31, 40]);
    assert.equal(again.term(30), 1);
    assert.equal((await again.entries(31, 41)).length, 10);
    await again.close();
  });

  test("a source that is looked at keeps what it saw, whatever its node removes meanwhile", async (context) => {
    const directory = await temporaryDirectory(context);
    await using log = await open(directory, { segmentSizeBytes: 64 * 1024 });
    const entries = entriesOf(1, 40, 1).map(({ index }) => entry(index, 1, "x".repeat(10_000)));
    for (const each of entries) await log.save(hardState(1, 1), [each]);
    const source = await openRaftSource({ directory });
    const files = await readdir(join(directory, "wal"));
    await log.saveSnapshot(snapshotAt(39, 1));
    await log.compact(39);
    assert.ok((await readdir(join(directory, "wal"))).length < files.length);
    assert.deepEqual(await source.groups.get(0)?.entries(1, 41), entries);
    await source.close();
  });

  test("a compaction of entries that were not synced survives with them", async () => {
    const machine = new Machine();
    const node = {
      storageRootDirectory: "/node",
      clusterId: 1,
      peerId: 2,
      backend: "etcd",
    } as const;
    const log = await openRaftLogWith(machine.environment, node);
    await log.save(undefined, entriesOf(1, 9, 1), { mustSync: false });
    await log.compact(5);
    const after = await openRaftLogWith(machine.afterPowerLoss().environment, node);
    assert.deepEqual([after.firstIndex, after.lastIndex], [6, 9]);
  });

  test("a file is on the device before the next one begins, also when nobody asked for a sync", async () => {
    const machine = new Machine();
    const node = {
      storageRootDirectory: "/node",
      clusterId: 1,
      peerId: 2,
      backend: "etcd",
      segmentSizeBytes: 64 * 1024,
    } as const;
    const log = await openRaftLogWith(machine.environment, node);
    const large = { ...entry(1, 1), data: new Uint8Array(70_000).fill(7) };
    await log.save(undefined, [large], { mustSync: false });
    // Synced into the second file; the first has to be there for it to follow.
    await log.save(hardState(1, 2), []);
    const after = await openRaftLogWith(machine.afterPowerLoss().environment, node);
    assert.equal(after.lastIndex, 1);
    assert.deepEqual(after.initialState().hardState, hardState(1, 2));
  });

  test("takes eight bytes of memory an entry", async (context) => {
    await using log = await open(await temporaryDirectory(context), { cacheBytes: 0 });
    const count = 50_000;
    for (let first = 1; first <= count; first += 5000) {
      await log.save(undefined, entriesOf(first, first + 4999, 1));
    }
    const { indexBytes } = log.status();
    assert.ok(indexBytes < count * 9, `${indexBytes} bytes`);
    assert.equal((await log.entries(count, count + 1))[0]?.index, count);
  });
});
