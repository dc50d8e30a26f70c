/** Power loss after every change of a store: what was answered is there, and nothing in between. */
import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { SeededRandom } from "@walnut/testkit";
import { openRaftLogWith, type RaftLog } from "@walnut/raft-log";
import { Machine } from "../machine.ts";
import {
  applied,
  EMPTY_MODEL,
  logText,
  modelText,
  nextOperation,
  perform,
  type RaftModel,
} from "../raft-model.ts";
import { RecordedStore } from "./recorded-store.ts";

const SEEDS = Number(process.env["WALNUT_RAFT_CRASH_SEEDS"] ?? "3");
const OPERATIONS = 60;

function open(level: RecordedStore, machine: Machine): Promise<RaftLog> {
  return openRaftLogWith(machine.environment, {
    storageRootDirectory: "/node",
    clusterId: 1,
    peerId: 2,
    backend: "level",
    level,
    cacheBytes: 500,
  });
}

/** One moment of a history: how much of the store is safe, what was answered, and the disk that holds the snapshots. */
interface Moment {
  readonly synced: number;
  readonly written: number;
  readonly answered: number;
  readonly asked: number;
  readonly machine: Machine;
}

async function history(
  seed: number,
  store: RecordedStore,
): Promise<{ models: RaftModel[]; moments: Moment[] }> {
  const random = new SeededRandom(seed);
  const machine = new Machine();
  const log = await open(store, machine);
  const models = [EMPTY_MODEL];
  const moments: Moment[] = [];
  while (models.length <= OPERATIONS) {
    const answered = models.length - 1;
    const calls: Promise<void>[] = [];
    for (let together = random.pick([1, 1, 1, 4]); together > 0; together--) {
      const model = models.at(-1) ?? EMPTY_MODEL;
      const operation = nextOperation(model, random);
      models.push(applied(model, operation));
      calls.push(perform(log, operation));
    }
    const snap = (done: number): void => {
      const { syncedCount: synced, changes } = store;
      const asked = models.length - 1;
      moments.push({
        synced,
        written: changes.length,
        answered: done,
        asked,
        machine: machine.afterPowerLoss(),
      });
    };
    snap(answered);
    await Promise.all(calls);
    snap(models.length - 1);
  }
  return { models, moments };
}

/** Every store that a power loss at one of the moments could leave, judged. */
async function judge(
  store: RecordedStore,
  { models, moments }: Awaited<ReturnType<typeof history>>,
): Promise<number> {
  let judged = 0;
  for (const { synced, written, answered, asked, machine } of moments) {
    const allowed = models.slice(answered, asked + 1).map(modelText);
    for (let count = synced; count <= written; count++) {
      const crashed = await RecordedStore.from(store.changes.slice(0, count));
      const log = await open(crashed, machine.afterPowerLoss());
      const found = await logText(log);
      assert.ok(
        allowed.includes(found),
        `${count} changes\nfound:\n${found}\nallowed:\n${allowed.join("\n")}`,
      );
      judged++;
    }
  }
  return judged;
}

suite("a Raft log in a store of keys after a power loss", () => {
  for (let seed = 1; seed <= SEEDS; seed++) {
    test(`is what was answered, seed ${seed}`, async () => {
      const store = new RecordedStore();
      assert.ok((await judge(store, await history(seed, store))) > OPERATIONS);
    });
  }

  test("a store that does not honour sync is found out", async () => {
    const store = new RecordedStore({ ignoresSync: true });
    await assert.rejects(async () => judge(store, await history(1, store)), assert.AssertionError);
  });
});
