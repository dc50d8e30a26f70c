/** A crash test that cannot fail proves nothing: here it must, once for each mutant. */

import assert from "node:assert/strict";
import { suite, test } from "node:test";

import { exploreCrashes } from "@walnut/testkit";

import { MUTANTS, mutate } from "./storage-mutants.ts";
import { SPREAD, workloadSubject } from "./workloads.ts";

/** Together these reach every kind of storage call. */
const WORKLOADS = ["levels", "cursors", "appends", "rotation", "random"];

suite("the crash explorer catches a storage that", () => {
  for (const mutant of MUTANTS) {
    test(`${mutant.name}: ${mutant.about}`, async () => {
      for (let seed = 1; seed <= 6; seed += 1) {
        for (const workload of WORKLOADS) {
          const report = await exploreCrashes({
            subject: workloadSubject(workload, seed),
            seed,
            ...SPREAD,
            momentShare: 0.3,
            wrapStorage: mutate(mutant),
          });
          if (report.failures.length > 0) return;
        }
      }
      assert.fail("not caught");
    });
  }
});
