/** Contract: saving entries and hard states, overwriting, refusing. */
import assert from "node:assert/strict";
import {
  assertEntries,
  assertRefused,
  entriesOf,
  entry,
  hardState,
  type Declare,
} from "./contract-case.ts";

export function saveCases(declare: Declare): void {
  declare("a new log is empty", async (log) => {
    assert.equal(log.firstIndex, 1);
    assert.equal(log.lastIndex, 0);
    assert.equal(log.term(0), 0);
    assert.deepEqual(log.initialState().hardState, { term: 0, vote: 0n, commit: 0 });
    assert.deepEqual(log.initialState().confState.voters, []);
    assert.equal(await log.snapshot(), undefined);
    await assertEntries(log, []);
  });

  declare("a vote is there when the save resolves", async (log) => {
    await log.save(hardState(3, 2), []);
    assert.deepEqual(log.initialState().hardState, hardState(3, 2));
  });

  declare("an id of 64 bits comes back as it was", async (log, reopen) => {
    await log.save(hardState(1, 0x8e9e05c52164694dn), []);
    const again = await reopen();
    assert.equal(again.initialState().hardState.vote, 0x8e9e05c52164694dn);
  });

  declare("a save of nothing changes nothing", async (log) => {
    await log.save(undefined, []);
    assert.equal(log.lastIndex, 0);
    assert.deepEqual(log.initialState().hardState, hardState(0));
  });

  declare("entries follow one another over several saves", async (log) => {
    await log.save(hardState(1, 1), entriesOf(1, 3, 1));
    await log.save(undefined, [entry(4, 1)]);
    await log.save(hardState(2, 2), entriesOf(5, 9, 2));
    await assertEntries(log, [...entriesOf(1, 4, 1), ...entriesOf(5, 9, 2)]);
  });

  declare("an entry without data is an entry", async (log, reopen) => {
    await log.save(undefined, [entry(1, 1, ""), entry(2, 1, "x")]);
    await assertEntries(await reopen(), [entry(1, 1, ""), entry(2, 1, "x")]);
  });

  declare("the type of an entry is kept", async (log, reopen) => {
    const types = [0, 1, 2] as const;
    await log.save(
      undefined,
      types.map((type, position) => ({ ...entry(position + 1, 1), type })),
    );
    const read = await (await reopen()).entries(1, 4);
    assert.deepEqual(
      read.map(({ type }) => type),
      types,
    );
  });

  declare("an entry of a megabyte comes back byte by byte", async (log, reopen) => {
    const data = Uint8Array.from({ length: 1_000_003 }, (_, index) => (index * 7) % 256);
    await log.save(undefined, [entry(1, 1), { ...entry(2, 1), data }, entry(3, 1)]);
    const again = await reopen();
    const [large] = await again.entries(2, 3);
    assert.ok(large !== undefined && Buffer.from(large.data).equals(data));
  });

  declare("a save that overlaps replaces what was there from its first index on", async (log) => {
    await log.save(undefined, entriesOf(1, 10, 1));
    await log.save(hardState(2), entriesOf(5, 6, 2));
    await assertEntries(log, [...entriesOf(1, 4, 1), ...entriesOf(5, 6, 2)]);
    assert.equal(log.lastIndex, 6);
    await assertRefused("RAFT_UNAVAILABLE", () => log.term(7));
  });

  declare("what was replaced does not come back", async (log, reopen) => {
    await log.save(undefined, entriesOf(1, 10, 1));
    await log.save(undefined, entriesOf(5, 6, 2));
    const again = await reopen();
    await assertEntries(again, [...entriesOf(1, 4, 1), ...entriesOf(5, 6, 2)]);
    await again.save(undefined, entriesOf(7, 7, 3));
    const third = await reopen();
    await assertEntries(third, [...entriesOf(1, 4, 1), ...entriesOf(5, 6, 2), entry(7, 3)]);
  });

  declare("the whole log can be replaced", async (log, reopen) => {
    await log.save(undefined, entriesOf(1, 10, 1));
    await log.save(undefined, entriesOf(1, 2, 4));
    await assertEntries(await reopen(), entriesOf(1, 2, 4));
  });

  declare("suffixes that are replaced again and again leave the last", async (log, reopen) => {
    for (let term = 1; term <= 12; term++) {
      const first = 1 + ((term * 5) % 7);
      await log.save(undefined, entriesOf(Math.min(first, log.lastIndex + 1), 12, term));
    }
    const before = await log.entries(1, 13);
    const again = await reopen();
    await assertEntries(again, before);
  });

  declare("the same entries twice are there once", async (log) => {
    await log.save(undefined, entriesOf(1, 5, 1));
    await log.save(undefined, entriesOf(1, 5, 1));
    await assertEntries(log, entriesOf(1, 5, 1));
  });

  declare("a gap is refused, and nothing of it kept", async (log, reopen) => {
    await log.save(hardState(1, 1), entriesOf(1, 3, 1));
    await assertRefused("RAFT_OUT_OF_ORDER", () => log.save(hardState(2, 2), entriesOf(5, 6, 2)));
    const again = await reopen();
    await assertEntries(again, entriesOf(1, 3, 1));
    assert.deepEqual(again.initialState().hardState, hardState(1, 1));
  });

  declare("a gap inside a save is refused", async (log) => {
    await assertRefused("RAFT_OUT_OF_ORDER", () => log.save(undefined, [entry(1, 1), entry(3, 1)]));
    assert.equal(log.lastIndex, 0);
  });

  declare("entries whose terms go back are refused", async (log) => {
    await log.save(undefined, entriesOf(1, 3, 4));
    await assertRefused("RAFT_OUT_OF_ORDER", () => log.save(undefined, [entry(4, 3)]));
    await assertRefused("RAFT_OUT_OF_ORDER", () => log.save(undefined, [entry(4, 5), entry(5, 4)]));
    await assertEntries(log, entriesOf(1, 3, 4));
  });

  declare("a term that goes back is refused", async (log) => {
    await log.save(hardState(5, 1), []);
    await assertRefused("RAFT_OUT_OF_ORDER", () => log.save(hardState(4, 1), []));
    assert.deepEqual(log.initialState().hardState, hardState(5, 1));
  });

  declare("a second vote in one term is refused", async (log) => {
    await log.save(hardState(5, 1), []);
    await assertRefused("RAFT_OUT_OF_ORDER", () => log.save(hardState(5, 2), []));
    await log.save(hardState(6, 2), []);
    assert.deepEqual(log.initialState().hardState, hardState(6, 2));
  });

  declare("a vote may follow its term", async (log) => {
    await log.save(hardState(5), []);
    await log.save(hardState(5, 3), []);
    assert.deepEqual(log.initialState().hardState, hardState(5, 3));
  });

  declare("saves that are not waited for take effect in their order", async (log, reopen) => {
    const saves: Promise<void>[] = [];
    for (let index = 1; index <= 60; index++) {
      saves.push(log.save(hardState(1 + Math.floor(index / 10), 1, index - 1), [entry(index, 1)]));
      if (index % 20 === 0) saves.push(log.save(undefined, [entry(index, 2), entry(index + 1, 2)]));
      if (index % 20 === 0) saves.push(log.save(undefined, [entry(index, 2)]));
      if (index === 20) break;
    }
    for (let index = 21; index <= 40; index++) saves.push(log.save(undefined, [entry(index, 2)]));
    await Promise.all(saves);
    const expected = [...entriesOf(1, 19, 1), ...entriesOf(20, 40, 2)];
    await assertEntries(log, expected);
    await assertEntries(await reopen(), expected);
  });

  declare("commit alone may advance without a sync, and is seen", async (log) => {
    await log.save(hardState(1, 1), entriesOf(1, 5, 1));
    await log.save(hardState(1, 1, 4), []);
    assert.equal(log.initialState().hardState.commit, 4);
  });

  declare("a save that need not be synced is seen as well", async (log) => {
    await log.save(undefined, entriesOf(1, 3, 1), { mustSync: false });
    await assertEntries(log, entriesOf(1, 3, 1));
  });

  declare("a closed log refuses", async (log) => {
    await log.save(undefined, entriesOf(1, 3, 1));
    await log.close();
    await log.close();
    await assertRefused("RAFT_CLOSED", () => log.save(undefined, [entry(4, 1)]));
    await assertRefused("RAFT_CLOSED", () => log.entries(1, 2));
    await assertRefused("RAFT_CLOSED", () => log.compact(1));
  });
}
