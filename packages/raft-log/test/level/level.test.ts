import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { MemoryLevel } from "memory-level";
import { isWalError } from "@walnut/wal";
import {
  isRaftLogError,
  openRaftGroupsWith,
  openRaftLogWith,
  type Entry,
  type LevelStore,
  type RaftGroups,
  type RaftLog,
  type RaftLogOptions,
} from "@walnut/raft-log";
import { entry, entriesOf, hardState, textOf } from "../../src/contract/contract-case.ts";
import { Machine } from "../machine.ts";
import { RecordedStore } from "./recorded-store.ts";

function optionsFor(level: LevelStore): RaftLogOptions {
  return {
    storageRootDirectory: "/node",
    clusterId: 1,
    peerId: 2,
    backend: "level",
    level,
    cacheBytes: 0,
  };
}

function open(level: LevelStore, machine = new Machine()): Promise<RaftLog> {
  return openRaftLogWith(machine.environment, optionsFor(level));
}

function openGroups(level: LevelStore, machine = new Machine()): Promise<RaftGroups> {
  return openRaftGroupsWith(machine.environment, optionsFor(level));
}

suite("a Raft log in a store of keys", () => {
  test("babuza's stale tail: what an overlap replaces is deleted in the same batch", async () => {
    const store = new RecordedStore();
    const log = await open(store);
    await log.save(hardState(1, 1), entriesOf(1, 10, 1));
    const before = store.batchCount;
    await log.save(hardState(2, 1), entriesOf(5, 6, 2));
    assert.equal(store.batchCount, before + 1);
    assert.equal(await store.keyCount("e"), 6);
    const again = await open(store);
    assert.equal(again.lastIndex, 6);
    assert.deepEqual(await textOf(again), await textOf(log));
  });

  test("babuza's stale tail: a store that kept it is found out when it is opened", async () => {
    const store = new RecordedStore({
      before: (operations) => operations.filter(({ type }) => type !== "del"),
    });
    const log = await open(store);
    await log.save(undefined, entriesOf(1, 10, 1));
    await log.save(undefined, entriesOf(5, 6, 2));
    assert.equal(await store.keyCount("e"), 10);
    await assert.rejects(open(store), (error) => isRaftLogError(error, "RAFT_CORRUPT"));
  });

  test("one save is one batch, synced when Raft needs it", async () => {
    const store = new RecordedStore();
    const log = await open(store);
    const syncs: boolean[] = [];
    const save = async (call: Promise<void>): Promise<void> => {
      await call;
      const last = store.changes.at(-1);
      syncs.push(last?.kind === "batch" && last.sync);
    };
    await save(log.save(hardState(3, 2), []));
    await save(log.save(hardState(3, 2), entriesOf(1, 3, 3)));
    await save(log.save(hardState(3, 2, 2), []));
    await save(log.save(undefined, [entry(4, 3)], { mustSync: false }));
    await save(log.save(hardState(4, 0, 2), [entry(5, 4)], { mustSync: false }));
    assert.deepEqual(syncs, [true, true, false, false, true]);
    assert.equal(store.batchCount, 5);
  });

  test("saves that are not waited for share batches, in their order", async () => {
    const store = new RecordedStore();
    const groups = await openGroups(store);
    const saves: Promise<void>[] = [];
    for (let index = 1; index <= 50; index++) {
      for (const group of [1, 2, 3])
        saves.push(groups.group(group).save(undefined, [entry(index, 1)]));
    }
    await Promise.all(saves);
    assert.ok(store.batchCount <= 6, `${store.batchCount} batches for 150 saves`);
    const again = await openGroups(store);
    for (const group of [1, 2, 3]) assert.equal(again.group(group).lastIndex, 50);
  });

  test("a batch that fails is the last: saves behind it are refused in order, reads go on", async () => {
    const store = new RecordedStore({
      before: (operations, count) => {
        if (count === 2)
          throw new Error("IO error: /node/wal/level/000003.log: Input/output error");
        return operations;
      },
    });
    const log = await open(store);
    await log.save(undefined, [entry(1, 1)]);
    const outcomes = await Promise.allSettled(
      [2, 3, 4].map((index) => log.save(undefined, [entry(index, 1)])),
    );
    const codes = outcomes.map((one) =>
      one.status === "fulfilled" ? "" : isWalError(one.reason) && one.reason.code,
    );
    assert.deepEqual(codes, ["WAL_IO", "WAL_POISONED", "WAL_POISONED"]);
    await assert.rejects(log.save(hardState(2, 1), []), (error) =>
      isWalError(error, "WAL_POISONED"),
    );
    assert.equal(log.lastIndex, 1);
    assert.deepEqual(await textOf(log), ["1:1=1.1"]);
    assert.deepEqual(log.initialState().hardState, hardState(0));
    const again = await open(store);
    assert.equal(again.lastIndex, 1);
  });

  test("a full disk is WAL_NO_SPACE", async () => {
    const store = new RecordedStore({
      before: () => {
        throw new Error("write failed", { cause: new Error("No space left on device") });
      },
    });
    const log = await open(store);
    await assert.rejects(log.save(hardState(1, 1), []), (error) =>
      isWalError(error, "WAL_NO_SPACE"),
    );
  });

  test("every flipped bit of a value is RAFT_CORRUPT, to readers and to the next open", async () => {
    const good = new RecordedStore();
    const log = await open(good);
    await log.save(hardState(1, 1), [entry(1, 1), entry(2, 1)]);
    const puts = good.changes.flatMap((change) =>
      change.kind === "batch" ? change.operations.filter(({ type }) => type === "put") : [],
    );
    for (const put of puts) {
      if (put.type !== "put") continue;
      for (let bit = 0; bit < put.value.byteLength * 8; bit++) {
        const value = Uint8Array.from(put.value);
        value[bit >> 3] = (value[bit >> 3] ?? 0) ^ (1 << (bit & 7));
        const store = await RecordedStore.from(good.changes);
        const reader = await open(store);
        await store.batch([{ type: "put", key: put.key, value }], { sync: true });
        if (put.key[0] === 0x65) await corrupt(() => reader.entries(1, 3));
        await corrupt(() => open(store));
      }
    }
  });

  test("an entry that is missing is RAFT_CORRUPT", async () => {
    const good = new RecordedStore();
    await (await open(good)).save(undefined, entriesOf(1, 3, 1));
    const [first] = good.changes;
    assert.ok(first?.kind === "batch");
    for (const lost of [0, 1, 2]) {
      const operations = first.operations.filter((_, position) => position !== lost);
      const store = await RecordedStore.from([{ ...first, operations }]);
      await corrupt(() => open(store));
    }
  });

  test("what compaction could not delete before a crash is deleted by the next open", async () => {
    const store = new RecordedStore();
    const log = await open(store);
    await log.save(undefined, entriesOf(1, 20, 1));
    await log.compact(12);
    const isNoClear = store.changes.filter(({ kind }) => kind === "batch");
    const crashed = await RecordedStore.from(isNoClear);
    assert.equal(await crashed.keyCount("e"), 20);
    const again = await open(crashed);
    assert.deepEqual([again.firstIndex, again.lastIndex], [13, 20]);
    assert.equal(await crashed.keyCount("e"), 8);
  });

  test("a removal that a crash cut short goes on at the next open", async () => {
    const store = new RecordedStore();
    const machine = new Machine();
    const groups = await openGroups(store, machine);
    await groups.group(3).save(hardState(1, 1), entriesOf(1, 9, 1));
    await groups.group(4).save(hardState(1, 1), entriesOf(1, 2, 1));
    await groups.removeGroup(3);
    assert.deepEqual(groups.groupIds, [4]);
    for (let count = 2; count <= store.changes.length; count++) {
      const crashed = await RecordedStore.from(store.changes.slice(0, count));
      const found = (await openGroups(crashed)).groupIds;
      assert.deepEqual(found, count === 2 ? [3, 4] : [4], `after ${count} changes`);
      assert.equal(await crashed.keyCount("e"), count === 2 ? 11 : 2);
    }
    await groups.group(3).save(undefined, [entry(1, 7)]);
    assert.deepEqual(await textOf(groups.group(3)), ["1:7=7.1"]);
  });

  test("a read beside a save that replaces sees the one log or the other, never both", async () => {
    const log = await open(new RecordedStore());
    await log.save(undefined, entriesOf(1, 30, 1));
    for (let term = 2; term <= 12; term++) {
      const save = log.save(undefined, entriesOf(10, 30, term));
      const reads = await Promise.all([log.entries(8, 31), log.entries(8, 31)]);
      await save;
      for (const read of reads) assert.equal(new Set(tail(read)).size, 1);
    }
  });

  test("a store in memory warns, and one without snapshots is refused", async () => {
    const warnings: string[] = [];
    const machine = new Machine();
    const level = new MemoryLevel();
    await openRaftLogWith(machine.environment, {
      ...optionsFor(level),
      onWarning: (message) => warnings.push(message),
    });
    assert.equal(warnings.length, 1);
    const without = new RecordedStore();
    Object.assign(without, { supports: { implicitSnapshots: false } });
    await assert.rejects(open(without), (error) => isRaftLogError(error, "RAFT_INVALID_OPTION"));
    // By the name that stores of abstract-level 1 and 2 have for it.
    Object.assign(without, { supports: { snapshots: true } });
    assert.equal((await open(without)).lastIndex, 0);
  });

  test("a store for another backend is RAFT_INVALID_OPTION", async () => {
    const options = { ...optionsFor(new RecordedStore()), backend: "walnut" } as const;
    await assert.rejects(openRaftLogWith(new Machine().environment, options), (error) =>
      isRaftLogError(error, "RAFT_INVALID_OPTION"),
    );
  });
});

function tail(entries: readonly Entry[]): readonly number[] {
  return entries.filter(({ index }) => index >= 10).map(({ term }) => term);
}

async function corrupt(call: () => Promise<unknown>): Promise<void> {
  await assert.rejects(call, (error) => isRaftLogError(error, "RAFT_CORRUPT"));
}
