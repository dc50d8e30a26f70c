import assert from "node:assert/strict";
import { copyFile, mkdir, readdir, readFile, rm } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { suite, test, type TestContext } from "node:test";
import { openWal } from "@walnut/wal";
import { EXIT_DAMAGE, EXIT_LOCKED, EXIT_OK, EXIT_USAGE } from "../src/exit-code.ts";
import { flip, openLog, run, segmentFile, temporaryDirectory } from "./log-fixture.ts";

/** A closed log in a directory of its own, with room for copies beside it. */
async function closedLog(context: TestContext): Promise<string> {
  const directory = join(await temporaryDirectory(context), "log");
  await mkdir(directory);
  const wal = await openLog(directory, { segments: 3, records: 4 });
  await wal.cursor("reader").ack(1);
  await wal.close();
  return directory;
}

/** A log whose second segment has a damaged frame: the records of LSN 6 are lost. */
async function damagedLog(context: TestContext): Promise<string> {
  const directory = await closedLog(context);
  await flip(segmentFile(directory, 2), 64 + 64 + 50);
  return directory;
}

async function bytesOf(directory: string): Promise<Map<string, string>> {
  const files = new Map<string, string>();
  for (const entry of await readdir(directory, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile() || entry.name === "LOCK") continue;
    const path = join(entry.parentPath, entry.name);
    files.set(path.slice(directory.length + 1), (await readFile(path)).toString("hex"));
  }
  return files;
}

async function copiesBeside(directory: string): Promise<string[]> {
  const names = await readdir(dirname(directory));
  return names.filter((name) => name !== basename(directory));
}

suite("walnut repair", () => {
  test("finds nothing in a log that is whole, and leaves it alone", async (context) => {
    const directory = await closedLog(context);
    const before = await bytesOf(directory);
    for (const words of [[], ["--apply"]]) {
      const { code, environment } = await run(["repair", directory, ...words]);
      assert.equal(code, EXIT_OK);
      assert.match(environment.out, /nothing is damaged/);
    }
    assert.deepEqual(await bytesOf(directory), before);
    assert.deepEqual(await copiesBeside(directory), []);
  });

  test("without --apply says what is damaged, what is lost and what to do, and changes nothing", async (context) => {
    const directory = await damagedLog(context);
    const before = await bytesOf(directory);
    const { code, environment } = await run(["repair", directory]);
    assert.equal(code, EXIT_DAMAGE);
    assert.match(environment.out, /000000000002\.wal +128 - 192 +6 +marks a gap/);
    assert.match(environment.out, /1 damaged place\. 1 record lost/);
    assert.ok(environment.out.includes(`walnut repair ${directory} --apply`));
    assert.deepEqual(await bytesOf(directory), before);
    assert.deepEqual(await copiesBeside(directory), []);
  });

  test("with --apply copies the directory, repairs the log, and says where everything is", async (context) => {
    const directory = await damagedLog(context);
    const before = await bytesOf(directory);
    const { code, environment } = await run(["repair", directory, "--apply"]);
    assert.equal(code, EXIT_OK);
    const [copy = "", ...others] = await copiesBeside(directory);
    assert.deepEqual(others, []);
    assert.match(copy, /^log-before-repair-\d{8}T\d{6}Z$/);
    assert.ok(environment.out.includes(copy));
    assert.match(environment.out, /Repaired 1 damaged place\. 1 record lost/);
    assert.match(environment.out, /The log holds LSN 1 - 12 and opens\./);
    assert.deepEqual(await bytesOf(join(dirname(directory), copy)), before);
    const wal = await openWal({ directory, recovery: "strict" });
    const gaps: unknown[] = [];
    const lsns: number[] = [];
    for await (const { lsn } of wal.read({ onGap: (gap) => gaps.push(gap) })) lsns.push(lsn);
    assert.deepEqual([lsns.length, gaps], [11, [{ firstLsn: 6, lastLsn: 6 }]]);
    await wal.close();
    assert.equal((await run(["verify", directory])).code, EXIT_OK);
    assert.equal((await run(["repair", directory])).code, EXIT_OK);
  });

  test("with --no-backup copies nothing", async (context) => {
    const directory = await damagedLog(context);
    const { code } = await run(["repair", directory, "--apply", "--no-backup"]);
    assert.equal(code, EXIT_OK);
    assert.deepEqual(await copiesBeside(directory), []);
  });

  test("prints JSON", async (context) => {
    const directory = await damagedLog(context);
    const dry = await run(["repair", directory, "--json"]);
    assert.equal(dry.code, EXIT_DAMAGE);
    const { ok, isApplied, logs } = dry.environment.json;
    assert.deepEqual([ok, isApplied], [false, false]);
    assert.equal(logs[0].places[0].action, "patch-range");
    const { code, environment } = await run(["repair", directory, "--apply", "--json"]);
    assert.equal(code, EXIT_OK);
    const [log] = environment.json.logs;
    assert.deepEqual([log.places[0].lostFirstLsn, log.places[0].lostLastLsn], [6, 6]);
    assert.ok((await readdir(join(directory, "quarantine"))).includes(log.report.reports[0]));
    assert.equal(log.report.backup.files > 4, true);
  });

  test("names damaged cursors and a missing tail", async (context) => {
    const directory = await closedLog(context);
    await flip(join(directory, "cursors/reader.cursor"), 10);
    await rm(segmentFile(directory, 3));
    const dry = await run(["repair", directory], { columns: 200 });
    assert.match(dry.environment.out, /reader\.cursor .*its owner starts again/);
    assert.match(dry.environment.out, /nobody can say how much/);
    assert.equal((await run(["repair", directory, "--apply"])).code, EXIT_OK);
    assert.equal((await run(["verify", directory])).code, EXIT_OK);
  });

  test("refuses a log that is open, before it copies anything", async (context) => {
    const directory = await damagedLog(context);
    await copyFile(segmentFile(directory, 2), join(dirname(directory), "damaged"));
    const wal = await openWal({ directory, recovery: "salvage" });
    await copyFile(join(dirname(directory), "damaged"), segmentFile(directory, 2));
    const { code, environment } = await run(["repair", directory, "--apply"]);
    assert.equal(code, EXIT_LOCKED);
    assert.match(environment.err, /open for writing/);
    assert.deepEqual(await copiesBeside(directory), ["damaged"]);
    await wal.close();
  });

  test("goes through all logs of a server, or through one", async (context) => {
    const data = await temporaryDirectory(context);
    for (const name of ["wal/worker-1", "catalog/worker-1"]) {
      await mkdir(join(data, name), { recursive: true });
      await (await openLog(join(data, name), { segments: 2, records: 2 })).close();
    }
    await flip(segmentFile(join(data, "catalog/worker-1"), 1), 64 + 60);
    assert.equal((await run(["repair", data])).code, EXIT_DAMAGE);
    assert.equal((await run(["repair", data, "--log", "worker-1"])).code, EXIT_OK);
    assert.equal((await run(["repair", data, "--log", "none"])).code, EXIT_USAGE);
    assert.equal((await run(["repair", data, "--apply"])).code, EXIT_OK);
    const names = await readdir(join(data, "catalog"));
    assert.equal(names.filter((name) => name.startsWith("worker-1-before-repair-")).length, 1);
    assert.deepEqual((await readdir(join(data, "wal"))).length, 1);
  });

  test("of what is no log is wrong usage", async (context) => {
    const directory = await temporaryDirectory(context);
    assert.equal((await run(["repair", directory])).code, EXIT_USAGE);
  });
});
