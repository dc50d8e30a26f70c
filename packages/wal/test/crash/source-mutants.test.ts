/** Mistakes in the engine's sources are caught; here a few of them, by `npm run crash -- --mutants` all. */

import assert from "node:assert/strict";
import { suite, test } from "node:test";

import { Machine, segmentPath, textBytes } from "../machine.ts";
import { editProblem, tryMutant } from "./mutant-runner.ts";
import { SOURCE_MUTANTS } from "./source-mutants.ts";
import { WORKLOAD_NAMES } from "./workloads.ts";

/** Of each kind one that is caught at once: the grouping, the files, what is damaged. */
const TRIED_HERE = ["resolves-before-sink", "new-segment-unsynced", "ignores-chain"];

suite("mutants of the sources", () => {
  test("have names of their own, and workloads that there are", () => {
    const names = SOURCE_MUTANTS.map(({ name }) => name);
    assert.equal(new Set(names).size, names.length);
    for (const { name, caughtBy } of SOURCE_MUTANTS) {
      const unknown =
        caughtBy === "damage"
          ? []
          : caughtBy.filter((workload) => !WORKLOAD_NAMES.includes(workload));
      assert.deepEqual(unknown, [], name);
    }
  });

  for (const mutant of SOURCE_MUTANTS) {
    test(`${mutant.name} still applies, exactly once`, async () => {
      const problems = await Promise.all(mutant.edits.map((edit) => editProblem(edit)));
      assert.deepEqual(
        problems.filter((problem) => problem !== undefined),
        [],
      );
    });
  }

  for (const mutant of SOURCE_MUTANTS.filter(({ name }) => TRIED_HERE.includes(name))) {
    test(`${mutant.name} is caught: ${mutant.about}`, async () => {
      const { isCaught, evidence } = await tryMutant(mutant);
      assert.ok(isCaught, evidence);
    });
  }

  test("none is caught in the engine as it is", async () => {
    const { isCaught, evidence } = await tryMutant(undefined);
    assert.ok(!isCaught, evidence);
  });
});

suite("a mutant of the environment", () => {
  /** Puts frames of another log behind a log's end. True when they are told from its own. */
  async function tellsForeignFrames(
    salts: readonly [own: number, foreign: number],
  ): Promise<boolean> {
    const [machine, donor] = salts.map((seed) => new Machine({ seed }));
    assert.ok(machine !== undefined && donor !== undefined);
    const wal = await machine.open();
    await wal.append(textBytes("r1"));
    const killed = machine.afterPowerLoss();
    const long = await donor.open();
    for (let count = 0; count < 5; count += 1) await long.append(textBytes(`f${count}`));
    await long.close();
    const own = killed.bytesOf(segmentPath(1));
    // A torn record of its own, then what the disk held there before.
    const stale = donor.bytesOf(segmentPath(1)).slice(own.byteLength);
    stale.fill(0xee, 0, 56);
    await killed.replace(segmentPath(1), Buffer.concat([own, stale]));
    try {
      const again = await killed.open();
      await again.close();
      return true;
    } catch {
      return false;
    }
  }

  test("repeats-salt: segments with the same salt would take stale frames for their own", async () => {
    assert.equal(await tellsForeignFrames([1, 2]), true);
    assert.equal(await tellsForeignFrames([1, 1]), false);
  });
});
