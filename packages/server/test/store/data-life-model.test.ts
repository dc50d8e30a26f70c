/**
 * Random histories of writes, flushes, merges, DELETEs, expiries, crashes and restarts against a model in memory: after
 * every step SQL answers what the model holds, every row exactly once.
 */
import assert from "node:assert/strict";
import { suite, test } from "node:test";
import fc from "fast-check";
import type { IngestBatch } from "../../src/ingest/table-batch.ts";
import {
  HOUR_NS,
  MemoryCatalogDisk,
  SOME_TIME_NS,
  batch,
  openTestStore,
  table,
  temporaryDirectory,
  type TestStore,
} from "./store-fixture.ts";

type Step =
  | { readonly kind: "write"; readonly times: readonly number[]; readonly host: string | null }
  | { readonly kind: "flush" | "compact" | "restart" | "crash" | "free" | "delete-all" }
  | { readonly kind: "delete"; readonly from: number; readonly to: number; readonly host?: string }
  | { readonly kind: "expire"; readonly at: number };

const CPU = { database: "db", measurement: "cpu" };
const minute = fc.integer({ min: 0, max: 240 });
const host = fc.constantFrom("a", "b", "ü'\"");

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constant("write" as const),
      times: fc.array(minute, { minLength: 1, maxLength: 6 }),
      host: fc.option(host, { freq: 3 }),
    }),
  },
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constantFrom("flush", "flush", "compact", "restart", "crash", "free", "delete-all"),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record(
      { kind: fc.constant("delete" as const), from: minute, to: minute, host },
      { requiredKeys: ["kind", "from", "to"] },
    ),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("expire" as const), at: minute }) },
);

interface ModelRow {
  readonly n: number;
  readonly minute: number;
  readonly host: string | null;
}

function timeOf(minutes: number): bigint {
  return SOME_TIME_NS + (BigInt(minutes) * HOUR_NS) / 60n;
}

/** A store, the log that outlives it, and the rows that should be in it. */
class World {
  readonly log: IngestBatch[] = [];
  readonly disk = new MemoryCatalogDisk();
  readonly #directory: string;
  #opened: TestStore | undefined;
  #rows: readonly ModelRow[] = [];
  #next = 0;

  constructor(directory: string) {
    this.#directory = directory;
  }

  get store(): TestStore["store"] {
    assert.ok(this.#opened !== undefined);
    return this.#opened.store;
  }

  async open(): Promise<void> {
    this.#opened = await openTestStore(this.#directory, this.disk, {
      options: { compactionMinFiles: 2 },
    });
    assert.deepEqual(this.store.stats().audit.unknown, []);
    // All of the log, from its beginning: what is in Parquet, or was deleted, must be skipped.
    this.log.forEach((record, index) => this.store.insert(index + 1, record));
  }

  async run(action: Step): Promise<void> {
    switch (action.kind) {
      case "write":
        return this.#write(action.times, action.host);
      case "flush":
        return await this.store.flush();
      case "compact":
        assert.equal((await this.store.dataLife.compactor.compactNow()).failures, 0);
        return;
      case "restart":
        await this.store.close();
        return await this.open();
      case "crash":
        // What is under way in the background writes files, and no catalog any more.
        this.disk.crash();
        await this.store.close().catch(() => undefined);
        return await this.open();
      case "free":
        this.#opened?.clock.advance(60_000);
        return await this.store.dataLife.removedFiles.settled();
      case "delete-all":
        await this.store.dataLife.deleteRows(CPU, { tags: [] });
        this.#rows = [];
        return;
      case "delete":
        return await this.#delete(action);
      case "expire":
        return await this.#expire(action.at);
    }
  }

  async check(): Promise<void> {
    const expected = this.#rows
      .map((row) => `${row.n} ${row.host} ${timeOf(row.minute)}`)
      .toSorted();
    const isThere = this.store.stats().tables.length > 0;
    if (!isThere) {
      assert.deepEqual(expected, []);
      return;
    }
    const { rows } = await this.store.query("SELECT n, host, epoch_ns(time)::VARCHAR FROM db.cpu");
    assert.deepEqual(rows.map((row) => row.map(String).join(" ")).toSorted(), expected);
  }

  #write(minutes: readonly number[], hostName: string | null): void {
    const added = minutes.map((at) => ({ n: this.#next++, minute: at, host: hostName }));
    const columns = {
      host: ["tag", added.map((row) => row.host)],
      n: ["integer", added.map((row) => row.n)],
    } as const;
    const record = batch(table("db.cpu", minutes.map(timeOf), columns));
    this.log.push(record);
    this.store.insert(this.log.length, this.store.admit(record));
    this.#rows = [...this.#rows, ...added];
  }

  async #delete(action: Extract<Step, { kind: "delete" }>): Promise<void> {
    const [from, to] = [Math.min(action.from, action.to), Math.max(action.from, action.to)];
    const tags = action.host === undefined ? [] : [{ name: "host", value: action.host }];
    const criteria = { startNs: timeOf(from), stopNs: timeOf(to), tags };
    const { deletedRows } = await this.store.dataLife.deleteRows(CPU, criteria);
    const left = this.#rows.filter(
      (row) =>
        row.minute < from ||
        row.minute >= to ||
        (action.host !== undefined && row.host !== action.host),
    );
    assert.equal(deletedRows, this.#rows.length - left.length);
    this.#rows = left;
  }

  /** Which rows share a file is not the model's to know: what is gone must be old, what is young must stay. */
  async #expire(at: number): Promise<void> {
    await this.store.dataLife.expire(CPU, { cutoffNs: timeOf(at), isDryRun: false });
    if (this.store.stats().tables.length === 0) return;
    const { rows } = await this.store.query("SELECT n FROM db.cpu");
    const left = new Set(rows.map(([n]) => Number(n)));
    for (const row of this.#rows) assert.ok(left.has(row.n) || row.minute < at, `${row.n}`);
    this.#rows = this.#rows.filter((row) => left.has(row.n));
  }
}

suite("data life against a model", () => {
  test("every history leaves what the model holds, after every step and after opening again", async (t) => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 4, maxLength: 20 }), async (steps) => {
        const world = new World(await temporaryDirectory(t));
        await world.open();
        for (const action of steps) {
          await world.run(action);
          await world.check();
        }
        await world.run({ kind: "restart" });
        await world.check();
        await world.store.close();
      }),
      { numRuns: 12 },
    );
  });
});
