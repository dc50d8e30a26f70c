/** What a series log promises to those who write, swap, release and read, on a real directory. */
import assert from "node:assert/strict";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, suite, test } from "node:test";
import { isWalError, openWal } from "@walnut/wal";
import {
  isSeriesError,
  ListMemtable,
  openSeriesLog,
  type FlushRequest,
  type SeriesEntry,
  type SeriesErrorCode,
  type SeriesLog,
  type SeriesLogOptions,
  type SeriesRecord,
} from "@walnut/series";
import { contentOf } from "./series-model.ts";

const ROOT = mkdtempSync(join(tmpdir(), "walnut-series-"));
after(() => rmSync(ROOT, { recursive: true, force: true }));

let directories = 0;
const newDirectory = (): string => join(ROOT, String(directories++));

const value = (id: number, bytes = 8): Uint8Array => {
  const made = new Uint8Array(bytes);
  new DataView(made.buffer).setUint32(0, id, true);
  return made;
};

const codeIs =
  (code: SeriesErrorCode) =>
  (error: unknown): boolean =>
    isSeriesError(error, code);

async function recordsOf(log: SeriesLog, from?: number): Promise<SeriesRecord[]> {
  const records: SeriesRecord[] = [];
  for await (const record of log.read({ from, visibility: "written" })) records.push(record);
  return records;
}

suite("writing", () => {
  test("puts a point into log and memtable before it is acknowledged", async () => {
    await using log = await openSeriesLog({ directory: newDirectory() });
    const write = log.write(7n, 1000n, value(1));
    assert.deepEqual(contentOf(log.memtable().active), []);
    const lsn = await write;
    assert.deepEqual(contentOf(log.memtable().active), ["7@1000=1/8"]);
    const [record] = await recordsOf(log, lsn);
    assert.ok(record?.kind === "points");
    assert.deepEqual(record.entries[0]?.timestamps, [1000n]);
  });

  test("makes one entry of the points of a series that are written together", async () => {
    await using log = await openSeriesLog({ directory: newDirectory() });
    const writes = Array.from({ length: 20 }, (_, id) =>
      log.write(BigInt(id % 2), BigInt(id), value(id)),
    );
    await Promise.all(writes);
    const [points] = (await recordsOf(log)).filter(({ kind }) => kind === "points");
    assert.ok(points?.kind === "points");
    assert.deepEqual(
      points.entries.map(({ seriesId, values }) => [seriesId, values.length]),
      [
        [0n, 10],
        [1n, 10],
      ],
    );
  });

  test("copies values before it returns", async () => {
    await using log = await openSeriesLog({ directory: newDirectory() });
    const mine = value(5);
    const write = log.write(1n, 1n, mine);
    mine.fill(0);
    await write;
    assert.deepEqual(contentOf(log.memtable().active), ["1@1=5/8"]);
  });

  test("hands over at once what exceeds the buffer or the threshold", async () => {
    for (const options of [{ bufferSizeBytes: 1000 }, { flushThreshold: 3 }]) {
      await using log = await openSeriesLog({ directory: newDirectory(), ...options });
      const writes = [1, 2, 3].map((id) => log.write(1n, BigInt(id), value(id, 500)));
      const { workingBytes, flushingBytes } = log.status();
      assert.ok(flushingBytes > 0 && workingBytes < flushingBytes);
      await Promise.all(writes);
    }
  });

  test("refuses what the halves of the buffer do not hold, and goes on", async () => {
    await using log = await openSeriesLog({
      directory: newDirectory(),
      walBufferSizeBytes: 64 * 1024,
    });
    const writes = Array.from({ length: 200 }, (_, id) =>
      log.write(1n, BigInt(id), value(id, 1000)),
    );
    const outcomes = await Promise.allSettled(writes);
    const refused = outcomes.filter(({ status }) => status === "rejected");
    assert.ok(refused.length > 0);
    for (const one of refused) {
      assert.ok(one.status === "rejected" && isSeriesError(one.reason, "SERIES_OVERLOADED"));
    }
    await log.write(1n, 1000n, value(1000));
    assert.equal(contentOf(log.memtable().active).length, 200 - refused.length + 1);
  });

  test("refuses values and batches that are too large, and leaves the memtable alone", async () => {
    await using v1 = await openSeriesLog({ directory: newDirectory(), layout: "v1" });
    await assert.rejects(
      v1.write(1n, 1n, new Uint8Array(65_536)),
      codeIs("SERIES_VALUE_TOO_LARGE"),
    );
    await v1.write(1n, 1n, value(1, 65_535));
    await using v2 = await openSeriesLog({ directory: newDirectory() });
    await v2.write(1n, 1n, value(1, 65_536));
    const large = new Uint8Array(40 * 1024 * 1024);
    const batch = [1n, 2n].map((timestamp) => ({ seriesId: 1n, timestamp, value: large }));
    await assert.rejects(v2.writeBatch(batch), codeIs("SERIES_BATCH_TOO_LARGE"));
    await assert.rejects(
      v2.write(1n, 1n, new Uint8Array(65 * 1024 * 1024)),
      codeIs("SERIES_VALUE_TOO_LARGE"),
    );
    assert.equal(contentOf(v2.memtable().active).length, 1);
  });

  test("refuses points that are none", async () => {
    await using log = await openSeriesLog({ directory: newDirectory() });
    await assert.rejects(log.write(-1n, 1n, value(1)), RangeError);
    await assert.rejects(log.write(1n, 2n ** 63n, value(1)), RangeError);
    await assert.rejects(log.write(1 as unknown as bigint, 1n, value(1)), TypeError);
    await assert.rejects(log.write(1n, 1n, "text" as unknown as Uint8Array), TypeError);
    await assert.rejects(log.writeBatch([]), RangeError);
    assert.throws(() => log.memtable(""), RangeError);
    assert.throws(() => log.memtable("x".repeat(256)), RangeError);
  });

  test("ends when a memtable throws; the points are in the log", async () => {
    const directory = newDirectory();
    class Failing extends ListMemtable {
      override apply(): void {
        throw new Error("full");
      }
    }
    const log = await openSeriesLog({ directory, memtable: () => new Failing() });
    await assert.rejects(log.write(1n, 1n, value(1)), codeIs("SERIES_MEMTABLE_FAILED"));
    await assert.rejects(log.write(1n, 2n, value(2)), codeIs("SERIES_MEMTABLE_FAILED"));
    assert.equal(log.status().state, "failed");
    await log.close();
    await using again = await openSeriesLog({ directory });
    assert.deepEqual(
      again.frozen().map(({ memtable }) => contentOf(memtable)),
      [["1@1=1/8"]],
    );
  });

  test("is refused on a closed log", async () => {
    const log = await openSeriesLog({ directory: newDirectory() });
    await log.close();
    await assert.rejects(log.write(1n, 1n, value(1)), codeIs("SERIES_CLOSED"));
    await assert.rejects(log.rotate(), codeIs("SERIES_CLOSED"));
  });
});

suite("options", () => {
  test("are checked", async () => {
    const directory = newDirectory();
    const wrong: readonly unknown[] = [
      {},
      { directory: "" },
      { directory, unknown: 1 },
      { directory, layout: "v3" },
      { directory, durability: "maybe" },
      { directory, compression: "rar" },
      { directory, wal: "off" },
      { directory, fileSizeBytes: 1 },
      { directory, forceWalPeriodMs: 0 },
    ];
    for (const options of wrong) {
      await assert.rejects(
        openSeriesLog(options as SeriesLogOptions),
        codeIs("SERIES_INVALID_OPTION"),
      );
    }
  });

  test("wal: false keeps memtables and nothing else", async () => {
    await using log = await openSeriesLog({ wal: false });
    assert.equal(await log.write(1n, 1n, value(1)), 0);
    const [frozen] = await log.rotate();
    assert.deepEqual(contentOf(frozen?.memtable), ["1@1=1/8"]);
    await frozen?.release();
    assert.deepEqual(log.frozen(), []);
    assert.deepEqual(await recordsOf(log), []);
  });

  test("persistent: false acknowledges at once; a close keeps it", async () => {
    const directory = newDirectory();
    const log = await openSeriesLog({ directory, persistent: false });
    await log.write(1n, 1n, value(1));
    assert.deepEqual(contentOf(log.memtable().active), ["1@1=1/8"]);
    assert.equal(log.status().wal?.positions.appendedLsn, 0);
    await log.close();
    await using again = await openSeriesLog({ directory });
    assert.deepEqual(
      again.frozen().map(({ memtable }) => contentOf(memtable)),
      [["1@1=1/8"]],
    );
  });

  test("persistent: false holds a writer back that is faster than the disk, and refuses nothing", async () => {
    const directory = newDirectory();
    const log = await openSeriesLog({
      directory,
      persistent: false,
      walBufferSizeBytes: 64 * 1024,
    });
    // Nothing in this loop waits for anything but the writes.
    for (let id = 0; id < 1000; id++) await log.write(1n, BigInt(id), value(id, 1000));
    await log.close();
    await using again = await openSeriesLog({ directory });
    assert.equal(again.status().replayedPoints, 1000);
  });

  test("compression shrinks the log, and its absence does not", async () => {
    const bytesOf = async (compression: "none" | "snappy"): Promise<number> => {
      await using log = await openSeriesLog({ directory: newDirectory(), compression });
      for (let id = 0; id < 20; id++) await log.write(1n, BigInt(id), value(id, 1000));
      return log.status().logBytes;
    };
    assert.ok((await bytesOf("snappy")) * 2 < (await bytesOf("none")));
  });
});

suite("rotating", () => {
  test("parts memory and log at the same point under concurrent writers", async () => {
    const directory = newDirectory();
    const log = await openSeriesLog({ directory, bufferSizeBytes: 300 });
    let id = 0;
    const swaps: Promise<unknown>[] = [];
    const writer = async (): Promise<void> => {
      for (let count = 0; count < 60; count++) {
        const mine = id++;
        await log.write(BigInt(mine % 5), BigInt(mine), value(mine, 4 + (mine % 50)));
        if (mine % 37 === 0) swaps.push(count % 2 === 0 ? log.rotate() : log.memtable().rotate());
      }
    };
    await Promise.all(Array.from({ length: 8 }, writer));
    await Promise.all(swaps);
    await log.rotate();
    const contents = (of: SeriesLog): (readonly [number, readonly string[]])[] =>
      of.frozen().map(({ region, memtable }) => [region, contentOf(memtable)]);
    const inMemory = contents(log);
    assert.ok(inMemory.length > 5);
    await log.close();
    await using again = await openSeriesLog({ directory });
    const inLog = contents(again);
    assert.deepEqual(inLog, inMemory);
    assert.equal(inLog.flatMap(([, points]) => points).length, 8 * 60);
  });

  test("ends the file: what is released goes from the disk", async () => {
    const directory = newDirectory();
    await using log = await openSeriesLog({ directory, compression: "none" });
    for (let round = 0; round < 4; round++) {
      await log.write(1n, BigInt(round), value(round, 100_000));
      const [frozen] = await log.rotate();
      await frozen?.release();
    }
    await log.write(1n, 100n, value(100));
    await log.reclaim();
    assert.equal(log.status().files, 1);
    assert.ok(log.status().logBytes < 10_000);
    const segments = readdirSync(join(directory, "wal")).filter((name) => name.endsWith(".wal"));
    assert.ok(segments.length <= 2, segments.join(" "));
  });

  test("gives nothing when there is nothing to flush", async () => {
    await using log = await openSeriesLog({ directory: newDirectory() });
    assert.equal(await log.memtable("a").rotate(), undefined);
    assert.deepEqual(await log.rotate(), []);
  });

  test("never gives out the number of a region twice", async () => {
    const directory = newDirectory();
    const seen = new Set<number>();
    for (let start = 0; start < 4; start++) {
      await using log = await openSeriesLog({ directory });
      await log.write(1n, 1n, value(1));
      const [frozen] = await log.rotate();
      assert.ok(frozen !== undefined && !seen.has(frozen.region));
      seen.add(frozen.region);
      await frozen.release();
      await frozen.release();
      await log.reclaim();
    }
  });
});

suite("slow memtables", () => {
  const fill = async (log: SeriesLog, files: number): Promise<void> => {
    for (let file = 0; file < files; file++) {
      await log.memtable("busy").write(1n, BigInt(file), value(file, 20_000));
      await (await log.memtable("busy").rotate())?.release();
    }
    await log.reclaim();
  };
  const small = { fileSizeBytes: 16 * 1024, maxHeldFiles: 3, compression: "none" } as const;

  test("are carried forward, and a restart finds them whole", async () => {
    const directory = newDirectory();
    const log = await openSeriesLog({ directory, ...small });
    const slow = log.memtable("slow");
    for (let id = 0; id < 5; id++) await slow.write(1n, BigInt(id), value(id));
    const firstLsn = 1;
    await fill(log, 30);
    await slow.write(1n, 100n, value(100));
    const { files, regions, carriedPoints } = log.status();
    assert.ok(files <= 3 + 2, `${files} files`);
    assert.ok(carriedPoints >= 5);
    assert.deepEqual(
      regions.map(({ memtableId, points }) => [memtableId, points]),
      [["slow", 6]],
    );
    const content = contentOf(slow.active);
    await assert.rejects(recordsOf(log, firstLsn), (error) =>
      isWalError(error, "WAL_LSN_TRUNCATED"),
    );
    await log.close();
    await using again = await openSeriesLog({ directory });
    assert.deepEqual(
      again.frozen().map(({ memtable }) => contentOf(memtable)),
      [content],
    );
  });

  test("can be written to and swapped while they are carried: the swap still parts what came before", async () => {
    const directory = newDirectory();
    let whileCarried: (() => void) | undefined;
    class Watched extends ListMemtable {
      override *entries(): IterableIterator<SeriesEntry> {
        whileCarried?.();
        whileCarried = undefined;
        yield* super.entries();
      }
    }
    const log = await openSeriesLog({ directory, ...small, memtable: () => new Watched() });
    const slow = log.memtable("slow");
    await slow.write(1n, 1n, value(1));
    const calls: Promise<unknown>[] = [];
    let swapped: ReturnType<typeof slow.rotate> | undefined;
    whileCarried = () => {
      calls.push(slow.write(1n, 2n, value(2)));
      calls.push(slow.writeBatch([{ seriesId: 1n, timestamp: 3n, value: value(3) }]));
      swapped = slow.rotate();
      calls.push(slow.write(1n, 4n, value(4)));
    };
    await fill(log, 12);
    await Promise.all(calls);
    const frozen = await swapped;
    assert.deepEqual(contentOf(frozen?.memtable), ["1@1=1/8", "1@2=2/8", "1@3=3/8"]);
    assert.deepEqual(contentOf(slow.active), ["1@4=4/8"]);
    await log.close();
    await using again = await openSeriesLog({ directory });
    const found = again.frozen().map(({ memtable }) => contentOf(memtable));
    assert.deepEqual(found, [["1@1=1/8", "1@2=2/8", "1@3=3/8"], ["1@4=4/8"]]);
  });

  test("that are too large are asked for a flush, and status says who holds what", async () => {
    const wanted: FlushRequest[] = [];
    const onFlushWanted = (request: FlushRequest): void => void wanted.push(request);
    await using log = await openSeriesLog({
      directory: newDirectory(),
      ...small,
      maxCarriedBytes: 100,
      onFlushWanted,
    });
    await log.memtable("slow").write(1n, 1n, value(1, 200));
    await log.memtable("other").write(1n, 1n, value(1, 10));
    await fill(log, 10);
    const [holder] = log.status().regions;
    assert.equal(holder?.memtableId, "slow");
    assert.ok(holder.heldFiles >= 9);
    assert.equal(wanted.at(-1)?.memtableId, "slow");
    assert.ok(wanted.every(({ memtableId }) => memtableId === "slow"));
    await (await log.memtable("slow").rotate())?.release();
    await log.reclaim();
    assert.ok(log.status().files <= 5);
  });

  test("are not carried for readers that have had them", async () => {
    await using log = await openSeriesLog({ directory: newDirectory(), ...small });
    await log.memtable("slow").write(1n, 1n, value(1));
    await log.memtable("pin").writeBatch([{ seriesId: 1n, timestamp: 1n, value: value(2) }]);
    await fill(log, 12);
    const records = await recordsOf(log);
    const slow = records.filter((one) => one.kind !== "released" && one.memtableId === "slow");
    assert.deepEqual(
      slow.map(({ kind }) => kind),
      ["restart", "points"],
    );
    // A reader that began with the first record and goes on as a tail sees the point once.
    const abort = new AbortController();
    const kinds: string[] = [];
    await using other = await openSeriesLog({ directory: newDirectory(), ...small });
    const reading = (async () => {
      for await (const one of other.read({
        tail: true,
        signal: abort.signal,
        visibility: "written",
      })) {
        if (one.kind !== "released" && one.memtableId === "slow") kinds.push(one.kind);
        if (one.kind === "points" && one.memtableId === "last") return;
      }
    })();
    await other.memtable("slow").write(1n, 1n, value(1));
    await fill(other, 12);
    assert.ok(other.status().carriedPoints > 0);
    await other.memtable("last").write(1n, 1n, value(1));
    await reading;
    assert.deepEqual(kinds, ["points"]);
  });
});

suite("reading", () => {
  test("begins anywhere, sees what is there, and goes on live", async () => {
    await using log = await openSeriesLog({ directory: newDirectory() });
    const lsns: number[] = [];
    for (let id = 0; id < 10; id++) lsns.push(await log.write(1n, BigInt(id), value(id)));
    const from = lsns[5];
    const abort = new AbortController();
    const times: bigint[] = [];
    const reading = (async () => {
      for await (const record of log.read({ from, tail: true, signal: abort.signal })) {
        if (record.kind === "points")
          times.push(...record.entries.flatMap(({ timestamps }) => timestamps));
        if (times.length === 8) abort.abort();
      }
    })();
    for (let id = 10; id < 13; id++) await log.write(1n, BigInt(id), value(id));
    await assert.rejects(reading, (error) => isWalError(error, "WAL_ABORTED"));
    assert.deepEqual(times, [5n, 6n, 7n, 8n, 9n, 10n, 11n, 12n]);
  });

  test("a log of something else is named, not misread", async () => {
    const directory = newDirectory();
    const foreign = await openWal({ directory: join(directory, "wal") });
    await foreign.append(new TextEncoder().encode("\u0003hello"));
    await foreign.close();
    await assert.rejects(openSeriesLog({ directory }), codeIs("SERIES_CORRUPT"));
  });

  test("a newer format is refused", async () => {
    const directory = newDirectory();
    const newer = await openWal({ directory: join(directory, "wal") });
    await newer.append(Uint8Array.of(1, 99, 2, 1));
    await newer.close();
    await assert.rejects(openSeriesLog({ directory }), codeIs("SERIES_UNSUPPORTED_FORMAT"));
  });

  test("one writer at a time", async () => {
    const directory = newDirectory();
    await using log = await openSeriesLog({ directory });
    assert.equal(log.status().state, "open");
    await assert.rejects(openSeriesLog({ directory }), (error) => isWalError(error, "WAL_LOCKED"));
  });
});
