/** What an export writes as line protocol is, read by a fresh store, the same rows. */
import assert from "node:assert/strict";
import { suite, test } from "node:test";
import fc from "fast-check";
import { rowFormatter } from "../src/http/export-format.ts";
import { DEFAULT_INGEST_LIMITS } from "../src/ingest/ingest-limits.ts";
import { decodeLineProtocol } from "../src/ingest/line-protocol.ts";
import { MAX_TIMESTAMP_NS, MIN_TIMESTAMP_NS } from "../src/store/timestamp-range.ts";
import type { TableStore } from "../src/store/table-store.ts";
import {
  MemoryCatalogDisk,
  batch,
  openTestStore,
  table,
  temporaryDirectory,
  type ColumnSpec,
} from "./store/store-fixture.ts";

const ALL = {};
const DATABASE = "db";

/** Characters that mean something to one of the two sides, and others. */
const CHARACTERS = ["a", ",", "=", " ", '"', "'", "\\", "#", "é", "😀", "\t", "\u2028", "\u0001"];
const name = fc
  .array(fc.constantFrom(...CHARACTERS), { minLength: 1, maxLength: 6 })
  .map((parts) => parts.join(""))
  // The rest is what line protocol cannot hold, and the export says so.
  .filter((text) => !/\\$|\\[,= ]|^#/.test(text));
const text = fc
  .array(fc.constantFrom(...CHARACTERS, "\n", "\r"), { maxLength: 8 })
  .map((parts) => parts.join(""));

const INTEGER = { min: -(2n ** 63n), max: 2n ** 63n - 1n };
const VALUES = {
  tag: name,
  string: text,
  float: fc.oneof(
    fc.double({ noNaN: true, noDefaultInfinity: true }),
    fc.constantFrom(-0, 5e-324, Number.MAX_VALUE, 1e21, 123456789012345680000),
  ),
  integer: fc.oneof(fc.bigInt(INTEGER), fc.constantFrom(INTEGER.min, INTEGER.max)),
  unsigned: fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
  boolean: fc.boolean(),
} as const;

type Cell = string | number | bigint | boolean | null;

/** Any value of a type, and none: "t", "s", and so on. */
const column = fc.constantFrom(...(Object.keys(VALUES) as (keyof typeof VALUES)[])).chain((type) =>
  fc.record({
    type: fc.constant(type),
    values: fc.array(fc.option<Cell>(VALUES[type]), { minLength: 5, maxLength: 5 }),
  }),
);

const time = fc.oneof(
  fc.bigInt({ min: MIN_TIMESTAMP_NS, max: MAX_TIMESTAMP_NS }),
  fc.constantFrom(MIN_TIMESTAMP_NS, MAX_TIMESTAMP_NS, -1n, 0n, 1_760_000_000_000_000_001n),
);

const rows = fc
  .record({
    measurement: name,
    times: fc.array(time, { minLength: 5, maxLength: 5 }),
    columns: fc.uniqueArray(fc.tuple(name, column), {
      selector: ([key]) => key.toLowerCase(),
      maxLength: 6,
    }),
    always: fc.array(fc.boolean(), { minLength: 5, maxLength: 5 }),
  })
  // A row without a field is not line protocol.
  .map(({ measurement, times, columns, always }) => ({
    measurement,
    times,
    columns: Object.fromEntries<ColumnSpec>([
      ["always", ["boolean", always]],
      ...columns.map(([key, { type, values }]) => [key, [type, values]] as const),
    ]),
  }));

async function exportLines(store: TableStore, measurement: string): Promise<string> {
  const found = await store.dataLife.tableForExport({ database: DATABASE, measurement });
  assert.ok(found !== undefined);
  const formatter = rowFormatter("lp", found, false);
  let lines = "";
  for await (const chunk of store.dataLife.readRows(found, ALL)) lines += formatter.format(chunk);
  return lines;
}

async function readAll(
  store: TableStore,
  measurement: string,
  columns: readonly string[],
): Promise<readonly string[]> {
  const quote = (part: string): string => `"${part.replaceAll('"', '""')}"`;
  const list = ["time", ...columns.map(quote)].join(", ");
  const { rows: found } = await store.query(
    `SELECT ${list} FROM ${DATABASE}.${quote(measurement)}`,
  );
  const show = (value: unknown): unknown => (Object.is(value, -0) ? "-0" : value);
  return found.map((row) => JSON.stringify(row.map(show))).toSorted();
}

suite("an export as line protocol", () => {
  test("gives the same rows in a fresh store: types, escapes, nulls, extreme times", async (t) => {
    const [first, second] = [
      await openTestStore(await temporaryDirectory(t), new MemoryCatalogDisk()),
      await openTestStore(await temporaryDirectory(t), new MemoryCatalogDisk()),
    ];
    t.after(async () => await Promise.all([first.store.close(), second.store.close()]));
    let lsn = 0;
    await fc.assert(
      fc.asyncProperty(rows, async ({ measurement, times, columns }) => {
        lsn++;
        // Names repeat between runs; a number before them keeps the tables apart.
        const named = `${lsn}${measurement}`;
        const part = table(`${DATABASE}.x`, times, columns);
        first.store.insert(lsn, batch({ ...part, measurement: named }));
        const lines = await exportLines(first.store, named);
        const decoded = decodeLineProtocol(Buffer.from(lines, "utf8"), {
          database: DATABASE,
          precision: "ns",
          nowNs: 0n,
          limits: DEFAULT_INGEST_LIMITS,
        });
        second.store.insert(lsn, decoded);
        // A column without any value is not there afterwards, and nothing is lost.
        const present = Object.entries(columns)
          .filter(([, [, values]]) => values.some((value) => value !== null))
          .map(([key]) => key);
        assert.deepEqual(
          await readAll(second.store, named, present),
          await readAll(first.store, named, present),
        );
        const typesOf = ({ store }: typeof first): ReadonlyMap<string, string> =>
          new Map(
            store
              .schemas()
              .find((each) => each.measurement === named)
              ?.schema.map((each) => [each.name, each.type]),
          );
        for (const key of present) {
          assert.equal(typesOf(second).get(key), typesOf(first).get(key), key);
        }
      }),
      { numRuns: 25 },
    );
  });
});
