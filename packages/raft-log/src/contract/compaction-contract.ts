/** Contract: compaction and snapshots. */
import assert from "node:assert/strict";
import {
  assertEntries,
  assertRefused,
  entriesOf,
  entry,
  hardState,
  snapshotAt,
  type Declare,
} from "./contract-case.ts";

export function compactionCases(declare: Declare): void {
  declare("compaction gives up entries up to an index, that one included", async (log) => {
    await log.save(undefined, [...entriesOf(1, 5, 1), ...entriesOf(6, 10, 2)]);
    await log.compact(4);
    assert.equal(log.firstIndex, 5);
    assert.equal(log.lastIndex, 10);
    await assertEntries(log, [entry(5, 1), ...entriesOf(6, 10, 2)]);
    await assertRefused("RAFT_COMPACTED", () => log.entries(4, 6));
  });

  declare("the term before the first entry stays known", async (log, reopen) => {
    await log.save(undefined, [...entriesOf(1, 5, 1), ...entriesOf(6, 10, 2)]);
    await log.compact(6);
    const again = await reopen();
    assert.equal(again.term(6), 2);
    await assertRefused("RAFT_COMPACTED", () => again.term(5));
  });

  declare("all entries may be compacted, and the log goes on", async (log, reopen) => {
    await log.save(hardState(2, 1, 10), entriesOf(1, 10, 2));
    await log.compact(10);
    assert.equal(log.firstIndex, 11);
    assert.equal(log.lastIndex, 10);
    assert.equal(log.term(10), 2);
    const again = await reopen();
    assert.equal(again.lastIndex, 10);
    await again.save(undefined, [entry(11, 3)]);
    await assertEntries(again, [entry(11, 3)]);
    assert.deepEqual(again.initialState().hardState, hardState(2, 1, 10));
  });

  declare("compaction behind the last entry is refused", async (log) => {
    await log.save(undefined, entriesOf(1, 3, 1));
    await assertRefused("RAFT_UNAVAILABLE", () => log.compact(4));
    assert.equal(log.firstIndex, 1);
  });

  declare("compaction to where it is already does nothing", async (log) => {
    await log.save(undefined, entriesOf(1, 9, 1));
    await log.compact(5);
    await log.compact(5);
    await log.compact(2);
    assert.equal(log.firstIndex, 6);
  });

  declare("compaction survives", async (log, reopen) => {
    await log.save(undefined, entriesOf(1, 20, 1));
    for (const index of [3, 8, 15]) await log.compact(index);
    const again = await reopen();
    assert.equal(again.firstIndex, 16);
    await assertEntries(again, entriesOf(16, 20, 1));
  });

  declare("entries at or below the compacted index are passed over in a save", async (log) => {
    await log.save(undefined, entriesOf(1, 10, 1));
    await log.compact(6);
    await log.save(undefined, entriesOf(4, 12, 1));
    await assertEntries(log, entriesOf(7, 12, 1));
    await log.save(undefined, entriesOf(2, 5, 1));
    await assertEntries(log, entriesOf(7, 12, 1));
  });

  declare("an overlap right behind the compacted index is taken", async (log, reopen) => {
    await log.save(undefined, entriesOf(1, 10, 1));
    await log.compact(6);
    await log.save(undefined, entriesOf(7, 8, 2));
    await assertEntries(await reopen(), entriesOf(7, 8, 2));
  });

  declare("saves and compactions that overlap in time all count", async (log, reopen) => {
    const calls: Promise<void>[] = [];
    for (let index = 1; index <= 100; index++) {
      calls.push(log.save(undefined, [entry(index, 1)]));
      if (index % 10 === 0) calls.push(log.compact(index - 5));
    }
    await Promise.all(calls);
    assert.equal(log.firstIndex, 96);
    await assertEntries(await reopen(), entriesOf(96, 100, 1));
  });

  declare("a snapshot comes back with its members and its data", async (log, reopen) => {
    await log.save(hardState(2, 1, 5), entriesOf(1, 8, 2));
    await log.saveSnapshot(snapshotAt(5, 2));
    const again = await reopen();
    assert.deepEqual(await again.snapshot(), snapshotAt(5, 2));
    assert.deepEqual(again.initialState().confState, snapshotAt(5, 2).metadata.confState);
    await assertEntries(again, entriesOf(1, 8, 2));
  });

  declare("the newest of several snapshots is the one", async (log, reopen) => {
    await log.save(undefined, entriesOf(1, 20, 1));
    for (const index of [4, 8, 12, 16]) await log.saveSnapshot(snapshotAt(index, 1));
    assert.deepEqual(await log.snapshot(), snapshotAt(16, 1));
    assert.deepEqual(await (await reopen()).snapshot(), snapshotAt(16, 1));
  });

  declare("a snapshot without data is a snapshot", async (log, reopen) => {
    await log.save(undefined, entriesOf(1, 3, 1));
    await log.saveSnapshot(snapshotAt(2, 1, ""));
    assert.deepEqual(await (await reopen()).snapshot(), snapshotAt(2, 1, ""));
  });

  declare("an older snapshot is refused", async (log) => {
    await log.save(undefined, entriesOf(1, 20, 1));
    await log.saveSnapshot(snapshotAt(10, 1));
    await assertRefused("RAFT_OUT_OF_ORDER", () => log.saveSnapshot(snapshotAt(9, 1)));
    assert.deepEqual(await log.snapshot(), snapshotAt(10, 1));
  });

  declare("a snapshot ahead of the log empties it", async (log, reopen) => {
    await log.save(undefined, entriesOf(1, 5, 1));
    await log.saveSnapshot(snapshotAt(100, 7));
    assert.equal(log.firstIndex, 101);
    assert.equal(log.lastIndex, 100);
    assert.equal(log.term(100), 7);
    await log.save(undefined, entriesOf(101, 103, 7));
    const again = await reopen();
    await assertEntries(again, entriesOf(101, 103, 7));
    assert.deepEqual(await again.snapshot(), snapshotAt(100, 7));
    await assertRefused("RAFT_COMPACTED", () => again.entries(5, 6));
  });

  declare("a snapshot of another term than the entry's empties the log", async (log, reopen) => {
    await log.save(undefined, entriesOf(1, 9, 1));
    await log.saveSnapshot(snapshotAt(5, 3));
    assert.equal(log.lastIndex, 5);
    assert.equal(log.firstIndex, 6);
    const again = await reopen();
    assert.equal(again.lastIndex, 5);
    assert.equal(again.term(5), 3);
  });

  declare("a snapshot, then compaction up to it, as a running node does", async (log, reopen) => {
    for (let round = 1; round <= 5; round++) {
      const last = round * 10;
      await log.save(hardState(round, 1, last), entriesOf(last - 9, last, round));
      await log.saveSnapshot(snapshotAt(last - 2, round));
      await log.compact(last - 4);
    }
    await log.purge();
    const again = await reopen();
    assert.equal(again.firstIndex, 47);
    assert.deepEqual(await again.snapshot(), snapshotAt(48, 5));
    await assertEntries(again, entriesOf(47, 50, 5));
    assert.deepEqual(again.initialState().hardState, hardState(5, 1, 50));
  });

  declare("a restart of a restart is the same log", async (log, reopen) => {
    await log.save(hardState(3, 2, 4), entriesOf(1, 9, 3));
    await log.compact(2);
    let again = await reopen();
    for (let count = 0; count < 3; count++) again = await reopen();
    await assertEntries(again, entriesOf(3, 9, 3));
    assert.deepEqual(again.initialState().hardState, hardState(3, 2, 4));
  });
}
