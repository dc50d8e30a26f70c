import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { TableCounters } from "../../src/overview/table-counters.ts";
import { busiestTables, joinTables, mergeTables } from "../../src/overview/table-overview.ts";
import { tableKey } from "../../src/store/table-name.ts";

function rows(
  measurement: string,
  rowCount: number,
): { database: string; measurement: string; rowCount: number } {
  return { database: "db", measurement, rowCount };
}

function stored(measurement: string, rowsOnDisk: number) {
  const table = { database: "db", measurement, rowsInMemory: 1, bytesInMemory: 8 };
  return { ...table, files: 1, rowsOnDisk, bytesOnDisk: rowsOnDisk * 2, flushedLsn: 1 };
}

suite("TableCounters", () => {
  test("shares out the bytes of a body by rows", () => {
    const counters = new TableCounters(() => 0);
    counters.count([rows("a", 3), rows("b", 1)], 400);
    counters.count([rows("a", 1)], 50);
    counters.count([], 50);
    const a = counters.snapshot().get(tableKey({ database: "db", measurement: "a" }));
    assert.deepEqual([a?.rows, a?.bytes], [4, 350]);
  });

  test("forgets half of how busy a table was every ten seconds", () => {
    let nowMs = 0;
    const counters = new TableCounters(() => nowMs);
    counters.count([rows("a", 100)], 1);
    nowMs = 10_000;
    counters.count([rows("a", 100)], 1);
    nowMs = 20_000;
    const [a] = counters.snapshot().values();
    assert.equal(a?.recentRows, 75);
    assert.equal(a?.rows, 200);
  });
});

suite("tables of an overview", () => {
  const counters = new TableCounters(() => 0);
  counters.count([rows("busy", 10), rows("fresh", 2)], 120);
  const joined = joinTables(counters.snapshot(), [
    stored("busy", 5),
    stored("large", 900),
    stored("small", 1),
  ]);

  test("join what came in with what is stored", () => {
    const byName = new Map(joined.map((table) => [table.measurement, table]));
    assert.deepEqual([...byName.keys()].toSorted(), ["busy", "fresh", "large", "small"]);
    assert.deepEqual(
      [byName.get("busy")?.rows, byName.get("busy")?.rowsOnDisk, byName.get("fresh")?.files],
      [10, 5, 0],
    );
  });

  test("list the busiest, then the largest, and sum the others", () => {
    const { tables, others } = busiestTables(joined, 3);
    assert.deepEqual(
      tables.map(({ measurement }) => measurement),
      ["busy", "fresh", "large"],
    );
    assert.deepEqual([others.tables, others.rowsOnDisk, others.files], [1, 1, 1]);
    assert.equal(busiestTables(joined, 0).others.tables, 4);
  });

  test("of several workers are one table; what is quiet in one of them is not lost", () => {
    const first = busiestTables(joined, 4);
    const second = busiestTables(joined, 1);
    const { tables, others } = mergeTables([first, second], 3);
    const busy = tables.find(({ measurement }) => measurement === "busy");
    assert.deepEqual([busy?.rows, busy?.rowsOnDisk, busy?.recentRows], [20, 10, 20]);
    const rowsOnDisk = tables.reduce((sum, table) => sum + table.rowsOnDisk, others.rowsOnDisk);
    assert.equal(rowsOnDisk, 2 * (5 + 900 + 1));
    assert.equal(tables.length, 3);
  });
});
