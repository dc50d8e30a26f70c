/** Damage and keys: what is damaged is named, a salvage mixes nothing up, and nobody reads without the key. */
import assert from "node:assert/strict";
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, suite, test } from "node:test";
import { isWalError } from "@walnut/wal";
import { openSeriesLog, type SeriesLog, type SeriesLogOptions } from "@walnut/series";
import { contentOf } from "./series-model.ts";

const ROOT = mkdtempSync(join(tmpdir(), "walnut-series-"));
after(() => rmSync(ROOT, { recursive: true, force: true }));

let directories = 0;
const newDirectory = (): string => join(ROOT, String(directories++));

/** Says which point it is: a point that comes back with another series or time is seen. */
const valueOf = (seriesId: bigint, timestamp: bigint): Uint8Array => {
  const value = new Uint8Array(300);
  new DataView(value.buffer).setUint32(0, Number(seriesId) * 1000 + Number(timestamp), true);
  return value;
};

const SERIES = 6n;

/** Three regions in two files, with series that appear one after the other. */
async function write(directory: string, options: SeriesLogOptions): Promise<number> {
  await using log = await openSeriesLog({ directory, compression: "none", ...options });
  let newest = 0;
  for (let round = 0n; round < 3n; round++) {
    for (let at = 0n; at < 12n; at++) {
      const seriesId = (at / 2n + round) % SERIES;
      const timestamp = round * 100n + at;
      await log.write(seriesId, timestamp, valueOf(seriesId, timestamp));
    }
    if (round < 2n) newest = (await log.memtable().rotate())?.region ?? 0;
    if (round === 0n) await log.rotate();
  }
  return newest + 1;
}

function segmentsOf(directory: string): string[] {
  const names = readdirSync(join(directory, "wal")).filter((name) => name.endsWith(".wal"));
  return names.sort().map((name) => join(directory, "wal", name));
}

function assertOnlyWhatWasWritten(log: SeriesLog): number {
  const seen = new Set<string>();
  for (const { memtable } of log.frozen()) {
    for (const text of contentOf(memtable)) {
      const [, seriesId, timestamp, id] = /^(\d+)@(\d+)=(\d+)\/300$/.exec(text) ?? [];
      assert.equal(Number(seriesId) * 1000 + Number(timestamp), Number(id), text);
      assert.ok(!seen.has(text), `${text} is there twice`);
      seen.add(text);
    }
  }
  return seen.size;
}

suite("damage", () => {
  for (const layout of ["v1", "v2"] as const) {
    test(`is named, and a salvage keeps what can be told apart, layout ${layout}`, async () => {
      const whole = newDirectory();
      const newest = await write(whole, { layout });
      const [first = ""] = segmentsOf(whole);
      const { byteLength } = readFileSync(first);
      let lost = 0;
      let least = Number.POSITIVE_INFINITY;
      for (let offset = 10; offset < byteLength; offset += 997) {
        const directory = newDirectory();
        cpSync(whole, directory, { recursive: true });
        const [path = ""] = segmentsOf(directory);
        const bytes = readFileSync(path);
        bytes.fill(0x5a, offset, offset + 3);
        writeFileSync(path, bytes);
        await openSeriesLog({ directory }).then(
          // Such as a seal, which the chain of headers does without.
          async (log) => {
            assert.equal(assertOnlyWhatWasWritten(log), 36, `offset ${offset}`);
            await log.close();
          },
          (error: unknown) => assert.ok(isWalError(error, "WAL_CORRUPT"), String(error)),
        );
        const log = await openSeriesLog({ directory, recovery: "salvage" });
        const points = assertOnlyWhatWasWritten(log);
        const { lostRecords } = log.status();
        assert.equal(points < 36, lostRecords > 0, `${points} points, ${lostRecords} records lost`);
        least = Math.min(least, points);
        if (lostRecords > 0) {
          lost++;
          // A reader is told the same, and a region that begins now has a number that none had before.
          const read: unknown[] = [];
          for await (const record of log.read({ visibility: "written" })) read.push(record);
          assert.ok(read.length > 0);
          await log.write(1n, 1000n, valueOf(1n, 1000n));
          const [frozen] = await log.rotate();
          assert.ok((frozen?.region ?? 0) > newest + 1000);
        }
        await log.close();
        if (lostRecords === 0) continue;
        await assert.rejects(openSeriesLog({ directory }), (error) => isWalError(error, "WAL_GAP"));
        await using again = await openSeriesLog({ directory, recovery: "salvage" });
        assert.equal(assertOnlyWhatWasWritten(again), points + 1);
      }
      assert.ok(lost > 3, `${lost} losses`);
      assert.ok(least >= 12, "the other file is whole");
    });
  }
});

suite("encryption", () => {
  const encryptedWith = (fill: number): SeriesLogOptions => ({
    encryption: { keyId: 1, keys: () => new Uint8Array(32).fill(fill) },
  });

  test("keeps values from the disk, and needs its key again", async () => {
    const directory = newDirectory();
    const secret = new TextEncoder().encode("a value that nobody else should read");
    const log = await openSeriesLog({ directory, ...encryptedWith(1) });
    await log.write(1n, 1n, secret);
    assert.ok((log.metrics()?.appendedRecords ?? 0) > 0);
    await log.close();
    for (const path of segmentsOf(directory)) {
      assert.ok(!readFileSync(path).includes("nobody else"));
    }
    await assert.rejects(openSeriesLog({ directory }), (error) =>
      isWalError(error, "WAL_KEY_MISSING"),
    );
    await assert.rejects(openSeriesLog({ directory, ...encryptedWith(2) }), (error) =>
      isWalError(error, "WAL_KEY_WRONG"),
    );
    await using again = await openSeriesLog({ directory, ...encryptedWith(1) });
    const [found] = again.frozen()[0]?.memtable.get(1n)?.values ?? [];
    assert.deepEqual(Buffer.from(found ?? []), Buffer.from(secret));
  });
});
