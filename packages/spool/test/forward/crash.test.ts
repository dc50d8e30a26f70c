/**
 * Power loss and kill -9 at every moment of the journal and of the dead letters: a claim that was answered is found again as it was, nothing
 * that was shipped is forgotten, and a dead letter that was kept is there.
 */
import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { CapacityGroup } from "@walnut/wal";
import {
  crashEverywhere,
  Simulation,
  type SimulatedDisk,
  type SimulatedEnvironment,
} from "@walnut/testkit";
import { openDeadLetters, type DeadLetterHead } from "../../src/forward/dead-letters.ts";
import { openShipJournal, type ShipState } from "../../src/forward/ship-journal.ts";

const LAST_LSN = 1_000_000;

async function onDisk(
  disk: SimulatedDisk,
  run: (environment: SimulatedEnvironment) => Promise<void>,
): Promise<void> {
  const simulation = new Simulation({ seed: 1, disk });
  const end = await simulation.run(run);
  if (end.kind === "failed") throw end.error;
  assert.equal(end.kind, "done");
}

suite("the journal of shipping after a crash", () => {
  test("knows what was claimed and shipped", async () => {
    let answered: ShipState | undefined;
    let asked: ShipState | undefined;
    const judged = await crashEverywhere({
      seed: 3,
      run: async (environment) => {
        const journal = await openShipJournal(environment, "/journal");
        journal.stateOf("a", LAST_LSN);
        for (let lsn = 1; lsn <= 5; lsn += 2) {
          const claim = { firstLsn: lsn, lastLsn: lsn + 1 };
          asked = { ...journal.stateOf("a", LAST_LSN), claim };
          await journal.claim("a", claim);
          answered = asked;
          asked = { ...answered, shippedLsn: lsn + 1, claim: undefined };
          await journal.shipped("a", lsn + 1);
          answered = asked;
        }
        await journal.close();
      },
      judge: async (disk) => {
        const allowed = [answered, asked];
        await onDisk(disk, async (environment) => {
          const journal = await openShipJournal(environment, "/journal");
          const found = journal.stateOf("a", LAST_LSN);
          if (answered === undefined) assert.ok(found.shippedLsn === 0);
          else
            assert.ok(
              allowed.some((state) => isSame(state, found)),
              JSON.stringify(found),
            );
          // Life goes on, and a record is behind those that were there.
          const claim = { firstLsn: 100, lastLsn: 200 };
          await journal.claim("a", claim);
          await journal.close();
          const again = await openShipJournal(environment, "/journal");
          assert.deepEqual(again.stateOf("a", LAST_LSN), { ...found, claim });
          await again.close();
        });
      },
      stamp: () => JSON.stringify([answered, asked]),
    });
    assert.ok(judged > 100);
  });

  test("is written anew now and then, and holds the same", async () => {
    const simulation = new Simulation({ seed: 1 });
    const end = await simulation.run(async (environment) => {
      const journal = await openShipJournal(environment, "/journal");
      const producers = ["a", "b"].map((name) => journal.stateOf(name, LAST_LSN).producer);
      await journal.claim("b", { firstLsn: 1, lastLsn: 9 });
      for (let lsn = 1; lsn <= 3_000; lsn++) await journal.shipped("a", lsn);
      await journal.close();
      const again = await openShipJournal(environment, "/journal");
      assert.deepEqual(
        [again.stateOf("a", LAST_LSN), again.stateOf("b", LAST_LSN)],
        [
          { producer: producers[0], shippedLsn: 3_000, claim: undefined },
          { producer: producers[1], shippedLsn: 0, claim: { firstLsn: 1, lastLsn: 9 } },
        ],
      );
      // A log that ends before what was sent is another one.
      const anew = again.stateOf("a", 2_999);
      assert.equal(anew.shippedLsn, 0);
      assert.notEqual(anew.producer, producers[0]);
      await again.close();
      const files = await environment.storage.listDirectory("/journal");
      assert.ok(files.filter((name) => name.endsWith(".wal")).length <= 3, files.join());
    });
    if (end.kind === "failed") throw end.error;
    assert.equal(end.kind, "done");
  });
});

suite("dead letters after a crash", () => {
  const head = (key: string): DeadLetterHead => ({
    category: "a",
    key,
    attributes: {},
    items: 1,
    bytes: 3,
    status: 400,
    answer: "no",
    refusedAtMs: 1,
  });
  const open = (environment: SimulatedEnvironment) =>
    openDeadLetters(environment, {
      directory: "/letters",
      maxBytes: 1024 * 1024,
      segmentSizeBytes: 16 * 1024,
      group: new CapacityGroup({ maxBytes: 1024 * 1024 }),
    });

  test("are those that were kept and not removed", async () => {
    let answered: readonly string[] = [];
    let asked: readonly string[] = [];
    const judged = await crashEverywhere({
      seed: 5,
      run: async (environment) => {
        const letters = await open(environment);
        const step = async (keys: readonly string[], work: () => Promise<void>): Promise<void> => {
          asked = keys;
          await work();
          answered = keys;
        };
        for (const key of ["one", "two", "three"]) {
          const add = (): Promise<void> => letters.add(head(key), Buffer.from(key));
          await step([...answered, key], add);
          await step(answered, add); // Once more: kept once.
        }
        const [one, two] = letters.list();
        await step(["one", "three"], () => letters.remove(two?.id ?? 0));
        await step(["three"], () => letters.remove(one?.id ?? 0));
        await letters.close();
      },
      judge: async (disk) => {
        const allowed = [answered.join(), asked.join()];
        await onDisk(disk, async (environment) => {
          const letters = await open(environment);
          const keys = letters.list().map(({ key }) => key);
          assert.ok(allowed.includes(keys.join()), `${keys.join()} of ${allowed.join(" or ")}`);
          for (const { id, key } of letters.list()) {
            assert.equal(Buffer.from((await letters.request(id)).body).toString(), key);
          }
          await letters.close();
        });
      },
      stamp: () => `${answered.join()} ${asked.join()}`,
    });
    assert.ok(judged > 100);
  });
});

function isSame(state: ShipState | undefined, found: ShipState): boolean {
  return JSON.stringify(state) === JSON.stringify(found);
}
