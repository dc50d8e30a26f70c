/** Bugs of others about the end of a log after a crash, as tests of this engine. */

import assert from "node:assert/strict";
import { suite, test } from "node:test";

import { RandomChooser, SeededRandom } from "@walnut/testkit";

import {
  appendNumbered,
  bytesText,
  Machine,
  numbered,
  readTexts,
  segmentPath,
  settle,
  textBytes,
} from "../machine.ts";
import { FRAME_HEADER_BYTES, killedLog, restarted, SEGMENT_HEADER_BYTES } from "./tampered-log.ts";

suite("a torn tail", () => {
  test("tidwall/wal (frostdb PR 313): is cut on open, wherever the last record was torn", async () => {
    const whole = (await killedLog(3)).bytesOf(segmentPath(1));
    const lastFrame = whole.byteLength - FRAME_HEADER_BYTES - 8;
    for (let length = lastFrame; length < whole.byteLength; length += 1) {
      const machine = await killedLog(3);
      await machine.replace(segmentPath(1), whole.slice(0, length));
      const wal = await machine.open();
      assert.deepEqual(await readTexts(wal), numbered(1, 2), `cut at ${length}`);
      await wal.close();
    }
  });

  test("durable-streams, diskcache, cqlite PR 1418: is not appended to; what comes after it can be read", async () => {
    const machine = await killedLog(3);
    const whole = machine.bytesOf(segmentPath(1));
    await machine.replace(segmentPath(1), whole.slice(0, -5));
    const wal = await machine.open();
    await appendNumbered(wal, 4);
    await wal.close();
    for (const recovery of ["default", "strict"] as const) {
      const again = await restarted(machine).open({ recovery });
      assert.deepEqual(await readTexts(again), numbered(1, 6));
      await again.close();
    }
  });

  test("VictoriaMetrics #11192: costs what was torn, not the queue", async () => {
    const machine = await killedLog(50);
    const whole = machine.bytesOf(segmentPath(1));
    const junk = new SeededRandom(3).bytes(700);
    await machine.replace(segmentPath(1), Buffer.concat([whole, junk]));
    const wal = await machine.open();
    assert.deepEqual(await readTexts(wal), numbered(1, 50));
    assert.equal(wal.recovery.tornTailBytes, 700);
    await wal.close();
  });

  test("raft-wal on etcd's isTornEntry: a synced record full of zeros is a record", async () => {
    for (const size of [512, 1_024, 4_096, 5_000]) {
      const machine = new Machine();
      const wal = await machine.open();
      await wal.append(new Uint8Array(size));
      const again = await machine.afterPowerLoss().open();
      const sizes: number[] = [];
      for await (const { payload } of again.read()) sizes.push(payload.byteLength);
      assert.deepEqual(sizes, [size]);
      await again.close();
    }
  });

  test("etcd #11488, #6515: zeros behind the last record are neither records nor damage", async () => {
    const machine = await killedLog(3);
    const whole = machine.bytesOf(segmentPath(1));
    await machine.replace(segmentPath(1), Buffer.concat([whole, new Uint8Array(3_000)]));
    const wal = await machine.open();
    assert.deepEqual(await readTexts(wal), numbered(1, 3));
    await wal.close();
  });

  test("BanyanDB pkg/wal: of a batch that was torn nothing is kept", async () => {
    const machine = new Machine();
    const wal = await machine.open();
    await appendNumbered(wal, 1);
    const records = Array.from({ length: 30 }, (_, index) =>
      textBytes(`batch ${index}`.padEnd(200)),
    );
    await wal.appendBatch(records);
    const whole = machine.bytesOf(segmentPath(1));
    for (const share of [0.1, 0.3, 0.5, 0.7, 0.9]) {
      const torn = new Machine({ disk: machine.disk.onlyDurable() });
      await torn.replace(segmentPath(1), whole.slice(0, Math.floor(whole.byteLength * share)));
      const again = await torn.open();
      assert.deepEqual(await readTexts(again), numbered(1, 1));
      await again.close();
    }
  });

  test("etcd #10688: a log that was half made when the power went is made anew", async () => {
    for (let event = 1; ; event += 1) {
      const machine = new Machine();
      machine.disk.crashBefore(event);
      const life = machine.open().then((wal) => wal.append(textBytes("r1")));
      const isAcknowledged = await life.then(
        () => true,
        () => false,
      );
      const random = new SeededRandom(event);
      const disk = machine.disk.afterPowerLoss(new RandomChooser(random));
      const again = await new Machine({ disk }).open();
      const texts = await readTexts(again);
      if (isAcknowledged) assert.deepEqual(texts, ["1:r1"]);
      assert.ok(texts.length <= 1);
      await again.close();
      if (isAcknowledged) break;
    }
  });

  test("etcd #14370, NATS #7549: no power loss takes an acknowledged record, with many writers at once", async () => {
    for (let seed = 1; seed <= 40; seed += 1) {
      const machine = new Machine({ seed });
      const wal = await machine.open();
      const acknowledged: number[] = [];
      const writers = Array.from({ length: 20 }, async (_, index) => {
        await settle(index % 4);
        acknowledged.push(await wal.append(textBytes(`w${index}`)));
      });
      machine.disk.crashBefore(30 + seed);
      await Promise.allSettled(writers);
      const random = new SeededRandom(seed);
      const again = await new Machine({ disk: machine.disk.crash({ random }) }).open();
      const lsns = (await readTexts(again)).map((text) => Number(text.split(":")[0]));
      assert.deepEqual(
        acknowledged.filter((lsn) => !lsns.includes(lsn)),
        [],
        `seed ${seed}`,
      );
      await again.close();
    }
  });

  test("RocksDB lost buffered writes: what a synced append follows is as safe as itself", async () => {
    const machine = new Machine();
    const wal = await machine.open();
    for (let count = 0; count < 8; count += 1) {
      await wal.append(textBytes(`r${count + 1}`), {
        durability: count % 2 === 0 ? "async" : "memory",
      });
    }
    await appendNumbered(wal, 1);
    const again = await machine.afterPowerLoss().open();
    assert.deepEqual(await readTexts(again), numbered(1, 9));
    await again.close();
  });

  test("Arc #594: recovery does not remove the file that is about to be written", async () => {
    let machine = await killedLog(2);
    for (let life = 0; life < 3; life += 1) {
      const wal = await machine.open();
      await appendNumbered(wal, 2);
      const active = wal.status().segments.find(({ isSealed }) => !isSealed);
      assert.ok(active !== undefined && machine.disk.peek(active.path) !== undefined);
      machine = machine.afterPowerLoss();
    }
    const wal = await machine.open();
    assert.deepEqual(await readTexts(wal), numbered(1, 8));
    await wal.close();
  });

  test("Arc recovery: replaying takes nothing away until somebody acknowledges it", async () => {
    const machine = await killedLog(5);
    for (let life = 0; life < 3; life += 1) {
      const wal = await restarted(machine).open();
      assert.deepEqual(await readTexts(wal), numbered(1, 5));
      await wal.close();
    }
  });

  test("babuza stale tail: what a truncation dropped does not come back behind shorter records", async () => {
    const machine = new Machine();
    const wal = await machine.open();
    for (let count = 0; count < 10; count += 1) await appendNumbered(wal, 1);
    await wal.truncateBack(4);
    await wal.append(textBytes("new"));
    for (const next of [machine.afterPowerLoss(), restarted(machine)]) {
      if (next.disk === machine.disk) await wal.close();
      const again = await next.open();
      assert.deepEqual(await readTexts(again), [...numbered(1, 4), "5:new"]);
      await again.close();
    }
  });

  test("raft-wal #31: a log that was truncated at the end of a closed segment opens again", async () => {
    for (const lastLsn of [0, 1, 2, 3, 4, 5]) {
      const machine = new Machine();
      const wal = await machine.open();
      for (let segment = 0; segment < 3; segment += 1) {
        await appendNumbered(wal, 2);
        await wal.rotate();
      }
      await wal.truncateBack(lastLsn);
      await wal.close();
      const again = await restarted(machine).open({ recovery: "strict" });
      assert.deepEqual(await readTexts(again), numbered(1, lastLsn));
      await appendNumbered(again, 1);
      assert.equal((await readTexts(again)).length, lastLsn + 1);
      await again.close();
    }
  });

  test("etcd PR 11924: the chain of checksums still holds when its first segments have been released", async () => {
    const machine = new Machine();
    const wal = await machine.open();
    for (let segment = 0; segment < 4; segment += 1) {
      await appendNumbered(wal, 2);
      await wal.rotate();
    }
    await wal.cursor("c").ack(4);
    await wal.close();
    const again = await restarted(machine).open({ recovery: "strict" });
    assert.equal(again.positions.firstLsn, 5);
    assert.deepEqual(await readTexts(again), numbered(5, 8));
    await again.close();
  });

  test("etcd #5230: a tear at the edge of a page or sector is as torn as any other", async () => {
    const machine = new Machine();
    const wal = await machine.open();
    await wal.append(textBytes("before"));
    await wal.append(new SeededRandom(1).bytes(6_000));
    const whole = machine.bytesOf(segmentPath(1));
    for (let edge = 512; edge < whole.byteLength; edge += 512) {
      if (edge <= SEGMENT_HEADER_BYTES + FRAME_HEADER_BYTES + 16) continue;
      const torn = new Machine({ disk: machine.disk.onlyDurable() });
      const bytes = whole.slice();
      bytes.fill(0, edge, Math.min(edge + 512, bytes.byteLength));
      await torn.replace(segmentPath(1), bytes);
      const again = await torn.open();
      const texts: string[] = [];
      for await (const { payload } of again.read()) texts.push(bytesText(payload).slice(0, 6));
      assert.deepEqual(texts, ["before"], `edge ${edge}`);
      await again.close();
    }
  });
});
