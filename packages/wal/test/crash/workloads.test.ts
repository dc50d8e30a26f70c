/** A few thousand crashes of each mechanism of the engine; `npm run crash` explores millions. */

import assert from "node:assert/strict";
import { suite, test } from "node:test";

import { exploreCrashes } from "@walnut/testkit";

import { SPREAD, shortHistories, WORKLOAD_NAMES, workloadSubject } from "./workloads.ts";

suite("no crash takes back what was promised, or makes up anything, under the workload", () => {
  for (const name of WORKLOAD_NAMES) {
    test(name, async () => {
      let states = 0;
      for (const seed of [1, 2]) {
        const subject = workloadSubject(name, seed);
        const report = await exploreCrashes({ subject, seed, ...SPREAD, momentShare: 0.1 });
        assert.deepEqual(report.failures, []);
        states += report.states;
      }
      assert.ok(states >= 40, `${states} states`);
    });
  }
});

/** Histories of one step, and some of two; `npm run crash -- --short` goes through all up to three. */
const SOME_SHORT_HISTORIES = shortHistories()
  .slice(0, 72)
  .filter((_, index) => index < 8 || index % 16 === 9);

suite("no combination of what a crash may lose breaks a promise, after the steps", () => {
  for (const name of SOME_SHORT_HISTORIES) {
    test(name, async () => {
      const report = await exploreCrashes({
        subject: workloadSubject(name, 1),
        seed: 1,
        budget: { exhaustiveLimit: 128 },
        momentShare: 0.3,
        maxCrashes: 1,
      });
      assert.deepEqual(report.failures, []);
    });
  }
});
