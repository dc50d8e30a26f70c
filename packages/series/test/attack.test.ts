/** What a careless store, a failing disk and hostile bytes can do to a series log: nothing that is not said. */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, suite, test } from "node:test";
import { FaultyStorage, SeededRandom, Simulation } from "@walnut/testkit";
import { isWalError, openWal } from "@walnut/wal";
import {
  isSeriesError,
  ListMemtable,
  openSeriesLog,
  type SeriesEntry,
  type SeriesLog,
} from "@walnut/series";
import { contentOf, open } from "./series-model.ts";

const ROOT = mkdtempSync(join(tmpdir(), "walnut-series-"));
after(() => rmSync(ROOT, { recursive: true, force: true }));

let directories = 0;
const newDirectory = (): string => join(ROOT, String(directories++));

const value = (id: number, bytes = 8): Uint8Array => {
  const made = new Uint8Array(bytes);
  new DataView(made.buffer).setUint32(0, id, true);
  return made;
};

const foundIn = (log: SeriesLog): string[] =>
  log.frozen().flatMap(({ memtable }) => contentOf(memtable));

suite("releases", () => {
  test("twice at once, again later, and in any order: each region goes once, the others stay", async () => {
    const directory = newDirectory();
    const log = await openSeriesLog({ directory });
    const frozen = [];
    for (let id = 1; id <= 4; id++) {
      await log.write(1n, BigInt(id), value(id));
      frozen.push(...(await log.rotate()));
    }
    const [first, second, third, fourth] = frozen;
    await Promise.all([third?.release(), third?.release(), second?.release()]);
    await third?.release();
    await log.reclaim();
    assert.deepEqual(foundIn(log), ["1@1=1/8", "1@4=4/8"]);
    assert.equal(log.status().regions[0]?.region, first?.region);
    await fourth?.release();
    await log.close();
    await fourth?.release(); // Was done before: nothing is left to be refused.
    await assert.rejects(
      async () => await first?.release(),
      (error) => isSeriesError(error, "SERIES_CLOSED"),
    );
    await using again = await openSeriesLog({ directory });
    assert.deepEqual(foundIn(again), ["1@1=1/8"]);
  });

  test("beside the writes and swaps of others, on a disk that fails at some call: nothing that was acknowledged is lost", async () => {
    let failures = 0;
    for (let nth = 3; nth <= 60; nth += 3) {
      const kind = nth % 2 === 0 ? "syncData" : "writeDurable";
      const simulation = new Simulation({
        seed: nth,
        wrapStorage: (disk) => new FaultyStorage(disk, [{ kind, nth, code: "EIO" }]),
      });
      const acknowledged = new Set<string>();
      const flushed = new Set<string>();
      const flush = async (log: SeriesLog): Promise<void> => {
        for (const frozen of await log.rotate()) {
          for (const text of contentOf(frozen.memtable)) flushed.add(text);
          await frozen.release();
        }
      };
      const end = await simulation.run(async (environment) => {
        const log = await open(environment).catch(() => undefined);
        if (log === undefined) return;
        let id = 0;
        const writer = async (): Promise<void> => {
          for (let count = 0; count < 12; count++) {
            const mine = id++;
            await log.write(BigInt(mine % 3), BigInt(mine), value(mine, 2000));
            acknowledged.add(`${mine % 3}@${mine}=${mine}/2000`);
            if (count % 4 === 3) await flush(log);
          }
        };
        const outcomes = await Promise.allSettled([writer(), writer(), writer()]);
        failures += outcomes.filter(({ status }) => status === "rejected").length;
        for (const outcome of outcomes) {
          if (outcome.status === "rejected") assert.ok(isWalError(outcome.reason));
        }
        await log.close().catch((error: unknown) => assert.ok(isWalError(error)));
      });
      if (end.kind === "failed") throw new Error(`nth ${nth}`, { cause: end.error });
      assert.equal(end.kind, "done", `nth ${nth}`);
      await new Simulation({ seed: nth, disk: simulation.disk }).run(async (environment) => {
        const log = await open(environment);
        const there = new Set([...flushed, ...foundIn(log)]);
        for (const text of acknowledged) assert.ok(there.has(text), `nth ${nth}: ${text} is lost`);
        await log.close();
      });
    }
    assert.ok(failures > 10, `${failures} failures`);
  });
});

suite("a memtable that throws", () => {
  class Picky extends ListMemtable {
    override apply(entries: readonly SeriesEntry[]): void {
      if (entries.some(({ seriesId }) => seriesId === 13n)) throw new Error("thirteen");
      super.apply(entries);
    }
  }

  test("in the middle of a group: whoever was not applied is not acknowledged, and a restart has all", async () => {
    const directory = newDirectory();
    const log = await openSeriesLog({ directory, memtable: () => new Picky() });
    const writes = ["a", "b", "c"].map((id) =>
      log.memtable(id).write(id === "b" ? 13n : 1n, 1n, value(1)),
    );
    const outcomes = await Promise.allSettled(writes);
    for (const outcome of outcomes) {
      assert.ok(outcome.status === "rejected");
      assert.ok(isSeriesError(outcome.reason, "SERIES_MEMTABLE_FAILED"));
    }
    // The log still ends as it should: swaps, reading, closing.
    await log.rotate();
    assert.equal(log.status().state, "failed");
    await log.close();
    await using again = await openSeriesLog({ directory });
    assert.equal(foundIn(again).length, 3);
  });

  test("when it is asked for its entries: it is not carried, and nothing else suffers", async () => {
    class Shy extends ListMemtable {
      override *entries(): IterableIterator<SeriesEntry> {
        if (this.seriesCount > 0) throw new Error("not now");
        yield* super.entries();
      }
    }
    const directory = newDirectory();
    const log = await openSeriesLog({
      directory,
      fileSizeBytes: 16 * 1024,
      maxHeldFiles: 2,
      compression: "none",
      memtable: ({ memtableId }) => (memtableId === "shy" ? new Shy() : new ListMemtable()),
    });
    await log.memtable("shy").write(1n, 1n, value(1));
    for (let id = 0; id < 10; id++) {
      await log.memtable("busy").write(1n, BigInt(id), value(id, 10_000));
      await (await log.memtable("busy").rotate())?.release();
    }
    await log.memtable("shy").write(1n, 2n, value(2));
    await log.close();
    await using again = await openSeriesLog({ directory });
    assert.deepEqual(foundIn(again), ["1@1=1/8", "1@2=2/8"]);
  });
});

suite("a memtable that throws half way through its entries", () => {
  test("leaves series of which the log knows, others are carried, and its owner is asked", async () => {
    class HalfWay extends ListMemtable {
      override *entries(): IterableIterator<SeriesEntry> {
        const [first] = super.entries();
        if (first !== undefined) yield first;
        throw new Error("the rest is elsewhere");
      }
    }
    const directory = newDirectory();
    const asked = new Set<string>();
    const log = await openSeriesLog({
      directory,
      fileSizeBytes: 16 * 1024,
      maxHeldFiles: 2,
      compression: "none",
      memtable: ({ memtableId }) => (memtableId === "half" ? new HalfWay() : new ListMemtable()),
      onFlushWanted: ({ memtableId }) => asked.add(memtableId),
    });
    const expected = ["7@1=1/8", "8@1=1/8"];
    await log.memtable("half").write(7n, 1n, value(1));
    await log.memtable("slow").write(8n, 1n, value(1));
    for (let id = 0; id < 12; id++) {
      await log.memtable("busy").write(1n, BigInt(id), value(id, 9000));
      await (await log.memtable("busy").rotate())?.release();
      await log.reclaim();
      // Series 7 was given a number when the entries could not be had; the others get theirs behind it.
      for (const seriesId of [100n + BigInt(id), 7n]) {
        await log.memtable("half").write(seriesId, BigInt(id), value(id));
        expected.push(`${seriesId}@${id}=${id}/8`);
      }
    }
    assert.deepEqual([...asked], ["half"]);
    assert.ok(log.status().files <= 9, `${log.status().files} files`);
    assert.ok(log.status().carriedPoints > 0);
    await log.close();
    await using again = await openSeriesLog({ directory });
    assert.deepEqual(foundIn(again).toSorted(), expected.toSorted());
  });
});

suite("1,000 memtables, one of them slow", () => {
  test("hold no more files than the rule says, and every point is there once", async () => {
    const directory = newDirectory();
    const options = { compression: "none", fileSizeBytes: 256 * 1024, maxHeldFiles: 3 } as const;
    const log = await openSeriesLog({ directory, durability: "async", ...options });
    await log.memtable("slow").write(7n, 7n, value(7));
    let most = 0;
    for (let round = 0; round < 6; round++) {
      const memtables = Array.from({ length: 1000 }, (_, index) => log.memtable(`m${index}`));
      await Promise.all(memtables.map((one, id) => one.write(1n, BigInt(round), value(id, 400))));
      const swapped = await Promise.all(memtables.map((one) => one.rotate()));
      await Promise.all(swapped.map(async (frozen) => await frozen?.release()));
      await log.reclaim();
      most = Math.max(most, log.status().files);
    }
    const { regions, carriedPoints, files } = log.status();
    assert.deepEqual(
      regions.map(({ memtableId }) => memtableId),
      ["slow"],
    );
    assert.ok(carriedPoints > 0);
    assert.ok(files <= 3 + 2, `${files} files at the end, ${most} at most`);
    await log.close();
    await using again = await openSeriesLog({ directory, ...options });
    assert.deepEqual(foundIn(again), ["7@7=7/8"]);
  });
});

suite("records that no series log writes, with good checksums", () => {
  test("are named or make no difference, and never take the process along", async () => {
    const random = new SeededRandom(11);
    const good: Uint8Array<ArrayBuffer>[] = [];
    const source = newDirectory();
    {
      await using log = await openSeriesLog({ directory: source, compression: "none" });
      for (let id = 0; id < 6; id++) await log.write(BigInt(id % 2), BigInt(id), value(id));
      await (await log.memtable().rotate())?.release();
      await log.memtable("b").write(1n, 1n, value(1));
    }
    {
      await using wal = await openWal({ directory: join(source, "wal") });
      for await (const { payload } of wal.read()) good.push(Uint8Array.from(payload));
    }
    let refused = 0;
    for (let round = 0; round < 60; round++) {
      const directory = newDirectory();
      {
        await using wal = await openWal({ directory: join(directory, "wal"), durability: "async" });
        const payloads = good.map((payload) => Uint8Array.from(payload));
        for (let hits = random.between(1, 3); hits > 0; hits--) {
          const victim = payloads[random.between(0, payloads.length - 1)];
          if (victim !== undefined) mutate(victim, random);
        }
        if (random.chance(0.3)) payloads.splice(random.between(0, payloads.length - 1), 1);
        if (random.chance(0.3)) payloads.push(Uint8Array.from(random.bytes(random.between(0, 40))));
        for (const payload of payloads) await wal.append(payload);
      }
      try {
        await using log = await openSeriesLog({ directory });
        await log.write(1n, 1n, value(1));
      } catch (error) {
        refused++;
        const codes = ["SERIES_CORRUPT", "SERIES_UNSUPPORTED_FORMAT"] as const;
        assert.ok(
          codes.some((code) => isSeriesError(error, code)),
          String(error),
        );
      }
    }
    assert.ok(refused > 10, `${refused} refused`);
  });
});

function mutate(bytes: Uint8Array, random: SeededRandom): void {
  const at = random.between(0, bytes.byteLength - 1);
  bytes[at] = random.pick([0x00, 0xff, 0x80, (bytes[at] ?? 0) ^ (1 << random.between(0, 7))]);
}
