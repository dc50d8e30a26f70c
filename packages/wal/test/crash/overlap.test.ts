import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { runOverlap } from "./overlap.ts";

const HISTORIES = Number(process.env["WALNUT_OVERLAP_HISTORIES"] ?? "150");
const FIRST = Number(process.env["WALNUT_OVERLAP_SEED"] ?? "1");

/** Histories that once went wrong. */
const REMEMBERED = [13, 42, 139, 200, 1930, 23_295];

suite("calls that overlap on a disk that runs full", () => {
  test("leave what was answered, where they once did not", async () => {
    for (const seed of REMEMBERED) await runOverlap(seed, false);
  });

  test(`leave what was answered, ${HISTORIES} histories from seed ${FIRST}`, async (context) => {
    let answers = 0;
    let noSpace = 0;
    for (let seed = FIRST; seed < FIRST + HISTORIES; seed++) {
      try {
        const counts = await runOverlap(seed);
        answers += counts.answers;
        noSpace += counts.noSpace;
      } catch (error) {
        throw new Error(`WALNUT_OVERLAP_SEED=${seed}: ${String(error)}`, { cause: error });
      }
    }
    context.diagnostic(`${answers} records answered, ${noSpace} calls found the disk full`);
    assert.ok(answers > HISTORIES && (noSpace > 0 || HISTORIES < 10));
  });
});
