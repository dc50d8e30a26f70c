import assert from "node:assert/strict";
import { suite, test } from "node:test";
import * as fc from "fast-check";
import { decodeIngestBatch, encodeIngestBatch } from "../../src/ingest/batch-codec.ts";
import { decodeLineProtocol } from "../../src/ingest/line-protocol.ts";
import { DEFAULT_INGEST_LIMITS } from "../../src/ingest/ingest-limits.ts";
import { ReusedMemory } from "../../src/ingest/reused-memory.ts";
import type { IngestBatch } from "../../src/ingest/table-batch.ts";

function batchOf(lines: string): IngestBatch {
  return decodeLineProtocol(Buffer.from(lines), {
    database: "db",
    precision: "ns",
    nowNs: 1n,
    limits: DEFAULT_INGEST_LIMITS,
  });
}

suite("ReusedMemory", () => {
  test("gives the same memory again, and does not keep large ones", () => {
    const memory = new ReusedMemory();
    const first = memory.take(1_000);
    assert.equal(memory.take(1_001).buffer, first.buffer);
    const large = memory.take(5 * 1024 * 1024);
    assert.equal(large.byteLength, 5 * 1024 * 1024);
    assert.notEqual(memory.take(5 * 1024 * 1024).buffer, large.buffer);
    assert.equal(memory.take(10).byteLength, 10);
  });

  test("leaves no trace in a record, whatever was there before", () => {
    const name = fc.stringMatching(/^[a-z]{1,12}$/);
    const line = fc
      .tuple(name, name, name, fc.boolean(), fc.nat())
      .map(([measurement, tag, text, flag, count]) => {
        return `${measurement},t=${tag} s="${text}",b=${flag},i=${count}i,f=${count}.5`;
      });
    fc.assert(
      fc.property(fc.array(line, { minLength: 1, maxLength: 20 }), (lines) => {
        const batch = batchOf(lines.join("\n"));
        const memory = new ReusedMemory();
        memory.take(100_000).fill(0xff);
        const bytes = encodeIngestBatch(batch, memory);
        assert.deepEqual(Buffer.from(bytes), Buffer.from(encodeIngestBatch(batch)));
        assert.deepEqual(decodeIngestBatch(bytes.slice()), batch);
      }),
    );
  });
});
