import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { stripVTControlCharacters } from "node:util";
import { EXIT_DAMAGE, EXIT_OK } from "../src/exit-code.ts";
import { closedLog, flip, openLog, run, segmentFile, temporaryDirectory } from "./log-fixture.ts";

suite("walnut stats", () => {
  test("counts records, bytes, frames, kinds and sizes", async (context) => {
    const directory = await temporaryDirectory(context);
    const wal = await openLog(directory, { segments: 0, records: 0 });
    await wal.appendBatch([new Uint8Array(0), new Uint8Array(100), new Uint8Array(1000)]);
    await wal.append(new Uint8Array(100), { kind: 2 });
    await wal.close();
    const { code, environment } = await run(["stats", directory, "--json"]);
    assert.equal(code, EXIT_OK);
    const [log] = environment.json.logs;
    assert.equal(log.records, 4);
    assert.equal(log.payloadBytes, 1200);
    assert.equal(log.frames, 2);
    assert.equal(log.recordsPerFrame, 2);
    assert.deepEqual(log.recordsByKind, { 0: 3, 2: 1 });
    assert.deepEqual([log.sizes.min, log.sizes.mean, log.sizes.max], [0, 300, 1000]);
    assert.ok(Math.abs(log.sizes.median - 100) <= 3);
    assert.deepEqual(
      log.sizes.buckets
        .filter(({ records }: { records: number }) => records > 0)
        .map(({ fromBytes, records }: Record<string, number>) => [fromBytes, records]),
      [
        [0, 1],
        [64, 2],
        [512, 1],
      ],
    );
  });

  test("draws a histogram that fits the terminal", async (context) => {
    const directory = await closedLog(context);
    const { environment } = await run(["stats", directory], { isTTY: true, columns: 80 });
    const lines = stripVTControlCharacters(environment.out).split("\n");
    for (const line of lines.slice(1)) assert.ok(line.length <= 80, line);
    assert.match(environment.out, /8 - 16.*100\.0 %.*█/s);
  });

  test("counts what can be read of a damaged log", async (context) => {
    const directory = await closedLog(context);
    await flip(segmentFile(directory, 1), 64 + 50);
    const { code, environment } = await run(["stats", directory, "--json"]);
    assert.equal(code, EXIT_DAMAGE);
    assert.equal(environment.json.logs[0].records, 11);
    assert.equal(environment.json.logs[0].damagedPlaces, 1);
  });
});
