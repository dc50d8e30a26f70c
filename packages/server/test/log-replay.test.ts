import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { ServerError } from "../src/errors.ts";
import { decodeIngestBatch, encodeIngestBatch } from "../src/ingest/batch-codec.ts";
import { ReusedMemory } from "../src/ingest/reused-memory.ts";
import type { IngestBatch } from "../src/ingest/table-batch.ts";
import { encodeWriteRecord } from "../src/ingest/write-record.ts";
import { replayLog, type ReplayCounts, type ReplayOptions } from "../src/log-replay.ts";
import { keyed } from "./idempotency/identities.ts";

const BYTES_PER_INSERT = 100;

function payload(rows: number): Uint8Array {
  const table = {
    database: "d",
    measurement: "m",
    rowCount: rows,
    timestamps: new BigInt64Array(rows),
    columns: [],
  };
  return encodeIngestBatch({ rowCount: rows, tables: [table] });
}

class FakeStore {
  readonly calls: string[] = [];
  #memoryBytes = 0;

  insert(lsn: number, batch: IngestBatch): void {
    this.calls.push(`insert ${lsn} (${batch.rowCount})`);
    this.#memoryBytes += BYTES_PER_INSERT;
  }

  flush(): Promise<void> {
    this.calls.push("flush");
    this.#memoryBytes = 0;
    return Promise.resolve();
  }

  memoryBytes(): number {
    return this.#memoryBytes;
  }
}

/** Replays payloads as records 1, 2, … */
function replay(
  payloads: readonly Uint8Array[],
  store: FakeStore,
  changes: Partial<ReplayOptions> = {},
): Promise<ReplayCounts> {
  async function* records(): AsyncGenerator<{ lsn: number; payload: Uint8Array }> {
    for (const [index, bytes] of payloads.entries()) yield { lsn: index + 1, payload: bytes };
  }
  return replayLog({
    rowsFromLsn: 1,
    onIdentity: (lsn, identity) => void store.calls.push(`identity ${lsn} ${identity.name}`),
    onIdentitiesKnown() {},
    records: records(),
    store,
    flushAtBytes: Infinity,
    monotonicMs: () => 0,
    onProgress() {},
    isCancelled: () => false,
    ...changes,
  });
}

suite("replayLog", () => {
  test("inserts every record under its LSN and counts", async () => {
    const store = new FakeStore();
    const counts = await replay([payload(1), payload(2)], store);
    assert.deepEqual(store.calls, ["insert 1 (1)", "insert 2 (2)"]);
    const bytes = payload(1).byteLength + payload(2).byteLength;
    assert.deepEqual(counts, { records: 2, rows: 3, bytes });
  });

  test("says when the identities of all records whose rows are in Parquet are known, before a flush can pass them", async () => {
    const identified = (key: string): Uint8Array =>
      encodeWriteRecord(
        { batch: decodeIngestBatch(payload(1)), identity: keyed(key) },
        new ReusedMemory(),
      ).slice();
    const records = [identified("a"), identified("b"), payload(1)];
    for (const [rowsFromLsn, expected] of [
      [3, ["identity 1 key:a", "identity 2 key:b", "known", "insert 3 (1)", "flush"]],
      [4, ["identity 1 key:a", "identity 2 key:b", "known"]],
    ] as const) {
      const store = new FakeStore();
      const onIdentitiesKnown = (): void => void store.calls.push("known");
      await replay(records.slice(0, rowsFromLsn === 4 ? 2 : 3), store, {
        rowsFromLsn,
        onIdentitiesKnown,
        flushAtBytes: 1,
      });
      assert.deepEqual(store.calls, expected);
    }
  });

  test("tells of identities; of records whose rows are in Parquet it reads nothing else", async () => {
    const store = new FakeStore();
    const named = (key: string): Uint8Array => {
      const identity = keyed(key);
      return encodeWriteRecord(
        { batch: decodeIngestBatch(payload(1)), identity },
        new ReusedMemory(),
      );
    };
    const counts = await replay([payload(1), named("a"), named("b"), payload(1)], store, {
      rowsFromLsn: 3,
    });
    assert.deepEqual(store.calls, [
      "identity 2 key:a",
      "insert 3 (1)",
      "identity 3 key:b",
      "insert 4 (1)",
    ]);
    assert.equal(counts.records, 2);
  });

  test("passes the LSN of filler on and does not count it", async () => {
    const store = new FakeStore();
    const counts = await replay([new Uint8Array(0), payload(1)], store);
    assert.deepEqual(store.calls, ["insert 1 (0)", "insert 2 (1)"]);
    assert.equal(counts.records, 1);
  });

  test("flushes when memory reaches its limit", async () => {
    const store = new FakeStore();
    const payloads = Array.from({ length: 5 }, () => payload(1));
    await replay(payloads, store, { flushAtBytes: 2 * BYTES_PER_INSERT });
    assert.deepEqual(
      store.calls.map((call) => call.split(" ")[0]),
      ["insert", "insert", "flush", "insert", "insert", "flush", "insert"],
    );
  });

  test("reports progress and ends early when it is told to, after what it has inserted", async () => {
    const store = new FakeStore();
    const progress: number[] = [];
    let nowMs = 0;
    const payloads = Array.from({ length: 10 }, () => payload(1));
    const counts = await replay(payloads, store, {
      monotonicMs: () => (nowMs += 4),
      onProgress: ({ records }) => progress.push(records),
      isCancelled: () => progress.length === 2,
    });
    assert.equal(progress.length, 2);
    assert.equal(counts.records, progress[1]);
    assert.equal(store.calls.length, counts.records);
  });

  test("names a record that is no batch, and inserts nothing behind it", async () => {
    const store = new FakeStore();
    await assert.rejects(
      replay([payload(1), Uint8Array.of(9, 9, 9), payload(1)], store),
      (error: unknown) =>
        error instanceof ServerError &&
        error.code === "SERVER_STORAGE_CORRUPT" &&
        error.details["lsn"] === 2,
    );
    assert.deepEqual(store.calls, ["insert 1 (1)"]);
  });
});
