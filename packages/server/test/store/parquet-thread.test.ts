/**
 * The thread that writes Parquet files, as built: from sources there is none.
 */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import * as path from "node:path";
import { suite, test, type TestContext } from "node:test";
import { promisify } from "node:util";
import { DuckDBConnection } from "@duckdb/node-api";
import { openThreadedParquetWriter } from "../../dist/store/parquet-thread.js";
import type { RowSet } from "../../src/store/row-buffer.ts";
import { HOUR_NS, rows, SOME_TIME_NS, temporaryDirectory } from "./store-fixture.ts";

/** Rows in arrays of their own, as a flush hands them over: backwards in time, one for every half hour. */
function someRows(count: number): RowSet {
  const [table] = rows("db.cpu", count, { stepNs: -HOUR_NS / 2n }).tables;
  assert.ok(table !== undefined);
  return table;
}

async function openWriter(
  context: TestContext,
): Promise<Awaited<ReturnType<typeof openThreadedParquetWriter>>> {
  const writer = await openThreadedParquetWriter({ minThreadRows: 10 });
  context.after(async () => await writer.close());
  return writer;
}

suite("openThreadedParquetWriter", () => {
  test("writes the same rows here and in the thread", async (t) => {
    const writer = await openWriter(t);
    const directory = await temporaryDirectory(t);
    const connection = await DuckDBConnection.create();
    t.after(() => connection.closeSync());
    for (const count of [9, 10]) {
      const source = someRows(count);
      const { timestamps } = source;
      const staged = await writer.stage(source);
      assert.equal(timestamps.length, count < 10 ? count : 0, "the thread took the arrays");
      assert.equal(staged.hours.length, 5);
      assert.equal(staged.hours.at(-1)?.maxTimeNs, SOME_TIME_NS);
      const numbers: number[] = [];
      for (const [hour, facts] of staged.hours.entries()) {
        const file = path.join(directory, `${count}-${hour}.parquet`);
        await staged.write(hour, file);
        const read = await connection.runAndReadAll(`SELECT n FROM '${file}'`);
        assert.equal(read.currentRowCount, facts.rowCount);
        numbers.push(...read.getRows().map(([number]) => Number(number)));
      }
      staged.release();
      // Oldest first, and rows came newest first.
      assert.deepEqual(
        numbers,
        Array.from({ length: count }, (_, index) => count - 1 - index),
      );
    }
  });

  test("passes on why a file could not be written, and goes on", async (t) => {
    const writer = await openWriter(t);
    const directory = await temporaryDirectory(t);
    const staged = await writer.stage(someRows(20));
    await assert.rejects(staged.write(0, path.join(directory, "missing", "x.parquet")), /missing/);
    await staged.write(0, path.join(directory, "x.parquet"));
    staged.release();
  });

  test("keeps the process alive while it works, and only then", async (t) => {
    const directory = await temporaryDirectory(t);
    const program = `
      import { openThreadedParquetWriter } from ${JSON.stringify(new URL("../../dist/store/parquet-thread.js", import.meta.url))};
      const writer = await openThreadedParquetWriter({ minThreadRows: 0 });
      const staged = await writer.stage({ rowCount: 1, timestamps: BigInt64Array.of(1n), columns: [] });
      await staged.write(0, ${JSON.stringify(path.join(directory, "x.parquet"))});
      if (process.argv.includes("close")) await writer.close();
      console.log("written");
    `;
    for (const word of ["close", "leave"]) {
      const words = ["--input-type=module", "--eval", program, word];
      const { stdout } = await promisify(execFile)(process.execPath, words);
      assert.equal(stdout, "written\n", word);
    }
  });
});
