/** The example keeps what it promises: killed at random moments it has lost nothing that it had acknowledged. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { after, suite, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { SeriesStore } from "./series-store.ts";

const ROOT = mkdtempSync(join(tmpdir(), "walnut-series-store-"));
after(() => rmSync(ROOT, { recursive: true, force: true }));

const CYCLES = Number(process.env["WALNUT_KILL_CYCLES"] ?? "4");
const PROGRAM = fileURLToPath(new URL("main.ts", import.meta.url));

/** Runs the program, kills it some time after it began to write, and returns what it said. */
async function run(
  directory: string,
  afterMs: number,
  signal: "SIGKILL" | "SIGTERM",
): Promise<readonly string[]> {
  const flags = ["--conditions=@walnut/source", "--import", "tsx"];
  const child = spawn(process.execPath, [...flags, PROGRAM, directory], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const lines: string[] = [];
  const reader = createInterface({ input: child.stdout });
  const closed = once(reader, "close");
  const isWriting = new Promise<void>((resolve) => {
    reader.on("line", (line) => {
      lines.push(line);
      if (line.startsWith("acknowledged")) resolve();
    });
  });
  const exited = once(child, "exit");
  await Promise.race([isWriting, exited]);
  await sleep(afterMs);
  child.kill(signal);
  await Promise.all([exited, closed]);
  return lines;
}

const numberIn = (line: string | undefined): number => Number(/\d+/.exec(line ?? "")?.[0]);

suite("the example store", () => {
  test("survives kill -9 at random moments", async (context) => {
    const directory = join(ROOT, "killed");
    let acknowledged = 0;
    for (let cycle = 0; cycle < CYCLES; cycle++) {
      const [found, ...lines] = await run(directory, Math.random() * 1200, "SIGKILL");
      assert.match(found ?? "", /none missing$/);
      assert.ok(numberIn(found) >= acknowledged, `${found}, ${acknowledged} acknowledged before`);
      acknowledged = numberIn(lines.at(-1));
      assert.ok(acknowledged > 0);
    }
    const last = await run(directory, 0, "SIGTERM");
    assert.ok(numberIn(last[0]) >= acknowledged);
    assert.match(last.at(-1) ?? "", /^stopped with/);
    const files = readdirSync(directory).filter((name) => name.endsWith(".sorted"));
    assert.ok(files.length > 0, "nothing was flushed: the test says too little");
    context.diagnostic(`${acknowledged} points, ${files.length} files`);
  });

  test("answers queries from files and memtable alike", async () => {
    const directory = join(ROOT, "queried");
    const value = (id: number): Uint8Array => new TextEncoder().encode(`v${id}`);
    const writeAll = async (store: SeriesStore, ids: readonly number[]): Promise<void> => {
      await Promise.all(ids.map((id) => store.write(BigInt(id % 3), BigInt(id), value(id))));
    };
    const timesOf = async (store: SeriesStore): Promise<readonly bigint[]> =>
      (await store.query(1n, 4n, 16n)).map(({ timestamp }) => timestamp);

    const store = await SeriesStore.open(directory);
    await writeAll(store, [13, 1, 7, 4]);
    await store.flush();
    await writeAll(store, [10, 16, 19, 2]);
    const expected = [4n, 7n, 10n, 13n, 16n];
    assert.deepEqual(await timesOf(store), expected);
    await store.close();
    const again = await SeriesStore.open(directory);
    assert.deepEqual(await timesOf(again), expected);
    assert.deepEqual(await again.query(99n, 0n, 100n), []);
    await again.close();
  });
});
