/** Cursors at the end of a log that has lost its last records: where they stand, and what they are told next. */

import assert from "node:assert/strict";
import { suite, test } from "node:test";

import { LOG_DIRECTORY, Machine, textBytes } from "../machine.ts";

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

  test("keeps an ack that was answered before its record was written", async () => {
    const machine = new Machine();
    const wal = await machine.open();
    const append = wal.append(textBytes("first"));
    await wal.cursor("c").ack(1);
    await append;
    await wal.close();

    const again = await new Machine({ disk: machine.disk }).open();
    assert.equal(again.cursor("c").lsn, 1);
    assert.ok(machine.disk.hasDirectory(LOG_DIRECTORY));
  });
});
