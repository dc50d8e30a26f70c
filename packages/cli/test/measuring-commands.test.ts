import assert from "node:assert/strict";
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { suite, test } from "node:test";
import { EXIT_OK, EXIT_USAGE } from "../src/exit-code.ts";
import { adviceFor } from "../src/fsync-test-command.ts";
import { methodOfWalnut, SYNC_METHODS, SYNC_SIZES, type SyncTrial } from "../src/sync-trials.ts";
import { run, temporaryDirectory } from "./log-fixture.ts";

suite("walnut bench", () => {
  test("measures each level and leaves nothing behind", async (context) => {
    const directory = await temporaryDirectory(context);
    const { code, environment } = await run(["bench", directory, "--seconds", "0.03", "--json"]);
    assert.equal(code, EXIT_OK);
    const { results, floor } = environment.json;
    assert.ok(results.length >= 5);
    // On a busy machine nothing may come through in so short a time.
    for (const { recordsPerSecond, benchCase } of results)
      assert.ok(recordsPerSecond >= 0, benchCase.name);
    assert.ok(floor.small.medianUs > 0);
    assert.deepEqual(await readdir(directory), []);
  });
});

suite("walnut fsync-test", () => {
  test("measures every method at every size and leaves nothing behind", async (context) => {
    const directory = await temporaryDirectory(context);
    const words = ["fsync-test", directory, "--seconds", "0.003"];
    const { code, environment } = await run([...words, "--json"]);
    assert.equal(code, EXIT_OK);
    assert.equal(environment.json.trials.length, SYNC_METHODS.length * SYNC_SIZES.length);
    assert.ok(environment.json.advice.syncIntervalMs >= 10);
    const text = (await run(words)).environment.out.replaceAll(/\s+/g, " ");
    assert.match(text, /syncIntervalMs (\d+) \(a series log: forceWalPeriodMs \1\)/);
    assert.deepEqual(await readdir(directory), []);
  });

  test("refuses a directory that is not there, and no time at all", async (context) => {
    const directory = await temporaryDirectory(context);
    for (const command of ["fsync-test", "bench"]) {
      assert.equal((await run([command, join(directory, "nowhere")])).code, EXIT_USAGE);
      assert.equal((await run([command, directory, "--seconds", "0"])).code, EXIT_USAGE);
    }
  });

  test("advises an interval that leaves the disk nine tenths of its time", () => {
    const small = Math.min(...SYNC_SIZES);
    const method = methodOfWalnut(small);
    assert.ok(method !== undefined);
    const trial = (medianUs: number): SyncTrial => {
      return { method, sizeBytes: small, samples: 1, medianUs, p99Us: medianUs, meanUs: medianUs };
    };
    assert.equal(adviceFor([trial(200)]).syncIntervalMs, 10);
    assert.equal(adviceFor([trial(200)]).isSlow, false);
    assert.equal(adviceFor([trial(12_000)]).syncIntervalMs, 120);
    assert.equal(adviceFor([trial(12_000)]).isSlow, true);
  });
});
