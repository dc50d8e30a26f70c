import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { LifeRaft } from "./liferaft.ts";
import {
  isRaftLogError,
  LiferaftLog,
  liferaftLog,
  openRaftLogWith,
  type LiferaftNode,
} from "@walnut/raft-log";
import { Machine } from "../machine.ts";

const MEMBERS = ["a", "b", "c"];

async function open(
  machine: Machine,
  node: LiferaftNode,
  committed: number[] = [],
): Promise<LiferaftLog> {
  const log = await openRaftLogWith(machine.environment, {
    storageRootDirectory: "/node",
    clusterId: 1,
    peerId: 1,
  });
  const Log = liferaftLog(log, {
    members: MEMBERS,
    onCommit: ({ index }) => committed.push(index),
  });
  return new Log(node);
}

function nodeNamed(address: string): LiferaftNode {
  return { address, term: 0, votes: { for: null } };
}

suite("the log of liferaft on this storage", () => {
  test("term and vote, which liferaft forgets, are durable before a packet leaves", async () => {
    const machine = new Machine();
    const node = nodeNamed("a");
    const log = await open(machine, node);
    node.term = 5;
    node.votes.for = "b";
    await log.getLastInfo();
    const again = nodeNamed("a");
    await open(machine.afterPowerLoss(), again);
    assert.deepEqual([again.term, again.votes.for], [5, "b"]);
    node.term = 6;
    node.votes.for = null;
    await log.ready();
    await open(machine.afterPowerLoss(), again);
    assert.deepEqual([again.term, again.votes.for], [6, null]);
  });

  test("a second vote in one term never leaves the node", async () => {
    const node = nodeNamed("a");
    const log = await open(new Machine(), node);
    node.term = 5;
    node.votes.for = "b";
    await log.getLastInfo();
    node.votes.for = "c";
    await assert.rejects(log.getLastInfo(), (error) => isRaftLogError(error, "RAFT_OUT_OF_ORDER"));
  });

  test("an empty log says term 0: with that of its node, as in liferaft, it would win votes against entries", async () => {
    const node = nodeNamed("a");
    const log = await open(new Machine(), node);
    node.term = 9;
    assert.deepEqual(await log.getLastInfo(), { index: 0, term: 0, committedIndex: 0 });
    await log.saveCommand({ n: 1 }, 9);
    assert.equal((await log.getEntryInfoBefore({ index: 1 })).term, 0);
  });

  test("keeps commands, and gives them back by every question liferaft has", async () => {
    const machine = new Machine();
    const node = nodeNamed("a");
    const committed: number[] = [];
    const log = await open(machine, node, committed);
    node.term = 2;
    for (const n of [1, 2, 3, 4]) await log.saveCommand({ n }, 2);
    assert.deepEqual(await log.getLastInfo(), { index: 4, term: 2, committedIndex: 0 });
    assert.deepEqual(await log.getEntryInfoBefore({ index: 3 }), {
      index: 2,
      term: 2,
      committedIndex: 0,
    });
    assert.deepEqual((await log.get(3)).command, { n: 3 });
    assert.equal(await log.has(4), true);
    assert.equal(await log.has(5), false);
    assert.equal((await log.getEntriesAfter(1)).length, 3);
    assert.equal((await log.commandAck(2, "b")).responses?.length, 2);
    assert.equal((await log.commandAck(2, "b")).responses?.length, 2);
    await log.commit(2);
    await log.commit(2);
    assert.deepEqual(committed, [1, 2]);
    assert.deepEqual(
      (await log.getUncommittedEntriesUpToIndex(3)).map(({ index }) => index),
      [3],
    );
    const found = await open(machine.afterPowerLoss(), nodeNamed("a"));
    assert.equal((await found.getLastInfo()).index, 4);
    await log.end();
  });

  test("the same entry again does not take away what follows it", async () => {
    const node = nodeNamed("b");
    node.term = 1;
    const log = await open(new Machine(), node);
    node.term = 1;
    for (const index of [1, 2, 3]) await log.saveCommand({ index }, 1, index);
    await log.saveCommand({ index: 2 }, 1, 2);
    await log.removeEntriesAfter(1);
    assert.equal((await log.getLastInfo()).index, 3);
  });

  test("an entry before of another term is given up, and one that was committed is not", async () => {
    const node = nodeNamed("b");
    const log = await open(new Machine(), node);
    node.term = 1;
    for (const index of [1, 2, 3, 4]) await log.saveCommand({ index }, 1, index);
    await log.commit(2);
    await log.admit({ type: "append", last: { index: 4, term: 2 } });
    assert.equal((await log.getLastInfo()).index, 3);
    await log.admit({ type: "append", last: { index: 2, term: 9 } });
    await log.admit({ type: "vote", last: { index: 1, term: 9 } });
    assert.equal((await log.getLastInfo()).index, 3);
    node.term = 2;
    await log.saveCommand({ index: 4 }, 2, 4);
    assert.deepEqual(await log.getLastInfo(), { index: 4, term: 2, committedIndex: 2 });
  });

  test("of a packet ahead of the log a question for the first missing entry is left, and no commit", async () => {
    const node = nodeNamed("b");
    const log = await open(new Machine(), node);
    node.term = 1;
    for (const index of [1, 2]) await log.saveCommand({ index }, 1, index);
    const packet = {
      type: "append",
      last: { index: 90, term: 1, committedIndex: 80 },
      data: [{ index: 91 }],
    };
    await log.admit(packet);
    assert.deepEqual(packet, { type: "append", last: { index: 3, term: 1, committedIndex: 0 } });
    const next = { type: "append", last: { index: 2, term: 1, committedIndex: 2 }, data: [] };
    const before = structuredClone(next);
    await log.admit(next);
    assert.deepEqual(next, before);
  });

  test("acknowledgements of an entry of an older term do not commit it", async () => {
    const node = nodeNamed("a");
    const log = await open(new Machine(), node);
    node.term = 1;
    await log.saveCommand({ n: 1 }, 1);
    node.term = 3;
    assert.deepEqual((await log.commandAck(1, "b")).responses, []);
    assert.deepEqual((await log.commandAck(9, "b")).responses, []);
  });

  test("liferaft itself takes the class, and has its term back after a restart", async () => {
    const machine = new Machine();
    const options = { storageRootDirectory: "/node", clusterId: 1, peerId: 1 };
    const log = await openRaftLogWith(machine.environment, options);
    await log.save({ term: 8, vote: 0n, commit: 0 }, []);
    const raft = new LifeRaft("a", { Log: liferaftLog(log, { members: MEMBERS }) });
    assert.ok(raft.log instanceof LiferaftLog);
    assert.equal(raft.term, 8);
    raft.end();
  });
});
