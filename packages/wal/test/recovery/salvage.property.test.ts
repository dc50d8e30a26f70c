/**
 * Random damage in one to three places of a golden log: salvage opens it, gives what is whole, and names what is not.
 *
 * `npm test` takes some seeds of each log; more of them: `WALNUT_SALVAGE_RUNS=5000 npm test -- salvage.property`
 */
import { suite, test } from "node:test";
import { combineSeeds, SeededRandom } from "@walnut/testkit";
import { loadGolden } from "../golden/golden-log.ts";
import { damaged, formatStep, randomDamage } from "./damage.ts";
import { salvageAndJudge } from "./salvaged-log.ts";
import { DamageSurvey, surveyLog } from "./segment-survey.ts";

const RUNS = Number(process.env["WALNUT_SALVAGE_RUNS"] ?? "80");

suite("salvage of random damage", () => {
  for (const name of ["small", "plain", "released", "crashed", "codec-deflate"]) {
    test(`of the golden log ${name} gives what is whole and names what is not`, async () => {
      const golden = loadGolden(name);
      const segments = await surveyLog(golden.files);
      for (let run = 0; run < RUNS; run++) {
        const steps = randomDamage(golden.files, new SeededRandom(combineSeeds(name, run)));
        const files = damaged(golden.files, steps);
        try {
          const survey = new DamageSurvey(segments, golden.files, files);
          await salvageAndJudge(golden.expected.records, survey, files);
        } catch (error) {
          const what = steps.map(formatStep).join("; ");
          throw new Error(`run ${run}: ${what}: ${String(error)}`, { cause: error });
        }
      }
    });
  }
});
