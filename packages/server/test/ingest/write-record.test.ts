import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { ServerError } from "../../src/errors.ts";
import { encodeIngestBatch } from "../../src/ingest/batch-codec.ts";
import { ReusedMemory } from "../../src/ingest/reused-memory.ts";
import {
  decodeWriteRecord,
  encodeWriteRecord,
  readRecordIdentity,
} from "../../src/ingest/write-record.ts";
import { keyed } from "../idempotency/identities.ts";
import { ALL_TARGETS } from "../fuzz/decoder-fuzzer.ts";

const [lines] = ALL_TARGETS;
assert.ok(lines);
const BATCHES = lines.corpus.map((bytes) => lines.decode(bytes));

suite("log record of a write", () => {
  test("without an identity it is the batch alone, as ever", () => {
    for (const batch of BATCHES) {
      const record = encodeWriteRecord({ batch, identity: undefined }, new ReusedMemory());
      assert.deepEqual(Buffer.from(record), Buffer.from(encodeIngestBatch(batch)));
      assert.deepEqual(decodeWriteRecord(record), { batch, identity: undefined });
      assert.equal(readRecordIdentity(record), undefined);
    }
  });

  test("with an identity both come back, from memory that was used before", () => {
    const memory = new ReusedMemory();
    memory.take(5_000).fill(0xee);
    for (const [index, batch] of BATCHES.entries()) {
      const identity = keyed("k".repeat(index + 1));
      const record = encodeWriteRecord({ batch, identity }, memory).slice();
      assert.equal(record[0], 2);
      assert.deepEqual(decodeWriteRecord(record), { batch, identity });
      assert.deepEqual(readRecordIdentity(record), identity);
    }
  });

  test("every cut and anything after it is refused", () => {
    const [batch] = BATCHES;
    assert.ok(batch);
    const record = encodeWriteRecord({ batch, identity: keyed("a") }, new ReusedMemory());
    const isRefusal = (error: unknown): boolean =>
      error instanceof ServerError && error.code === "SERVER_STORAGE_CORRUPT";
    for (let length = 0; length < record.length; length++) {
      assert.throws(() => decodeWriteRecord(record.subarray(0, length)), isRefusal);
    }
    const longer = Buffer.concat([record, Buffer.alloc(8)]);
    assert.throws(() => decodeWriteRecord(longer), isRefusal);
  });
});
