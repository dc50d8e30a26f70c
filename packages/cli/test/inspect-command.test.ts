import assert from "node:assert/strict";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { suite, test } from "node:test";
import { stripVTControlCharacters } from "node:util";
import { EXIT_DAMAGE, EXIT_OK, EXIT_USAGE } from "../src/exit-code.ts";
import { closedLog, flip, openLog, run, segmentFile, temporaryDirectory } from "./log-fixture.ts";

suite("walnut inspect", () => {
  test("lists segments, positions and cursors of a log beside its writer", async (context) => {
    const directory = await temporaryDirectory(context);
    const wal = await openLog(directory, { segments: 2, records: 3 });
    await wal.cursor("reader").ack(1);
    const { code, environment } = await run(["inspect", directory, "--json"]);
    assert.equal(code, EXIT_OK);
    const [log] = environment.json.logs;
    assert.deepEqual(
      log.segments.map(({ segmentId, firstLsn, lastLsn, state }: Record<string, unknown>) => [
        segmentId,
        firstLsn,
        lastLsn,
        state,
      ]),
      [
        [1, 1, 3, "sealed"],
        [2, 4, 6, "last"],
      ],
    );
    assert.equal(log.written.lsn, 6);
    assert.equal(log.cursors[0].ackedLsn, 1);
    if (process.platform === "linux") assert.equal(log.writer.state, "alive");
    await wal.close();
    const after = await run(["inspect", directory, "--json"]);
    if (process.platform === "linux") {
      assert.equal(after.environment.json.logs[0].writer.state, "none");
    }
  });

  test("draws a map that fits the terminal, and colours only where they are wanted", async (context) => {
    const directory = await closedLog(context);
    for (const columns of [80, 120]) {
      const { environment } = await run(["inspect", directory], { isTTY: true, columns });
      const lines = stripVTControlCharacters(environment.out).split("\n");
      for (const line of lines.slice(1)) assert.ok(line.length <= columns, line);
      assert.ok(lines.some((line) => line.includes("█")));
      assert.ok(environment.out.includes("\u001b["));
    }
    const variables = { NO_COLOR: "1", LANG: "C" };
    const plain = await run(["inspect", directory], { isTTY: true, variables });
    assert.equal(stripVTControlCharacters(plain.environment.out), plain.environment.out);
    assert.doesNotMatch(plain.environment.out, /█/);
    assert.match(plain.environment.out, /###/);
  });

  test("shows every log of a server's data directory", async (context) => {
    const data = await temporaryDirectory(context);
    for (const name of ["wal/worker-1", "catalog/worker-1"]) {
      await mkdir(join(data, name), { recursive: true });
      const wal = await openLog(join(data, name), { segments: 1, records: 2 });
      await wal.close();
    }
    const { environment } = await run(["inspect", data, "--json"]);
    assert.deepEqual(
      environment.json.logs.map(({ name }: { name: string }) => name),
      ["worker-1", "catalog-1"],
    );
  });

  test("tells damaged headers with the code for damage", async (context) => {
    const directory = await closedLog(context);
    await flip(segmentFile(directory, 2), 10);
    const { code, environment } = await run(["inspect", directory]);
    assert.equal(code, EXIT_DAMAGE);
    assert.match(environment.out, /000000000002\.wal .*header/);
  });

  test("counts what is archived and in quarantine", async (context) => {
    const directory = await closedLog(context);
    await writeFile(join(directory, "000000000000.wal.recovered"), "12345");
    await mkdir(join(directory, "quarantine"));
    await writeFile(join(directory, "quarantine", "report.json"), "{}");
    const { environment } = await run(["inspect", directory, "--json"]);
    const [{ archived, quarantined }] = environment.json.logs;
    assert.deepEqual(
      [archived, quarantined],
      [
        { files: 1, bytes: 5 },
        { files: 1, bytes: 2 },
      ],
    );
  });

  test("every command refuses what is no log with the code for usage, in JSON too", async (context) => {
    const empty = await temporaryDirectory(context);
    const other = await temporaryDirectory(context);
    await writeFile(join(other, "notes.txt"), "not a log");
    const missing = join(empty, "nowhere");
    const file = join(other, "notes.txt");
    for (const command of ["inspect", "verify", "stats", "dump", "tail", "cursors"]) {
      for (const directory of [empty, other, missing, file]) {
        const { code, environment } = await run([command, directory]);
        assert.equal(code, EXIT_USAGE, `${command} ${directory}`);
        assert.equal(environment.out, "");
        assert.ok(environment.err.includes(directory));
      }
    }
    const { code, environment } = await run(["verify", empty, "--json"]);
    assert.equal(code, EXIT_USAGE);
    assert.equal(environment.json.error.exitCode, EXIT_USAGE);
  });

  test("shows a log that holds nothing yet", async (context) => {
    const directory = await temporaryDirectory(context);
    const wal = await openLog(directory, { segments: 0, records: 0 });
    for (const command of ["inspect", "verify", "stats", "dump", "tail", "cursors"]) {
      assert.equal((await run([command, directory])).code, EXIT_OK, command);
    }
    await wal.close();
  });
});
