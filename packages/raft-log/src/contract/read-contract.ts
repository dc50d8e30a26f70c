/** Contract: reading ranges, limits, terms, bounds. */
import assert from "node:assert/strict";
import {
  assertEntries,
  assertRefused,
  entriesOf,
  entry,
  shortOf,
  type Declare,
} from "./contract-case.ts";

export function readCases(declare: Declare): void {
  declare("a range has its first and not its last index", async (log) => {
    await log.save(undefined, entriesOf(1, 9, 1));
    assert.deepEqual(shortOf(await log.entries(3, 6)), shortOf(entriesOf(3, 5, 1)));
    assert.deepEqual(shortOf(await log.entries(1, 10)), shortOf(entriesOf(1, 9, 1)));
  });

  declare("a range may be empty", async (log) => {
    await log.save(undefined, entriesOf(1, 3, 1));
    assert.deepEqual(await log.entries(2, 2), []);
    assert.deepEqual(await log.entries(4, 4), []);
  });

  declare("a range behind the last entry is unavailable", async (log) => {
    await log.save(undefined, entriesOf(1, 3, 1));
    await assertRefused("RAFT_UNAVAILABLE", () => log.entries(1, 5));
    await assertRefused("RAFT_UNAVAILABLE", () => log.entries(9, 10));
  });

  declare("index 0 is compacted from the beginning", async (log) => {
    await log.save(undefined, entriesOf(1, 3, 1));
    await assertRefused("RAFT_COMPACTED", () => log.entries(0, 2));
  });

  declare("a limit ends a range before it is exceeded", async (log) => {
    const entries = [1, 2, 3, 4].map((index) => entry(index, 1, "x".repeat(100)));
    await log.save(undefined, entries);
    assert.equal((await log.entries(1, 5, 250)).length, 2);
    assert.equal((await log.entries(1, 5, 200)).length, 2);
    assert.equal((await log.entries(1, 5, 400)).length, 4);
    assert.equal((await log.entries(2, 5, 199)).length, 1);
  });

  declare("a limit of nothing gives one entry", async (log) => {
    await log.save(undefined, entriesOf(1, 3, 1));
    assert.deepEqual(shortOf(await log.entries(2, 4, 0)), shortOf([entry(2, 1)]));
  });

  declare("terms are known without reading", async (log) => {
    await log.save(undefined, [
      ...entriesOf(1, 3, 1),
      ...entriesOf(4, 6, 5),
      ...entriesOf(7, 9, 6),
    ]);
    assert.deepEqual(
      [0, 1, 3, 4, 6, 7, 9].map((index) => log.term(index)),
      [0, 1, 1, 5, 5, 6, 6],
    );
    await assertRefused("RAFT_UNAVAILABLE", () => log.term(10));
  });

  declare("a reader sees what was saved before it was asked", async (log) => {
    for (let index = 1; index <= 30; index++) {
      await log.save(undefined, [entry(index, 1)]);
      const [last] = await log.entries(index, index + 1);
      assert.equal(last?.index, index);
    }
  });

  declare("readers beside a writer see entries without gaps", async (log) => {
    let isDone = false;
    const write = async (): Promise<void> => {
      for (let index = 1; index <= 200; index++) await log.save(undefined, [entry(index, 1)]);
      isDone = true;
    };
    const read = async (): Promise<void> => {
      while (!isDone) {
        const last = log.lastIndex;
        const entries = await log.entries(1, last + 1);
        assert.deepEqual(shortOf(entries), shortOf(entriesOf(1, last, 1)));
        await new Promise<void>((resolve) => {
          setImmediate(resolve);
        });
      }
    };
    await Promise.all([write(), read(), read()]);
  });

  declare(
    "a thousand entries are there after a restart, in whatever pieces they are read",
    async (log, reopen) => {
      for (let first = 1; first <= 1000; first += 50) {
        await log.save(undefined, entriesOf(first, first + 49, 1));
      }
      const again = await reopen();
      await assertEntries(again, entriesOf(1, 1000, 1));
      for (let lo = 1; lo <= 1000; lo += 37) {
        const hi = Math.min(1001, lo + 61);
        assert.deepEqual(shortOf(await again.entries(lo, hi)), shortOf(entriesOf(lo, hi - 1, 1)));
      }
    },
  );
}
