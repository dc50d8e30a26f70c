/** Commands beside a process that appends, rotates, releases and restarts: never a false alarm, never a lost record. */
import assert from "node:assert/strict";
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { suite, test, type TestContext } from "node:test";
import { fileURLToPath } from "node:url";
import { inspectLog, readLog, verifyLog } from "@walnut/wal";
import { EXIT_OK } from "../src/exit-code.ts";
import { runCli } from "../src/run-cli.ts";
import { run, temporaryDirectory } from "./log-fixture.ts";
import { RecordedEnvironment } from "./recorded-environment.ts";

/** Appends batches and single records, some over a frame's size, and lets old segments go. */
const WRITER = `
  import { openWal } from "@walnut/wal";
  const wal = await openWal({ directory: process.argv[1], segmentSizeBytes: 512 * 1024, prewriteBytes: 64 * 1024 });
  const cursor = wal.cursor("reader");
  console.log("open");
  for (let round = 0; ; round++) {
    const appends = Array.from({ length: 20 }, (_, index) => {
      const bytes = Buffer.alloc(8 + ((round * 37 + index * 11) % 900), 97 + (round % 26));
      return wal.append(bytes);
    });
    if (round % 7 === 0) appends.push(wal.appendBatch(Array.from({ length: 40 }, () => Buffer.alloc(8000, 98))));
    await Promise.all(appends);
    if (round % 25 === 24) await cursor.ack(Math.max(0, wal.positions.durableLsn - 1500));
  }
`;

async function startWriter(context: TestContext, directory: string): Promise<ChildProcess> {
  const words = ["--conditions=@walnut/source", "--import", "tsx", "--input-type=module"];
  const writer = spawn(process.execPath, [...words, "-e", WRITER, directory], {
    cwd: fileURLToPath(new URL("..", import.meta.url)),
    stdio: ["ignore", "pipe", "inherit"],
  });
  context.after(() => writer.kill("SIGKILL"));
  await once(writer.stdout, "data");
  return writer;
}

async function stopHard(writer: ChildProcess): Promise<void> {
  writer.kill("SIGKILL");
  await once(writer, "exit");
}

suite("beside a writer process", () => {
  test("nothing is called damaged, and records are read densely", async (context) => {
    const directory = await temporaryDirectory(context);
    const writer = await startWriter(context, directory);
    const untilMs = performance.now() + 1500;
    let rounds = 0;
    for (; performance.now() < untilMs || rounds < 5; rounds++) {
      const { damage, gaps, records } = await verifyLog({ directory });
      assert.deepEqual([damage, gaps], [[], []], `after ${records} records`);
      assert.deepEqual((await inspectLog({ directory })).damage, []);
      let nextLsn: number | undefined;
      for await (const part of readLog({ directory })) {
        if (part.kind === "missed") nextLsn = part.lastLsn + 1;
        else assert.equal(part.kind, "records");
        if (part.kind !== "records") continue;
        const [first] = part.records;
        assert.equal(first?.lsn, nextLsn ?? first?.lsn);
        nextLsn = (part.records.at(-1)?.lsn ?? 0) + 1;
      }
    }
    for (const command of ["inspect", "verify", "stats", "cursors"]) {
      assert.equal((await run([command, directory])).code, EXIT_OK, command);
    }
    await stopHard(writer);
    assert.equal((await run(["verify", directory])).code, EXIT_OK, "after kill -9");
  });

  test("a follower sees every record across kill -9 and restart", async (context) => {
    const directory = await temporaryDirectory(context);
    let writer = await startWriter(context, directory);
    const environment = new RecordedEnvironment();
    const following = runCli(["tail", directory, "-f", "-n", "1", "--json"], environment);
    await environment.listening();
    for (let lives = 0; lives < 2; lives++) {
      await new Promise((resolve) => setTimeout(resolve, 400));
      await stopHard(writer);
      writer = await startWriter(context, directory);
    }
    await new Promise((resolve) => setTimeout(resolve, 300));
    await stopHard(writer);
    await new Promise((resolve) => setTimeout(resolve, 600));
    environment.signal("SIGINT");
    assert.equal(await following, EXIT_OK);
    const { written } = await inspectLog({ directory });
    const parts = environment.out
      .trimEnd()
      .split("\n")
      .map((line) => JSON.parse(line));
    let nextLsn = parts[0].lsn;
    for (const { note, lsn, lastLsn } of parts) {
      if (note === "cut" || note === "missed") nextLsn = lastLsn + 1;
      else assert.equal(lsn, nextLsn++);
    }
    assert.equal(nextLsn - 1, written?.lsn);
  });
});
