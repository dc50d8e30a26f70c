/** Cursors at the end of a log that has lost its last records: where they stand, and what they are told next. */

import assert from "node:assert/strict";
import { suite, test } from "node:test";

import {
  appendNumbered,
  LOG_DIRECTORY,
  Machine,
  readTexts,
  segmentPath,
  textBytes,
} from "../machine.ts";

suite("a cursor", () => {
  test("never stands behind the end of the log that it is read from", async () => {
    const machine = new Machine();
    const wal = await machine.open();
    await wal.append(textBytes("durable"));
    await wal.rotate();
    const lostLsn = await wal.append(textBytes("lost by the power"), { durability: "async" });
    await wal.cursor("c").ack(lostLsn);

    const again = await machine.afterPowerLoss().open();
    assert.equal(again.positions.appendedLsn, 1);
    // Whoever goes on from here, as one does, would otherwise never see the next record.
    assert.equal(again.cursor("c").lsn, 1);
  });

  test("waits for the record that it is told of, and keeps the ack", async () => {
    const machine = new Machine();
    const wal = await machine.open();
    const order: string[] = [];
    const append = wal.append(textBytes("first")).then(() => order.push("append"));
    const ack = wal.cursor("c").ack(1);
    await Promise.all([append, ack.then(() => order.push("ack"))]);
    assert.deepEqual(order, ["append", "ack"]);
    await wal.close();

    const again = await new Machine({ disk: machine.disk }).open();
    assert.equal(again.cursor("c").lsn, 1);
    assert.ok(machine.disk.hasDirectory(LOG_DIRECTORY));
  });

  test("is not told of a record at level memory that then finds no space", async () => {
    const machine = new Machine();
    const wal = await machine.open({ durability: "memory" });
    const cursor = wal.cursor("c");
    await cursor.ack(await wal.append(textBytes("first")));
    machine.disk.capacityBytes = machine.disk.usedBytes;
    const lostLsn = await wal.append(new Uint8Array(20_000));
    await assert.rejects(cursor.ack(lostLsn), { code: "WAL_NO_SPACE" });

    machine.disk.capacityBytes = Number.POSITIVE_INFINITY;
    const nextLsn = await wal.append(textBytes("second"), { durability: "fdatasync" });
    assert.equal(nextLsn, lostLsn);
    assert.equal(cursor.lsn, 1);
    const again = await machine.afterPowerLoss().open();
    assert.equal(again.cursor("c").lsn, 1);
    assert.deepEqual(await readTexts(again, { from: 2 }), ["2:second"]);
  });

  test("waits for a cut at the back: what has its LSN before and after are two records", async () => {
    const machine = new Machine();
    const wal = await machine.open();
    await appendNumbered(wal, 3);
    await wal.rotate();
    const path = segmentPath(1);
    await machine.replace(path, machine.bytesOf(path).subarray(0, 100));
    const cut = assert.rejects(wal.truncateBack(1), { code: "WAL_CORRUPT" });
    const lsn = await wal.append(textBytes("another 2"), { durability: "memory" });
    assert.equal(lsn, 2);
    await assert.rejects(wal.cursor("c").ack(lsn), { code: "WAL_CORRUPT" });
    await cut;
    assert.equal(wal.cursor("c").lsn, 0);
    await wal.cursor("c").ack(2);
    assert.equal(wal.cursor("c").lsn, 2);
  });
});
