import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { suite, test, type TestContext } from "node:test";
import { fileURLToPath } from "node:url";
import { openWal, verifyLog } from "@walnut/wal";
import { EXIT_DAMAGE, EXIT_OK, EXIT_USAGE } from "../src/exit-code.ts";
import { closedLog, openLog, run, segmentFile, temporaryDirectory } from "./log-fixture.ts";

/** Appends numbered records as fast as it can, rotates, releases, and now and then cuts the last ones off. */
const WRITER = `
  import { openWal } from "@walnut/wal";
  const wal = await openWal({ directory: process.argv[1], segmentSizeBytes: 128 * 1024, durability: "async" });
  const cursor = wal.cursor("reader");
  await wal.append(Buffer.from("1"));
  console.log("open");
  for (let round = 0; ; round++) {
    const first = wal.positions.appendedLsn + 1;
    await Promise.all(Array.from({ length: 200 }, (_, index) => wal.append(Buffer.from(String(first + index)))));
    if (round % 20 === 19) await cursor.ack(Math.max(0, wal.positions.durableLsn - 20_000));
    if (round % 33 === 32) await wal.truncateBack(wal.positions.appendedLsn - 100);
  }
`;

async function backedUp(context: TestContext): Promise<{ log: string; backup: string }> {
  const log = await closedLog(context);
  const backup = join(await temporaryDirectory(context), "backup");
  assert.equal((await run(["backup", log, backup])).code, EXIT_OK);
  return { log, backup };
}

suite("walnut backup", () => {
  test("makes a log of a log, and says what is in it", async (context) => {
    const log = await closedLog(context);
    const backup = join(await temporaryDirectory(context), "backup");
    const { code, environment } = await run(["backup", log, backup]);
    assert.equal(code, EXIT_OK);
    assert.match(environment.out, /LSN 1 - 12 in 3 segments/);
    assert.equal((await run(["verify", backup])).code, EXIT_OK);
  });

  test("works on a log that is open, and prints JSON", async (context) => {
    const log = await temporaryDirectory(context);
    const wal = await openLog(log, { segments: 2, records: 5 });
    const target = join(await temporaryDirectory(context), "backup");
    const { code, environment } = await run(["backup", log, target, "--json"]);
    assert.equal(code, EXIT_OK);
    const { firstLsn, lastLsn, segments, directory } = environment.json;
    assert.deepEqual([firstLsn, lastLsn, segments, directory], [1, 10, 2, target]);
    await wal.close();
  });

  test("shows how far it is on a terminal", async (context) => {
    const log = await closedLog(context);
    const target = join(await temporaryDirectory(context), "backup");
    const { environment } = await run(["backup", log, target], { isTTY: true });
    assert.match(environment.out, /LSN 1 - 12/);
  });

  test("refuses a target that is not empty, and a log that is damaged", async (context) => {
    const { log, backup } = await backedUp(context);
    const again = await run(["backup", log, backup]);
    assert.equal(again.code, EXIT_USAGE);
    assert.match(again.environment.err, /empty or a new directory/);
    await rm(segmentFile(log, 2));
    assert.equal((await run(["backup", log, `${backup}-2`])).code, EXIT_DAMAGE);
  });

  test("of a server asks which log is meant", async (context) => {
    const data = await temporaryDirectory(context);
    for (const name of ["wal/worker-1", "catalog/worker-1"]) {
      await mkdir(join(data, name), { recursive: true });
      await (await openLog(join(data, name), { segments: 1, records: 2 })).close();
    }
    const target = join(data, "backup");
    const { code, environment } = await run(["backup", data, target]);
    assert.equal(code, EXIT_USAGE);
    assert.match(environment.err, /--log worker-1 or --log catalog-1/);
    assert.equal((await run(["backup", data, target, "--log", "catalog-1"])).code, EXIT_OK);
  });

  test("beside a process that appends, rotates, releases and cuts, is whole each time", async (context) => {
    const log = join(await temporaryDirectory(context), "log");
    const words = ["--conditions=@walnut/source", "--import", "tsx", "--input-type=module"];
    const writer = spawn(process.execPath, [...words, "-e", WRITER, log], {
      cwd: fileURLToPath(new URL("..", import.meta.url)),
      stdio: ["ignore", "pipe", "inherit"],
    });
    context.after(() => writer.kill("SIGKILL"));
    await once(writer.stdout, "data");
    let lastLsn = 0;
    for (let count = 0; count < 8; count++) {
      const backup = `${log}-backup-${count}`;
      const { code, environment } = await run(["backup", log, backup, "--json"]);
      assert.equal(code, EXIT_OK, environment.err);
      const { damage, records, firstLsn } = await verifyLog({ directory: backup });
      assert.deepEqual(damage, []);
      assert.equal(firstLsn + records - 1, environment.json.lastLsn);
      const restored = `${log}-restored-${count}`;
      assert.equal((await run(["restore", backup, restored])).code, EXIT_OK);
      const wal = await openWal({ directory: restored });
      for await (const { lsn, payload } of wal.read()) {
        assert.equal(Buffer.from(payload).toString(), String(lsn));
      }
      lastLsn = wal.positions.appendedLsn;
      await wal.close();
      await rm(restored, { recursive: true });
      await rm(backup, { recursive: true });
    }
    assert.ok(lastLsn > 0);
    writer.kill("SIGKILL");
    await once(writer, "exit");
    assert.equal((await run(["verify", log])).code, EXIT_OK, "and the log is whole");
  });
});

suite("walnut restore", () => {
  test("makes a log of a backup", async (context) => {
    const { backup } = await backedUp(context);
    const target = `${backup}-restored`;
    const { code, environment } = await run(["restore", backup, target]);
    assert.equal(code, EXIT_OK);
    assert.match(environment.out, /LSN 1 - 12, every frame verified; the next record gets 13/);
    const wal = await openWal({ directory: target });
    assert.equal(wal.positions.appendedLsn, 12);
    await wal.close();
  });

  test("up to an LSN or a time, and says when that was not in the backup", async (context) => {
    const { backup } = await backedUp(context);
    const cases = [
      { flags: ["--until-lsn", "7"], lastLsn: 7, note: /^$/ },
      { flags: ["--until-lsn", "99"], lastLsn: 12, note: /ends with LSN 12/ },
      { flags: ["--until-lsn", "0"], lastLsn: 0, note: /holds no records/ },
      { flags: ["--until-time", "1d"], lastLsn: 0, note: /holds no records/ },
      { flags: ["--until-time", "2100-01-01"], lastLsn: 12, note: /^$/ },
    ];
    for (const [index, { flags, lastLsn, note }] of cases.entries()) {
      const target = `${backup}-${index}`;
      const { code, environment } = await run(["restore", backup, target, "--json", ...flags]);
      assert.equal(code, EXIT_OK);
      assert.deepEqual(environment.json, { directory: target, firstLsn: 1, lastLsn });
      assert.match(environment.err.trim(), note);
    }
  });

  test("refuses a directory that is not empty, what is no backup, and two ends at once", async (context) => {
    const { log, backup } = await backedUp(context);
    assert.equal((await run(["restore", backup, log])).code, EXIT_USAGE);
    const nothing = `${backup}-nothing`;
    assert.equal((await run(["restore", nothing, `${backup}-1`])).code, EXIT_USAGE);
    await mkdir(nothing);
    assert.equal((await run(["restore", nothing, `${backup}-1`])).code, EXIT_DAMAGE);
    const both = ["--until-lsn", "1", "--until-time", "1h"];
    assert.equal((await run(["restore", backup, `${backup}-1`, ...both])).code, EXIT_USAGE);
    assert.equal(
      (await run(["restore", backup, `${backup}-1`, "--until-lsn", "x"])).code,
      EXIT_USAGE,
    );
    await assert.rejects(readdir(`${backup}-1`), { code: "ENOENT" });
  });
});
