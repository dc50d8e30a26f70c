import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { openSeriesLog } from "@walnut/series";
import { EXIT_DAMAGE, EXIT_OK, EXIT_USAGE } from "../src/exit-code.ts";
import { closedLog, flip, openLog, run, segmentFile, temporaryDirectory } from "./log-fixture.ts";
import { RecordedEnvironment } from "./recorded-environment.ts";
import { runCli } from "../src/run-cli.ts";

/** LSNs of the lines that were printed. */
function lsnsOf(environment: RecordedEnvironment): number[] {
  return environment.out
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line).lsn);
}

async function lsns(...words: string[]): Promise<number[]> {
  const { code, environment } = await run([...words, "--json"]);
  assert.equal(code, EXIT_OK);
  return lsnsOf(environment);
}

suite("walnut dump", () => {
  test("prints a line for each record", async (context) => {
    const directory = await closedLog(context);
    const { code, environment } = await run(["dump", directory, "--limit", "2"]);
    assert.equal(code, EXIT_OK);
    const lines = environment.out.trimEnd().split("\n");
    assert.equal(lines.length, 3);
    assert.match(lines[1] ?? "", /^ +1 +\d{4}-\d\d-\d\d \S+Z +0 +8 +record-1$/);
  });

  test("chooses by LSN, time, text, kind and number", async (context) => {
    const directory = await temporaryDirectory(context);
    const wal = await openLog(directory, { segments: 2, records: 3 });
    await wal.append(Buffer.from("of kind 5"), { kind: 5 });
    await wal.close();
    assert.deepEqual(await lsns("dump", directory), [1, 2, 3, 4, 5, 6, 7]);
    assert.deepEqual(await lsns("dump", directory, "--from", "3", "--to", "4"), [3, 4]);
    assert.deepEqual(await lsns("dump", directory, "--filter", "rd-5"), [5]);
    assert.deepEqual(await lsns("dump", directory, "--kind", "5"), [7]);
    assert.deepEqual(await lsns("dump", directory, "--limit", "0"), []);
    assert.deepEqual((await lsns("dump", directory, "--from-time", "1h")).length, 7);
    assert.deepEqual(await lsns("dump", directory, "--to-time", "2001-01-01"), []);
  });

  test("prints JSON lines and raw payloads exactly", async (context) => {
    const directory = await temporaryDirectory(context);
    const wal = await openLog(directory, { segments: 0, records: 0 });
    await wal.append(Uint8Array.of(0xff, 0x00, 0x41));
    await wal.append(Buffer.from("grün\n"));
    await wal.close();
    const jsonl = await run(["dump", directory, "--format", "jsonl"]);
    const [binary, text] = jsonl.environment.out
      .trimEnd()
      .split("\n")
      .map((line) => JSON.parse(line));
    assert.equal(binary.base64, "/wBB");
    assert.equal("text" in binary, false);
    assert.equal(text.text, "grün\n");
    const raw = await run(["dump", directory, "--format", "raw", "--to", "1"]);
    assert.equal(raw.environment.out, "\u00ff\u0000A");
  });

  test("prints nothing that a terminal would obey", async (context) => {
    const directory = await temporaryDirectory(context);
    const wal = await openLog(directory, { segments: 0, records: 0 });
    await wal.append(Buffer.from("a long harmless text with \u001b[2J and \u202e in it"));
    await wal.close();
    const { environment } = await run(["dump", directory]);
    for (const character of ["\u001b", "\u202e"]) {
      assert.ok(!environment.out.includes(character));
    }
    assert.match(environment.out, /\\x1b\[2J/);
  });

  test("names damage beside the records and goes on behind it", async (context) => {
    const directory = await closedLog(context);
    await flip(segmentFile(directory, 1), 64 + 64 + 50);
    const text = await run(["dump", directory]);
    assert.equal(text.code, EXIT_DAMAGE);
    assert.match(text.environment.err, /LSN 2: no valid frames/);
    assert.match(text.environment.out, /record-1\n.*record-3\n/);
    const jsonl = await run(["dump", directory, "--json"]);
    const notes = jsonl.environment.out.split("\n").filter((line) => line.includes('"note"'));
    assert.equal(JSON.parse(notes[0] ?? "").offsetBytes, 128);
  });

  test("stops when nobody reads any more", async (context) => {
    const directory = await closedLog(context);
    const environment = new RecordedEnvironment();
    environment.isReaderGone = true;
    assert.equal(await runCli(["dump", directory], environment), EXIT_OK);
    assert.equal(environment.out, "");
  });

  test("refuses wrong flags with the code for usage", async (context) => {
    const directory = await closedLog(context);
    for (const flags of [
      ["--from", "0"],
      ["--from", "x"],
      ["--from-time", "yesterday"],
      ["--kind", "16"],
      ["--limit", "-1"],
      ["--format", "xml"],
      ["--decode", "csv"],
      ["--log", "worker-9"],
    ]) {
      assert.equal((await run(["dump", directory, ...flags])).code, EXIT_USAGE, flags.join(" "));
    }
  });
});

suite("walnut dump --decode series", () => {
  const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

  test("prints points, swaps and releases of a series log, beside its writer", async (context) => {
    const directory = await temporaryDirectory(context);
    await using log = await openSeriesLog({ directory, compression: "none" });
    await log.memtable("cpu").write(7n, 1000n, bytes("idle"));
    await (await log.memtable("cpu").rotate())?.release();
    await log.memtable("cpu").write(7n, 1010n, Uint8Array.of(0, 1));
    await log.memtable("cpu").write(7n, 1020n, bytes("busy"));
    const dump = async (...words: string[]): Promise<string[]> => {
      const { code, environment } = await run(["dump", directory, "--decode", "series", ...words]);
      assert.equal(code, EXIT_OK);
      return environment.out.trimEnd().split("\n");
    };
    const lines = (await dump()).map((line) => line.trim().replace(/^\d+ +/, ""));
    assert.deepEqual(lines, [
      "region 1 of cpu  7 @ 1000  idle",
      "region 1  released",
      "region 2 of cpu  7 @ 1010  0x0001",
      "region 2 of cpu  7 @ 1020  busy",
    ]);
    // The last record alone refers to a series that those before it have named.
    const lastLsn = String(log.status().wal?.positions.appendedLsn);
    assert.match(
      (await dump("--from", lastLsn)).join(),
      /^ *\d+ {2}region 2 of cpu {2}7 @ 1020 {2}busy$/,
    );
    const [point] = (await dump("--from", lastLsn, "--json")).map((line) => JSON.parse(line));
    assert.deepEqual(
      [point.kind, point.region, point.memtableId, point.seriesId, point.timestamp, point.text],
      ["point", 2, "cpu", "7", "1020", "busy"],
    );
    assert.equal((await run(["inspect", directory])).code, EXIT_OK);
  });

  test("names a log of something else", async (context) => {
    const directory = await closedLog(context);
    const { code } = await run(["dump", directory, "--decode", "series"]);
    assert.equal(code, EXIT_USAGE);
  });
});

suite("walnut tail", () => {
  test("prints the newest records", async (context) => {
    const directory = await closedLog(context);
    assert.deepEqual(await lsns("tail", directory, "-n", "3"), [10, 11, 12]);
    assert.deepEqual(await lsns("tail", directory), [3, 4, 5, 6, 7, 8, 9, 10, 11, 12]);
    assert.deepEqual(await lsns("tail", directory, "-n", "0"), []);
  });

  test("follows another writer across rotations until a signal", async (context) => {
    const directory = await temporaryDirectory(context);
    const wal = await openLog(directory, { segments: 1, records: 2 });
    const environment = new RecordedEnvironment();
    const running = runCli(["tail", directory, "-f", "-n", "1", "--json"], environment);
    await environment.printed("record-2");
    await wal.append(Buffer.from("record-3"));
    await wal.rotate();
    await wal.append(Buffer.from("record-4"));
    await environment.printed("record-4");
    environment.signal("SIGINT");
    assert.equal(await running, EXIT_OK);
    assert.deepEqual(lsnsOf(environment), [2, 3, 4]);
    await wal.close();
  });
});
