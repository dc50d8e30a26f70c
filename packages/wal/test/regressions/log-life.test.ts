/** Bugs of others about appending, reading, rotating and releasing, as tests of this engine. */

import assert from "node:assert/strict";
import { suite, test } from "node:test";

import { TracingStorage } from "@walnut/testkit";
import { openWalWith } from "@walnut/wal";

import {
  appendNumbered,
  LOG_DIRECTORY,
  Machine,
  numbered,
  QUIET_OPTIONS,
  readTexts,
  segmentPath,
  settle,
  textBytes,
} from "../machine.ts";
import { closedLog, filesOf, rejectsWith, restarted } from "./tampered-log.ts";

suite("appending", () => {
  test("BanyanDB: values around 65,536 bytes come back as they were", async () => {
    const machine = new Machine();
    const sizes = [0, 1, 65_535, 65_536, 65_537, 131_072, 200_000];
    const wal = await machine.open();
    for (const size of sizes) await wal.append(new Uint8Array(size).fill(size % 251));
    await wal.close();
    const again = await restarted(machine).open();
    const found: number[] = [];
    for await (const { payload } of again.read()) {
      found.push(payload.byteLength);
      assert.ok(payload.every((byte) => byte === payload.byteLength % 251));
    }
    assert.deepEqual(found, sizes);
    await again.close();
  });

  test("BanyanDB: a caller may use its buffer again at once", async () => {
    const machine = new Machine();
    const wal = await machine.open();
    const buffer = textBytes("r1");
    const first = wal.append(buffer);
    buffer.set(textBytes("r2"));
    const second = wal.append(buffer);
    buffer.fill(0);
    await Promise.all([first, second]);
    assert.deepEqual(await readTexts(wal), numbered(1, 2));
    await wal.close();
  });

  test("BanyanDB, IoTDB: an append to a closed log rejects instead of returning in silence", async () => {
    const machine = new Machine();
    const wal = await machine.open();
    await wal.close();
    await rejectsWith(wal.append(textBytes("late")), "WAL_CLOSED");
    await rejectsWith(wal.appendBatch([textBytes("late")]), "WAL_CLOSED");
  });

  test("BanyanDB #14101, Arc #803: a close answers what is under way and keeps it", async () => {
    const machine = new Machine();
    const wal = await machine.open();
    const answers = [1, 2, 3].map((number) => wal.append(textBytes(`r${number}`)));
    const buffered = wal.append(textBytes("r4"), { durability: "memory" });
    await wal.close();
    assert.deepEqual(await Promise.all([...answers, buffered]), [1, 2, 3, 4]);
    const again = await machine.afterPowerLoss().open();
    assert.deepEqual(await readTexts(again), numbered(1, 4));
    await again.close();
  });

  test("Arc sync_mode: an unknown durability is refused instead of never syncing", async () => {
    const machine = new Machine();
    const misspelt = JSON.parse('{"durability":"fdatasnyc"}') as { durability: "fdatasync" };
    await rejectsWith(machine.open(misspelt), "WAL_INVALID_OPTION");
    await rejectsWith(
      machine.open({ ...misspelt, durability: "none" as "off" }),
      "WAL_INVALID_OPTION",
    );
  });

  test("IoTDB, BanyanDB idle gap: one record every 10 ms does not put the sync off", async () => {
    const machine = new Machine();
    const wal = await machine.open({ durability: "interval", syncIntervalMs: 100 });
    for (let count = 1; count <= 40; count += 1) {
      await appendNumbered(wal, 1);
      machine.clock.advance(10);
      await settle();
      // 100 ms are ten records.
      assert.ok(wal.positions.durableLsn >= count - 10, `record ${count}`);
    }
    await wal.close();
  });

  test("@durable-streams/server: writers at once share a sync", async () => {
    const lines: string[] = [];
    const machine = new Machine({
      wrapStorage: (disk) => new TracingStorage(disk, (line) => lines.push(line)),
    });
    const wal = await machine.open();
    await appendNumbered(wal, 1);
    lines.length = 0;
    await appendNumbered(wal, 100);
    const syncs = lines.filter((line) => /^(?:syncData|syncAll|writeDurable)/u.test(line));
    assert.ok(syncs.length <= 2, syncs.join("\n"));
    await wal.close();
  });
});

suite("rotating and releasing", () => {
  test("Arc #340: segments made in the same millisecond have different files", async () => {
    const machine = new Machine();
    const wal = await machine.open();
    for (let count = 0; count < 12; count += 1) {
      await appendNumbered(wal, 1);
      await wal.rotate();
    }
    const names = machine.fileNames.filter((name) => name.endsWith(".wal"));
    assert.equal(new Set(names).size, 13);
    assert.deepEqual(await readTexts(wal), numbered(1, 12));
    await wal.close();
  });

  test("BanyanDB #261, #313: more segments than a digit counts are read in their order", async () => {
    const machine = await closedLog(120, 1);
    const wal = await restarted(machine).open({ recovery: "strict" });
    assert.equal(wal.recovery.segments, 120);
    assert.deepEqual(await readTexts(wal), numbered(1, 120));
    await wal.close();
  });

  test("Arc: an idle log is rotated by age", async () => {
    const machine = new Machine();
    const wal = await machine.open({ segmentMaxAgeMs: 1_000 });
    await appendNumbered(wal, 1);
    machine.clock.advance(1_000);
    await settle();
    assert.equal(wal.status().totals.rotations, 1);
    await wal.close();
  });

  test("BanyanDB rotate-then-swap: a record that causes a rotation is in exactly one segment", async () => {
    const machine = new Machine();
    const wal = await machine.open();
    for (let count = 1; count <= 30; count += 1) await wal.append(new Uint8Array(900).fill(count));
    const { segments } = wal.status();
    assert.ok(segments.length > 2);
    let nextLsn = 1;
    for (const { firstLsn, lastLsn } of segments) {
      assert.equal(firstLsn, nextLsn);
      nextLsn = lastLsn + 1;
    }
    assert.equal(nextLsn, 31);
    await wal.close();
  });

  test("Vector PR 25570: no segment goes before the checkpoint that does without it is durable", async () => {
    const lines: string[] = [];
    const machine = new Machine({
      wrapStorage: (disk) => new TracingStorage(disk, (line) => lines.push(line)),
    });
    const wal = await machine.open();
    for (let segment = 0; segment < 3; segment += 1) {
      await appendNumbered(wal, 2);
      await wal.rotate();
    }
    lines.length = 0;
    await wal.cursor("c").ack(4);
    const removed = lines.findIndex((line) => line.startsWith(`remove ${segmentPath(1)}`));
    const renamed = lines.findIndex((line) => line.endsWith(`-> ${LOG_DIRECTORY}/CHECKPOINT`));
    const synced = lines.indexOf(`syncDirectory ${LOG_DIRECTORY}`, renamed);
    assert.ok(renamed >= 0 && renamed < synced && synced < removed, lines.join("\n"));
    await wal.close();
  });

  test("Arc #1009: nothing is released because it is old, only because it was acknowledged", async () => {
    const machine = new Machine();
    const wal = await machine.open();
    const cursor = wal.cursor("c");
    for (let segment = 0; segment < 3; segment += 1) {
      await appendNumbered(wal, 2);
      await wal.rotate();
    }
    machine.clock.advance(365 * 24 * 3_600_000);
    await cursor.ack(1);
    await settle();
    assert.equal(wal.positions.firstLsn, 1);
    await cursor.ack(2);
    assert.equal(wal.positions.firstLsn, 3);
    await wal.close();
  });

  test("SQLite WAL reset (3.7.0 to 3.51.2): a reader that a release overtakes is told, and is never shown other records", async () => {
    const machine = new Machine();
    const wal = await machine.open();
    for (let segment = 0; segment < 5; segment += 1) {
      for (let count = 0; count < 3; count += 1) await appendNumbered(wal, 1);
      await wal.rotate();
    }
    const cursor = wal.cursor("c");
    const reader = wal.read();
    const seen: string[] = [];
    const { value } = await reader.next();
    seen.push(`${value?.lsn}:${new TextDecoder().decode(value?.payload)}`);
    await cursor.ack(12);
    const rest = async (): Promise<void> => {
      for await (const { lsn, payload } of reader) {
        seen.push(`${lsn}:${new TextDecoder().decode(payload)}`);
      }
    };
    await rejectsWith(rest(), "WAL_LSN_TRUNCATED");
    assert.deepEqual(seen, numbered(1, seen.length));
    await wal.close();
  });
});

suite("reading", () => {
  test("rosedb NewReaderWithStart: begins with exactly the record that was asked for", async () => {
    const machine = new Machine();
    const wal = await machine.open();
    // Frames of one record and of many, over several segments.
    for (let round = 0; round < 6; round += 1) {
      await appendNumbered(wal, 1 + round * 3);
      if (round % 2 === 1) await wal.rotate();
    }
    const last = wal.positions.appendedLsn;
    for (let from = 1; from <= last + 1; from += 1) {
      assert.deepEqual(await readTexts(wal, { from }), numbered(from, last));
      assert.deepEqual(
        await readTexts(wal, { from, to: from + 1 }),
        numbered(from, Math.min(last, from + 1)),
      );
    }
    await wal.close();
  });

  test("rocksplicator PR 599: what was released is reported, not passed over", async () => {
    const machine = await closedLog(3, 2);
    const wal = await restarted(machine).open();
    await wal.cursor("c").ack(2);
    await rejectsWith(readTexts(wal, { from: 1 }), "WAL_LSN_TRUNCATED");
    assert.deepEqual(await readTexts(wal, { from: 3 }), numbered(3, 6));
    await wal.close();
  });

  test("RocksDB #13478: nothing is shown that a power loss could take back", async () => {
    const machine = new Machine();
    const wal = await machine.open({ durability: "async" });
    await appendNumbered(wal, 3);
    assert.deepEqual(await readTexts(wal), []);
    assert.deepEqual(await readTexts(wal, { visibility: "written" }), numbered(1, 3));
    await wal.sync();
    assert.deepEqual(await readTexts(wal), numbered(1, 3));
    await wal.close();
  });

  test("RocksDB #10007, PR 14953: a tail follows over rotations without a gap", async () => {
    const machine = new Machine();
    const wal = await machine.open();
    const seen: number[] = [];
    const following = (async () => {
      for await (const { lsn } of wal.tail()) seen.push(lsn);
    })();
    for (let round = 0; round < 5; round += 1) {
      await appendNumbered(wal, 2);
      await wal.rotate();
    }
    await settle(20);
    await wal.close();
    await following;
    assert.deepEqual(
      seen,
      Array.from({ length: 10 }, (_, index) => index + 1),
    );
  });

  test("Prometheus #6934, Vector #26035: reading a long log asks for a piece at a time", async () => {
    const reads: number[] = [];
    const machine = new Machine({
      wrapStorage: (disk) =>
        new TracingStorage(disk, (line) => {
          const bytes = /^read \S+ \d+\+(\d+)/u.exec(line)?.[1];
          if (bytes !== undefined) reads.push(Number(bytes));
        }),
    });
    const options = { segmentSizeBytes: 8 * 1024 * 1024 };
    const wal = await machine.open(options);
    for (let count = 0; count < 60; count += 1) await wal.append(new Uint8Array(100_000));
    reads.length = 0;
    let records = 0;
    for await (const { lsn } of wal.read()) records = lsn;
    await wal.close();
    assert.equal(records, 60);
    assert.ok(Math.max(...reads) <= 1024 * 1024, `${Math.max(...reads)} bytes at once`);
  });
});

suite("a directory", () => {
  test("BanyanDB: files of others in it are left alone", async () => {
    const machine = await closedLog(2, 2);
    const foreign = ["notes.txt", "x.wal", "1.wal", "000000000001.wal.bak", "a"];
    for (const name of foreign) machine.disk.plant(`${LOG_DIRECTORY}/${name}`, textBytes(name));
    const wal = await restarted(machine).open();
    assert.deepEqual(await readTexts(wal), numbered(1, 4));
    await wal.close();
    for (const name of foreign) {
      assert.deepEqual(machine.disk.peek(`${LOG_DIRECTORY}/${name}`), textBytes(name));
    }
  });

  test("BanyanDB v0.5.0, Datakit, OTel #6003: has one writer, and none when opening failed", async () => {
    const machine = await closedLog(1, 1);
    const wal = await restarted(machine).open();
    await rejectsWith(restarted(machine).open(), "WAL_LOCKED");
    await wal.close();
    const checkpoint = `${LOG_DIRECTORY}/CHECKPOINT`;
    const good = machine.bytesOf(checkpoint);
    await machine.replace(checkpoint, good.slice(0, -1));
    await rejectsWith(restarted(machine).open(), "WAL_CORRUPT");
    await machine.replace(checkpoint, good);
    const again = await restarted(machine).open();
    await again.close();
  });

  test("babuza CreateWal, @withcardinal/write-ahead-log: opening and closing removes no record", async () => {
    const machine = await closedLog(2, 3);
    const before = filesOf(machine.disk).filter(([path]) => path.endsWith(".wal"));
    for (let life = 0; life < 3; life += 1) {
      const wal = await restarted(machine).open();
      await wal.close();
    }
    const after = filesOf(machine.disk).filter(([path]) => path.endsWith(".wal"));
    assert.deepEqual(after, before);
  });

  test("diskcache .pos: may be moved, cursors and all", async () => {
    const machine = await closedLog(2, 2);
    const wal = await restarted(machine).open();
    await wal.cursor("c").ack(1);
    await wal.close();
    const moved = new Machine();
    for (const [path, content] of filesOf(machine.disk)) {
      moved.disk.plant(path.replace(LOG_DIRECTORY, "/elsewhere/log"), content);
    }
    const options = { ...QUIET_OPTIONS, directory: "/elsewhere/log" };
    const again = await openWalWith(moved.environment, options);
    assert.deepEqual(await readTexts(again), numbered(1, 4));
    assert.equal(again.cursor("c").lsn, 1);
    await again.close();
  });

  test("NATS #7564, OTel file_storage: a damaged cursor is named instead of starting anywhere", async () => {
    const machine = await closedLog(1, 3);
    const wal = await restarted(machine).open();
    await wal.cursor("c").ack(2);
    await wal.close();
    const path = `${LOG_DIRECTORY}/cursors/c.cursor`;
    const bytes = machine.bytesOf(path).slice();
    bytes[16] = (bytes[16] ?? 0) ^ 1;
    await machine.replace(path, bytes);
    const details = await rejectsWith(restarted(machine).open(), "WAL_CORRUPT");
    assert.equal(details["path"], path);
  });
});
