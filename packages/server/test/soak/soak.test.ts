/** A soak of twenty seconds: the same program as `npm run soak`, which runs for as long as is asked for. */
import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { temporaryDirectory } from "../temporary-directory.ts";
import { runSoak } from "./soak-run.ts";

const skip = process.platform === "linux" ? false : "memory and open files are read from /proc";

suite("soak", { skip }, () => {
  test("kills, retries, merges and queries at the same time: counts and sums are exact", async () => {
    const lines: string[] = [];
    const judgements = await runSoak({
      dataDirectory: await temporaryDirectory(),
      seconds: 20,
      workers: 1,
      rowsPerSecond: 10_000,
      objectStore: undefined,
      print: (line) => lines.push(line),
    });
    // Eight seconds beside other tests say nothing about times; a soak of minutes judges them.
    const missed = judgements.filter(({ name, isGood }) => !isGood && name !== "p99 of writes");
    assert.deepEqual(missed, [], lines.join("\n"));
    assert.ok(lines.filter((line) => line.startsWith("kill ")).length >= 3, lines.join("\n"));
  });
});
