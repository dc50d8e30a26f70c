/** Many groups in one stream: each is its own log, and a quiet one does not hold the files of a busy one for ever. */
import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { SeededRandom } from "@walnut/testkit";
import {
  openRaftGroupsWith,
  type RaftBackend,
  type RaftGroups,
  type RaftLog,
} from "@walnut/raft-log";
import { entriesOf, entry, hardState, snapshotAt, textOf } from "../src/contract/contract-case.ts";
import { RecordedStore } from "./level/recorded-store.ts";
import { Machine } from "./machine.ts";
import { applied, EMPTY_MODEL, logText, modelText, nextOperation, perform } from "./raft-model.ts";

const KIB = 1024;
const BUSY = 7;
const QUIET = 3;

type Opened = (machine: Machine) => Promise<RaftGroups>;

function opener(backend: RaftBackend, cacheBytes = 64 * KIB): Opened {
  const level = backend === "level" ? new RecordedStore() : undefined;
  return (machine) =>
    openRaftGroupsWith(machine.environment, {
      storageRootDirectory: "/node",
      clusterId: 1,
      peerId: 2,
      backend,
      level,
      segmentSizeBytes: 64 * KIB,
      cacheBytes,
    });
}

async function fill(log: RaftLog, count: number, bytes: number): Promise<void> {
  const data = new Uint8Array(bytes);
  const calls: Promise<void>[] = [];
  const last = log.lastIndex + count;
  for (let index = log.lastIndex + 1; index <= last; index++) {
    calls.push(log.save(undefined, [{ ...entry(index, 1), data }]));
  }
  await Promise.all(calls);
}

async function segmentNames(machine: Machine): Promise<readonly string[]> {
  const names = await machine.environment.storage.listDirectory("/node/wal");
  return names.filter((name) => name.endsWith(".wal"));
}

for (const backend of ["walnut", "level"] satisfies RaftBackend[]) {
  suite(`many groups of one node: ${backend}`, () => {
    for (let seed = 1; seed <= 4; seed++) {
      test(`interleaved at random, each is the log that its own history gives, seed ${seed}`, async () => {
        const random = new SeededRandom(seed);
        const open = opener(backend, random.pick([0, 3000, 1_000_000]));
        const machine = new Machine();
        let groups = await open(machine);
        const models = [0, 1, 2, 3, 4].map(() => EMPTY_MODEL);
        for (let round = 0; round < 60; round++) {
          const calls = models.map(async (model, group) => {
            if (random.chance(0.4)) return;
            const operation = nextOperation(model, random);
            models[group] = applied(model, operation);
            await perform(groups.group(group), operation);
          });
          await Promise.all(calls);
          if (random.chance(0.2)) await groups.purge();
          if (random.chance(0.1)) {
            await groups.close();
            groups = await open(machine);
          }
        }
        for (const [group, model] of models.entries()) {
          assert.equal(await logText(groups.group(group)), modelText(model));
        }
        await groups.close();
      });
    }

    test("a group that is removed is gone with its snapshots, and may be made anew", async () => {
      const open = opener(backend);
      const machine = new Machine();
      const groups = await open(machine);
      await groups.group(QUIET).save(hardState(4, 1), entriesOf(1, 9, 4));
      await groups.group(QUIET).saveSnapshot(snapshotAt(5, 4));
      await groups.group(BUSY).save(hardState(2, 1), entriesOf(1, 3, 2));
      await groups.removeGroup(QUIET);
      await groups.removeGroup(99);
      assert.deepEqual(groups.groupIds, [BUSY]);
      assert.deepEqual(await machine.environment.storage.listDirectory("/node/snap"), []);
      await groups.group(QUIET).save(undefined, [entry(1, 1)]);
      await groups.close();
      const again = await open(machine.afterPowerLoss());
      assert.deepEqual(await textOf(again.group(QUIET)), ["1:1=1.1"]);
      assert.deepEqual(again.group(QUIET).initialState().hardState, hardState(0));
      assert.equal(again.group(BUSY).lastIndex, 3);
      await again.close();
    });

    test("the cache is bounded over all groups, and the quiet give way to the busy", async () => {
      const groups = await opener(backend, 32 * KIB)(new Machine());
      for (let group = 0; group < 50; group++) await fill(groups.group(group), 4, KIB);
      const { cachedBytes, cacheLimitBytes } = groups.status();
      assert.ok(cachedBytes <= cacheLimitBytes && cachedBytes > cacheLimitBytes / 2);
      assert.equal(groups.group(0).status().cachedBytes, 0);
      assert.ok(groups.group(49).status().cachedBytes >= 4 * KIB);
      assert.equal((await groups.group(0).entries(1, 5)).length, 4);
      await groups.close();
    });
  });
}

suite("files that groups hold", () => {
  test("a quiet group is named, carried forward by a purge, and the files of the busy one go", async () => {
    const open = opener("walnut");
    const machine = new Machine();
    const groups = await open(machine);
    const quiet = groups.group(QUIET);
    const busy = groups.group(BUSY);
    await quiet.save(hardState(3, 2), entriesOf(1, 5, 3));
    await fill(busy, 400, 2 * KIB);
    await busy.compact(busy.lastIndex - 1);
    const before = (await segmentNames(machine)).length;
    const { holder } = groups.status();
    assert.equal(holder?.groupId, QUIET);
    assert.ok(before > 8 && (holder?.heldBytes ?? 0) > (before - 3) * 60 * KIB);
    await groups.purge();
    assert.ok((await segmentNames(machine)).length <= 3);
    assert.equal(groups.status().holder, undefined);
    const again = await open(machine.afterPowerLoss());
    assert.deepEqual(await textOf(again.group(QUIET)), await textOf(quiet));
    assert.deepEqual(again.group(QUIET).initialState().hardState, hardState(3, 2));
    assert.equal(again.group(BUSY).lastIndex, 400);
    await again.close();
    await groups.close();
  });

  test("what a quiet group saves while a purge carries it forward is what it holds", async () => {
    const machine = new Machine();
    const open = opener("walnut", 0);
    const groups = await open(machine);
    const quiet = groups.group(QUIET);
    await quiet.save(hardState(1, 1), entriesOf(1, 6, 1));
    await fill(groups.group(BUSY), 200, 2 * KIB);
    // As many entries as before: only their terms tell that they are others.
    await Promise.all([groups.purge(), quiet.save(hardState(2, 2), entriesOf(4, 6, 2))]);
    const terms = (await quiet.entries(1, 7)).map(({ term }) => term);
    assert.deepEqual(terms, [1, 1, 1, 2, 2, 2]);
    const again = await open(machine.afterPowerLoss());
    assert.deepEqual(await textOf(again.group(QUIET)), await textOf(quiet));
    await again.close();
    await groups.close();
  });

  test("a power loss at any time around a purge loses nothing of the quiet group", async () => {
    const open = opener("walnut");
    const machine = new Machine();
    const groups = await open(machine);
    await groups.group(QUIET).save(hardState(3, 2), entriesOf(1, 5, 3));
    for (let round = 0; round < 6; round++) {
      await fill(groups.group(BUSY), 60, 2 * KIB);
      await groups.group(BUSY).compact(groups.group(BUSY).lastIndex);
      const images = [machine.afterPowerLoss()];
      const purge = groups.purge().then(() => images.push(machine.afterPowerLoss()));
      for (let turn = 0; turn < 5; turn++) {
        images.push(machine.afterPowerLoss(), machine.afterKill());
        await new Promise<void>((resolve) => setImmediate(resolve));
      }
      await purge;
      for (const image of images) {
        const again = await open(image);
        assert.equal(again.group(QUIET).lastIndex, 5);
        assert.deepEqual(again.group(QUIET).initialState().hardState, hardState(3, 2));
        await again.close();
      }
    }
    await groups.close();
  });

  test("a thousand idle groups take little memory each", async (context) => {
    assert.ok(globalThis.gc !== undefined || setGc());
    const groups = await opener("walnut", 0)(new Machine());
    await groups.group(0).save(hardState(1, 1), entriesOf(1, 3, 1));
    const before = await heapBytes();
    const count = 1000;
    for (let group = 1; group <= count; group++) {
      await groups.group(group).save(hardState(1, 1), entriesOf(1, 3, 1));
    }
    const each = ((await heapBytes()) - before) / count;
    context.diagnostic(
      `${Math.round(each)} bytes a group with three entries, the simulated disk included`,
    );
    assert.ok(each > 0 && each < 8 * KIB, `${each}`);
    assert.equal(groups.status().groupCount, 1001);
    await groups.close();
  });
});

/** Makes a collection of garbage callable without a flag on the command line. */
function setGc(): boolean {
  setFlagsFromString("--expose-gc");
  globalThis.gc = runInNewContext("gc") as typeof globalThis.gc;
  return true;
}

/** What is left when everything that can go has gone; memory outside the heap goes a turn later. */
async function heapBytes(): Promise<number> {
  for (let turn = 0; turn < 5; turn++) {
    globalThis.gc?.();
    await new Promise<void>((resolve) => setImmediate(resolve));
  }
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  return heapUsed + arrayBuffers;
}
