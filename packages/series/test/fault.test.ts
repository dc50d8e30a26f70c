/** The n-th call of each kind fails: memtables hold exactly what was acknowledged, and what was acknowledged is found again. */
import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { FaultyStorage, SeededRandom, Simulation, type FaultRule } from "@walnut/testkit";
import { isWalError } from "@walnut/wal";
import type { SeriesLog } from "@walnut/series";
import { contentOf, open, StoreModel } from "./series-model.ts";

const MAX_NTH = 40;

/** What is in memory right now, the active memtables included. */
function inMemory(log: SeriesLog): string[] {
  const active = ["a", "b"].map((id) => log.memtable(id).active).filter((one) => one !== undefined);
  return [...log.frozen().map(({ memtable }) => memtable), ...active].flatMap(contentOf);
}

async function history(log: SeriesLog, model: StoreModel): Promise<void> {
  for (let round = 0; round < 4; round++) {
    const writes = ["a", "b", "a"].map((id) => model.write(log, id, 3000));
    const outcomes = await Promise.allSettled(writes);
    for (const outcome of outcomes) {
      if (outcome.status === "rejected")
        assert.ok(isWalError(outcome.reason), String(outcome.reason));
    }
    const released = new Set([...model.files.values()].flat());
    assert.deepEqual(
      inMemory(log)
        .filter((one) => !released.has(one))
        .sort(),
      [...model.acknowledged].filter((one) => !released.has(one)).sort(),
    );
    const flushed = log
      .memtable("a")
      .rotate()
      .then((frozen) => model.flush(frozen));
    await flushed.catch((error: unknown) => assert.ok(isWalError(error), String(error)));
  }
}

suite("a series log on a disk with faults", () => {
  const kinds: readonly Omit<FaultRule, "nth">[] = [
    { kind: "write", code: "EIO" },
    { kind: "write", code: "ENOSPC" },
    { kind: "write", code: "ENOSPC", effect: "short" },
    { kind: "syncData", code: "EIO" },
    { kind: "writeDurable", code: "EIO" },
    { kind: "writeDurable", code: "ENOSPC" },
    { kind: "createFile", code: "ENOSPC" },
  ];
  for (const rule of kinds) {
    const name = `${rule.kind} ${rule.code}${rule.effect === undefined ? "" : ` ${rule.effect}`}`;
    test(`${name}: loses nothing that was acknowledged, keeps nothing that was not`, async (context) => {
      let fired = 0;
      for (let nth = 1; nth <= MAX_NTH; nth++) {
        const model = new StoreModel(new SeededRandom(nth));
        let storage: FaultyStorage | undefined;
        const simulation = new Simulation({
          seed: nth,
          wrapStorage: (disk) => (storage = new FaultyStorage(disk, [{ ...rule, nth }])),
        });
        const end = await simulation.run(async (environment) => {
          let log: SeriesLog;
          try {
            log = await open(environment);
          } catch (error) {
            assert.ok(isWalError(error), String(error));
            return;
          }
          await history(log, model);
          await log.close().catch((error: unknown) => assert.ok(isWalError(error), String(error)));
        });
        if (end.kind === "failed") throw end.error;
        assert.equal(end.kind, "done", `nth ${nth}`);
        if ((storage?.fired.length ?? 0) === 0) break;
        fired++;
        const after = await new Simulation({ seed: nth, disk: simulation.disk }).run(
          async (environment) => {
            const log = await open(environment);
            model.assertRecovered(log);
            await log.close();
          },
        );
        if (after.kind === "failed") throw new Error(`nth ${nth}`, { cause: after.error });
        assert.equal(after.kind, "done");
      }
      assert.ok(fired > 0, "the fault never came");
      context.diagnostic(`${fired} faults`);
    });
  }
});
