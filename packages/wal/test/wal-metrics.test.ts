/** Numbers of a log: what is counted, who holds space, and that counting agrees with the disk. */
import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { FaultyStorage } from "@walnut/testkit";
import type { HistogramSnapshot } from "@walnut/wal";
import { appendNumbered, Machine, segmentPath, settle, textBytes } from "./machine.ts";

function countsUp({ counts, count, bounds }: HistogramSnapshot): void {
  assert.equal(counts.length, bounds.length + 1);
  assert.equal(
    counts.reduce((sum, value) => sum + value, 0),
    count,
  );
}

suite("Wal.metrics", () => {
  test("of a new log are zeros", async () => {
    const wal = await new Machine().open();
    const metrics = wal.metrics();
    for (const [name, value] of Object.entries(metrics)) {
      if (typeof value === "number") assert.equal(value, name === "firstLsn" ? 1 : 0, name);
    }
    assert.equal(metrics.spaceHolder, undefined);
    assert.equal(metrics.isPoisoned, false);
    await wal.close();
  });

  test("count records, groups, frames, bytes and syncs", async () => {
    const machine = new Machine();
    const wal = await machine.open();
    await appendNumbered(wal, 10);
    await wal.append(textBytes("r11"));
    await wal.append(textBytes("r12"), { durability: "async" });
    const metrics = wal.metrics();
    assert.equal(metrics.appendedRecords, 12);
    assert.equal(metrics.appendedBytes, 9 * 2 + 3 * 3);
    assert.equal(metrics.groups, 3);
    assert.equal(metrics.frames, 3);
    assert.equal(metrics.syncs, 2);
    assert.equal(metrics.syncMs.count, 2);
    assert.equal(metrics.appendedLsn, 12);
    assert.equal(metrics.writtenLsn, 12);
    assert.equal(metrics.durableLsn, 11);
    assert.deepEqual(
      { sum: metrics.groupRecords.sum, max: metrics.groupRecords.max },
      { sum: 12, max: 10 },
    );
    assert.equal(metrics.groupBytes.sum, metrics.writtenBytes);
    // The segment header is written as well, by the segment's creation.
    assert.equal(metrics.sizeBytes, metrics.writtenBytes + 64);
    assert.equal(metrics.segments, 1);
    for (const name of ["syncMs", "groupRecords", "groupBytes"] as const) {
      countsUp(metrics[name]);
    }
    await wal.close();
  });

  test("count the bytes that reach the file, compressed or encrypted", async () => {
    for (const options of [
      { codec: "deflate" as const },
      { encryption: { keyId: 1, keys: () => new Uint8Array(32) } },
    ]) {
      const machine = new Machine();
      const wal = await machine.open(options);
      await wal.append(new Uint8Array(3_000));
      const { writtenBytes, sizeBytes } = wal.metrics();
      assert.equal(sizeBytes, 64 + writtenBytes);
      assert.equal(machine.bytesOf(segmentPath(1)).byteLength, sizeBytes);
      await wal.close();
    }
  });

  test("count syncs that no group asked for", async () => {
    const wal = await new Machine().open({ durability: "async" });
    await wal.append(textBytes("x"));
    assert.equal(wal.metrics().syncs, 0);
    await wal.sync();
    assert.equal(wal.metrics().syncs, 1);
    assert.equal(wal.metrics().syncMs.count, 1);
    await wal.close();
  });

  test("show what waits while the disk is busy", async () => {
    const machine = new Machine();
    const wal = await machine.open();
    const appends = [wal.append(textBytes("a")), wal.append(textBytes("b"))];
    const waiting = wal.metrics();
    assert.equal(waiting.waiters, 2);
    assert.equal(waiting.buffersInUse, 1);
    assert.ok(waiting.pendingBytes > 0);
    await Promise.all(appends);
    await settle();
    const idle = wal.metrics();
    assert.deepEqual(
      { waiters: idle.waiters, buffersInUse: idle.buffersInUse, pendingBytes: idle.pendingBytes },
      { waiters: 0, buffersInUse: 0, pendingBytes: 0 },
    );
    await wal.close();
  });

  test("tell groups that began because much was waiting", async () => {
    const wal = await new Machine().open({ durability: "async", segmentSizeBytes: 1024 * 1024 });
    await wal.append(textBytes("small"));
    assert.equal(wal.metrics().eagerGroups, 0);
    await Promise.all(Array.from({ length: 40 }, () => wal.append(new Uint8Array(10_000))));
    assert.ok(wal.metrics().eagerGroups > 0);
    await wal.close();
  });

  test("count rotations and released segments", async () => {
    const wal = await new Machine().open();
    await appendNumbered(wal, 2);
    await wal.rotate();
    await appendNumbered(wal, 2);
    assert.equal(wal.metrics().rotations, 1);
    assert.equal(wal.metrics().segments, 2);
    await wal.cursor("c").ack(3);
    const { releasedSegments, segments, firstLsn } = wal.metrics();
    assert.deepEqual(
      { releasedSegments, segments, firstLsn },
      { releasedSegments: 1, segments: 1, firstLsn: 3 },
    );
    await wal.close();
  });

  test("say that the log is poisoned", async () => {
    const machine = new Machine({
      wrapStorage: (disk) =>
        new FaultyStorage(disk, [{ kind: "writeDurable", nth: 1, code: "EIO" }]),
    });
    const wal = await machine.open();
    await assert.rejects(wal.append(textBytes("x")));
    assert.equal(wal.metrics().isPoisoned, true);
    assert.equal(wal.metrics().groups, 0);
    await wal.close();
  });
});

suite("who holds space", () => {
  test("is the cursor with the lowest position, with its lag", async () => {
    const machine = new Machine();
    const wal = await machine.open();
    await appendNumbered(wal, 3);
    await wal.rotate();
    await appendNumbered(wal, 3);
    const { sizeBytes } = wal.metrics();
    await wal.cursor("fast").ack(6);
    assert.deepEqual(wal.metrics().spaceHolder, {
      cursor: "fast",
      lsn: 6,
      lagRecords: 0,
      lagBytes: 0,
      lagMs: 0,
    });
    const slow = wal.cursor("slow");
    machine.clock.advance(1_500);
    const holder = wal.metrics().spaceHolder;
    assert.equal(holder?.cursor, "slow");
    assert.equal(holder?.lagMs, 1_500);
    assert.equal(holder?.lagRecords, 6 - (holder?.lsn ?? 0));
    assert.ok((holder?.lagBytes ?? 0) > 0 && (holder?.lagBytes ?? 0) < sizeBytes);
    await slow.ack(5);
    assert.equal(wal.metrics().spaceHolder?.lagRecords, 1);
    assert.equal(wal.metrics().spaceHolder?.lagMs, 0);
    await wal.close();
  });

  test("remembers over a restart how long a cursor has not moved", async () => {
    const machine = new Machine();
    const wal = await machine.open();
    await appendNumbered(wal, 3);
    await wal.cursor("c").ack(1);
    await wal.close();
    machine.clock.advance(60_000);
    const again = await machine.open();
    assert.equal(again.metrics().spaceHolder?.lagMs, 60_000);
    // An ack that does not move it does not count.
    await again.cursor("c").ack(1);
    assert.equal(again.metrics().spaceHolder?.lagMs, 60_000);
    await again.close();
  });
});
