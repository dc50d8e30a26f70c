import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { Machine } from "./machine.ts";

suite("read", () => {
  test("reads into the same memory again where that was asked for, and only there", async () => {
    const wal = await new Machine().open({ segmentSizeBytes: 16 * 1024 * 1024 });
    const payloadOf = (lsn: number): Buffer => Buffer.alloc(600_000, lsn);
    for (let lsn = 1; lsn <= 6; lsn++) await wal.append(payloadOf(lsn));
    const reused = new Set<ArrayBufferLike>();
    for await (const { lsn, payload } of wal.read({ reuseMemory: true })) {
      assert.ok(payloadOf(lsn).equals(payload));
      reused.add(payload.buffer);
    }
    assert.equal(reused.size, 1);
    const kept: Uint8Array[] = [];
    for await (const { payload } of wal.read()) kept.push(payload);
    assert.equal(kept.length, 6);
    for (const [index, payload] of kept.entries()) assert.ok(payloadOf(index + 1).equals(payload));
    await wal.close();
  });

  test("an iteration that ends while a record is on its way leaves no file open", async () => {
    const machine = new Machine();
    const wal = await machine.open();
    for (let count = 0; count < 20; count++) await wal.append(Buffer.alloc(5_000));
    const before = machine.disk.openFiles;
    for (let turns = 0; turns < 12; turns++) {
      for (const records of [wal.read({ from: 10 }), wal.tail({ from: 10 })]) {
        const next = records.next();
        for (let turn = 0; turn < turns; turn++) await Promise.resolve();
        await records.return?.();
        await next;
      }
    }
    assert.deepEqual(machine.disk.openFiles, before);
    await wal.close();
    assert.deepEqual(machine.disk.openFiles, []);
  });
});
