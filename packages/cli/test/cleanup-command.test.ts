import assert from "node:assert/strict";
import { mkdir, readdir, utimes, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { suite, test } from "node:test";
import { EXIT_OK, EXIT_USAGE } from "../src/exit-code.ts";
import { closedLog, openLog, run, temporaryDirectory } from "./log-fixture.ts";

/** An archived segment of 100 bytes that was set aside so many days ago. */
async function archive(directory: string, id: number, ageDays: number): Promise<string> {
  const name = `${String(id).padStart(12, "0")}.wal.recovered`;
  const path = join(directory, name);
  await writeFile(path, new Uint8Array(100));
  const time = new Date(Date.now() - ageDays * 24 * 3600 * 1000);
  await utimes(path, time, time);
  return name;
}

suite("walnut cleanup", () => {
  test("removes archived segments by age, and only says so in a dry run", async (context) => {
    const directory = await closedLog(context);
    const old = await archive(directory, 101, 10);
    const young = await archive(directory, 102, 1);
    const dry = await run(["cleanup", directory, "--older-than", "7d", "--dry-run"]);
    assert.equal(dry.code, EXIT_OK);
    assert.match(
      dry.environment.out,
      /would remove[^]*101\.wal\.recovered[^]*1 file, 100 bytes would be freed/,
    );
    assert.ok((await readdir(directory)).includes(old));
    const { code } = await run(["cleanup", directory, "--older-than", "7d"]);
    assert.equal(code, EXIT_OK);
    const names = await readdir(directory);
    assert.deepEqual([names.includes(old), names.includes(young)], [false, true]);
  });

  test("keeps the newest up to a size, in another directory too", async (context) => {
    const directory = await closedLog(context);
    const elsewhere = await temporaryDirectory(context);
    for (const [id, age] of [
      [1, 3],
      [2, 2],
      [3, 1],
    ] as const)
      await archive(elsewhere, id, age);
    const words = ["cleanup", directory, "--archive", elsewhere, "--keep", "250", "--json"];
    const { environment } = await run(words);
    assert.equal(environment.json.bytes, 100);
    assert.deepEqual((await readdir(elsewhere)).map((name) => name.slice(0, 12)).toSorted(), [
      "000000000002",
      "000000000003",
    ]);
  });

  test("wants to be told what may go", async (context) => {
    const directory = await closedLog(context);
    assert.equal((await run(["cleanup", directory])).code, EXIT_USAGE);
    assert.equal((await run(["cleanup", directory, "--older-than", "soon"])).code, EXIT_USAGE);
    assert.equal((await run(["cleanup", directory, "--keep", "much"])).code, EXIT_USAGE);
  });

  test("removes leftovers of a log that nobody writes, and never the log or its quarantine", async (context) => {
    const directory = await closedLog(context);
    await writeFile(join(directory, "CHECKPOINT.tmp"), "half");
    await writeFile(join(directory, "next.prewrite"), "zeros");
    await mkdir(join(directory, "quarantine"));
    await writeFile(join(directory, "quarantine", "report.json"), "{}");
    assert.equal((await run(["cleanup", directory, "--all"])).code, EXIT_OK);
    const names = await readdir(directory);
    assert.ok(!names.includes("CHECKPOINT.tmp") && !names.includes("next.prewrite"));
    assert.equal(names.filter((name) => name.endsWith(".wal")).length, 3);
    assert.deepEqual(await readdir(join(directory, "quarantine")), ["report.json"]);
    assert.equal((await run(["verify", directory])).code, EXIT_OK);
  });

  test("leaves leftovers to a writer that is there", async (context) => {
    const directory = await temporaryDirectory(context);
    const wal = await openLog(directory, { segments: 1, records: 1 });
    await writeFile(join(directory, "next.prewrite"), "in use");
    const { code, environment } = await run(["cleanup", directory, "--all"]);
    assert.equal(code, EXIT_OK);
    assert.match(environment.err, /left to the writer/);
    assert.ok((await readdir(directory)).includes("next.prewrite"));
    await wal.close();
  });
});
