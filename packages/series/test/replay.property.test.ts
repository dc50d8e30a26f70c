/**
 * Whatever was written, swapped, carried and released: what a restart finds, and what a reader makes of the log, is what was in
 * memory, point by point and in the same order.
 */
import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { Simulation } from "@walnut/testkit";
import fc from "fast-check";
import { ListMemtable, type FrozenMemtable, type SeriesLog } from "@walnut/series";
import { contentOf, open, SMALL } from "./series-model.ts";

const RUNS = Number(process.env["WALNUT_SERIES_PROPERTY_RUNS"] ?? "25");

const memtableId = fc.constantFrom("a", "b", "c");
const point = fc.record({
  seriesId: fc.bigInt({ min: 0n, max: 4n }),
  timestamp: fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
  bytes: fc.oneof(fc.integer({ min: 4, max: 40 }), fc.integer({ min: 3000, max: 9000 })),
});
const operation = fc.oneof(
  { weight: 8, arbitrary: fc.record({ kind: fc.constant("write" as const), memtableId, point }) },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant("batch" as const),
      memtableId,
      points: fc.array(point, { minLength: 1, maxLength: 6 }),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("rotate" as const), memtableId }) },
  { weight: 2, arbitrary: fc.constant({ kind: "rotate-all" } as const) },
  { weight: 2, arbitrary: fc.constant({ kind: "release-oldest" } as const) },
  { weight: 2, arbitrary: fc.constant({ kind: "wait" } as const) },
);
type Operation = typeof operation extends fc.Arbitrary<infer T> ? T : never;

type Contents = readonly (readonly [region: number, points: readonly string[]])[];

const valueOf = (id: number, bytes: number): Uint8Array => {
  const value = new Uint8Array(bytes);
  new DataView(value.buffer).setUint32(0, id, true);
  return value;
};

async function perform(log: SeriesLog, operations: readonly Operation[]): Promise<void> {
  let id = 0;
  let pending: Promise<unknown>[] = [];
  const kept: FrozenMemtable[] = [];
  for (const one of operations) {
    if (one.kind === "write") {
      const { seriesId, timestamp, bytes } = one.point;
      pending.push(log.memtable(one.memtableId).write(seriesId, timestamp, valueOf(id++, bytes)));
    } else if (one.kind === "batch") {
      const points = one.points.map(({ bytes, ...rest }) => ({
        ...rest,
        value: valueOf(id++, bytes),
      }));
      pending.push(log.memtable(one.memtableId).writeBatch(points));
    } else if (one.kind === "rotate") {
      const swapped = log.memtable(one.memtableId).rotate();
      pending.push(swapped.then((frozen) => frozen !== undefined && kept.push(frozen)));
    } else if (one.kind === "rotate-all") {
      pending.push(log.rotate().then((frozen) => kept.push(...frozen)));
    } else if (one.kind === "release-oldest") {
      await kept.shift()?.release();
    } else {
      await Promise.all(pending);
      pending = [];
    }
  }
  await Promise.all(pending);
}

/** What is in memory; swaps what is active, so that everything can be looked at in one way. */
async function inMemory(log: SeriesLog): Promise<Contents> {
  await log.rotate();
  await log.reclaim();
  return log.frozen().map(({ region, memtable }) => [region, contentOf(memtable)]);
}

/** What a reader makes of it. */
async function asRead(log: SeriesLog): Promise<Contents> {
  const memtables = new Map<number, ListMemtable>();
  for await (const record of log.read({ visibility: "written" })) {
    const { kind, region } = record;
    if (kind === "released") memtables.delete(region);
    else if (kind === "restart" || !memtables.has(region))
      memtables.set(region, new ListMemtable());
    if (kind === "points") memtables.get(region)?.apply(record.entries);
  }
  const byNumber = [...memtables].sort(([a], [b]) => a - b);
  return byNumber.map(([region, memtable]) => [region, contentOf(memtable)]);
}

suite("replay", () => {
  for (const layout of ["v1", "v2"] as const) {
    test(`equals live, layout ${layout}`, async () => {
      let carried = 0;
      await fc.assert(
        fc.asyncProperty(
          fc.array(operation, { minLength: 5, maxLength: 60 }),
          fc.integer({ min: 1, max: 1e6 }),
          async (operations, seed) => {
            const end = await new Simulation({ seed }).run(async (environment) => {
              const options = { ...SMALL, layout, maxHeldFiles: 1 };
              const log = await open(environment, options);
              await perform(log, operations);
              const live = await inMemory(log);
              carried += log.status().carriedPoints;
              assert.deepEqual(await asRead(log), live);
              await log.close();
              const again = await open(environment, options);
              assert.deepEqual(await inMemory(again), live);
              await again.close();
            });
            if (end.kind === "failed") throw end.error;
            assert.equal(end.kind, "done");
          },
        ),
        { numRuns: RUNS },
      );
      assert.ok(carried > 0, "no region was carried: the test says nothing about it");
    });
  }
});
