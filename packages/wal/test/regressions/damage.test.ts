/**
 * Bugs of others about damage to what was durable, as tests of this engine: torn and damaged are told apart, nothing
 * foreign passes for a record, nothing damaged is thrown away.
 */

import assert from "node:assert/strict";
import { suite, test } from "node:test";

import {
  appendNumbered,
  Machine,
  numbered,
  readTexts,
  segmentPath,
  textBytes,
} from "../machine.ts";
import {
  closedLog,
  filesOf,
  flipBit,
  FRAME_HEADER_BYTES,
  killedLog,
  rejectsWith,
  restarted,
  SEGMENT_HEADER_BYTES,
} from "./tampered-log.ts";

suite("damage", () => {
  test("etcd #6191, #11220: a flipped bit in synced records is named by file, offset and LSN, and nothing is changed", async () => {
    const machine = await closedLog(1, 5);
    const bytes = machine.bytesOf(segmentPath(1));
    await machine.replace(segmentPath(1), flipBit(bytes, SEGMENT_HEADER_BYTES + 50, 3));
    const before = filesOf(machine.disk);
    const details = await rejectsWith(restarted(machine).open(), "WAL_CORRUPT");
    assert.equal(details["path"], segmentPath(1));
    assert.equal(details["offsetBytes"], SEGMENT_HEADER_BYTES);
    assert.equal(details["firstLsn"], 1);
    assert.deepEqual(filesOf(machine.disk), before);
  });

  test("qdrant/wal PR 38: a record that does not check out does not end the log when records behind it do", async () => {
    const machine = await killedLog(6);
    const bytes = machine.bytesOf(segmentPath(1));
    // The third of six frames of the same size.
    const frameBytes = FRAME_HEADER_BYTES + 8;
    const offset = SEGMENT_HEADER_BYTES + 2 * frameBytes;
    await machine.replace(segmentPath(1), flipBit(bytes, offset + FRAME_HEADER_BYTES + 1, 0));
    const details = await rejectsWith(machine.open(), "WAL_CORRUPT");
    assert.equal(details["firstLsn"], 3);
  });

  test("RocksDB PR 7252: a missing segment in the middle is a hole, not an end", async () => {
    const machine = await closedLog(4, 2);
    await machine.disk.remove(segmentPath(2));
    const before = filesOf(machine.disk);
    const details = await rejectsWith(restarted(machine).open(), "WAL_CORRUPT");
    assert.equal(details["lastLsn"], 4);
    assert.deepEqual(filesOf(machine.disk), before);
  });

  test("RocksDB track_and_verify_wals: a closed segment that became shorter is missed", async () => {
    const machine = await closedLog(3, 3);
    const bytes = machine.bytesOf(segmentPath(2));
    // Cut at a frame's end, where every frame that is left checks out.
    await machine.replace(segmentPath(2), bytes.slice(0, SEGMENT_HEADER_BYTES + 56));
    await rejectsWith(restarted(machine).open(), "WAL_CORRUPT");
  });

  test("RocksDB PRs 10185, 10560, 10573: the newest segment is missed when it is gone", async () => {
    const machine = await closedLog(3, 2);
    await machine.disk.remove(segmentPath(3));
    await rejectsWith(restarted(machine).open(), "WAL_CORRUPT");
  });

  test("SQLite running checksum: a valid frame of another life of the log, put in its place, is found", async () => {
    // The same seed gives the same salts: only the chain tells the two lives apart.
    const lives = await Promise.all(
      ["one", "two"].map(async (first) => {
        const machine = new Machine({ seed: 5 });
        const wal = await machine.open();
        for (const text of [first, "same", "last"]) await wal.append(textBytes(text));
        await wal.close();
        return machine;
      }),
    );
    const [victim, donor] = lives;
    assert.ok(victim !== undefined && donor !== undefined);
    const spliced = victim.bytesOf(segmentPath(1)).slice();
    const start = SEGMENT_HEADER_BYTES + FRAME_HEADER_BYTES + 8;
    const length = FRAME_HEADER_BYTES + 8;
    const foreign = donor.bytesOf(segmentPath(1)).subarray(start, start + length);
    assert.notDeepEqual(spliced.subarray(start, start + length), foreign);
    spliced.set(foreign, start);
    await victim.replace(segmentPath(1), spliced);
    await rejectsWith(restarted(victim).open(), "WAL_CORRUPT");
  });

  test("raft-engine log signing: frames of another file behind the end are neither records nor damage", async () => {
    const donor = new Machine({ seed: 6 });
    const long = await donor.open();
    for (let count = 0; count < 6; count += 1) await appendNumbered(long, 1);
    await long.close();
    const machine = await killedLog(2);
    const own = machine.bytesOf(segmentPath(1));
    const rest = donor.bytesOf(segmentPath(1)).subarray(own.byteLength);
    assert.ok(rest.byteLength > 100);
    await machine.replace(segmentPath(1), Buffer.concat([own, rest]));
    const wal = await machine.open();
    assert.deepEqual(await readTexts(wal), numbered(1, 2));
    await wal.close();
  });

  test("LevelDB ignored trailer: bytes behind the end of a closed segment are never served", async () => {
    const machine = await closedLog(2, 2);
    const junk = textBytes("r3 of somebody else, put behind the end of the log's file");
    await machine.replace(segmentPath(1), Buffer.concat([machine.bytesOf(segmentPath(1)), junk]));
    for (const recovery of ["default", "strict"] as const) {
      const wal = await restarted(machine).open({ recovery });
      assert.deepEqual(await readTexts(wal), numbered(1, 4));
      await wal.close();
    }
  });

  test("Prometheus #13152: damage in an old segment removes no newer one", async () => {
    const machine = await closedLog(3, 3);
    const bytes = machine.bytesOf(segmentPath(1));
    await machine.replace(segmentPath(1), flipBit(bytes, SEGMENT_HEADER_BYTES + 60, 1));
    const before = filesOf(machine.disk);
    await rejectsWith(restarted(machine).open({ recovery: "strict" }), "WAL_CORRUPT");
    assert.deepEqual(filesOf(machine.disk), before);

    const wal = await restarted(machine).open();
    await rejectsWith(readTexts(wal), "WAL_CORRUPT");
    assert.deepEqual(await readTexts(wal, { from: 4 }), numbered(4, 9));
    await wal.close();
  });

  test("NATS 2.12.1 (Jepsen): one flipped bit costs a salvage one frame, not half the log", async () => {
    const machine = await closedLog(3, 10);
    const bytes = machine.bytesOf(segmentPath(2));
    const offset = SEGMENT_HEADER_BYTES + 4 * (FRAME_HEADER_BYTES + 8) + FRAME_HEADER_BYTES + 1;
    await machine.replace(segmentPath(2), flipBit(bytes, offset, 2));
    const wal = await restarted(machine).open({ recovery: "salvage" });
    const gaps: number[] = [];
    const texts = await readTexts(wal, {
      onGap: ({ firstLsn, lastLsn }) => gaps.push(firstLsn, lastLsn),
    });
    assert.equal(texts.length, 29);
    assert.deepEqual(gaps, [15, 15]);
    await wal.close();
  });

  test("diskcache: a bad file does not mean delete: salvage keeps the damaged bytes", async () => {
    const machine = await closedLog(1, 4);
    const damaged = flipBit(machine.bytesOf(segmentPath(1)), SEGMENT_HEADER_BYTES + 50, 3);
    await machine.replace(segmentPath(1), damaged);
    const wal = await restarted(machine).open({ recovery: "salvage" });
    await wal.close();
    const frame = Buffer.from(damaged.subarray(SEGMENT_HEADER_BYTES, SEGMENT_HEADER_BYTES + 56));
    const kept = filesOf(machine.disk).filter(([path]) => path.includes("/quarantine/"));
    assert.ok(kept.some(([, content]) => Buffer.from(content).includes(frame)));
  });

  test("Arc 26.04.1, IoTDB: a broken length neither allocates 4 GiB nor leads the reader astray", async () => {
    for (const lengthBytes of [0xffff_ffff, 0x7fff_ffff, 0x1000_0000, 7, 0]) {
      const machine = await closedLog(1, 4);
      const bytes = machine.bytesOf(segmentPath(1)).slice();
      new DataView(bytes.buffer).setUint32(SEGMENT_HEADER_BYTES + 56 + 8, lengthBytes, true);
      await machine.replace(segmentPath(1), bytes);
      const details = await rejectsWith(restarted(machine).open(), "WAL_CORRUPT");
      assert.equal(details["firstLsn"], 2, `length ${lengthBytes}`);
    }
  });

  test("Vector #17644: a reader of a damaged log ends with an error, each time, instead of going round for ever", async () => {
    const machine = await closedLog(3, 2);
    const bytes = machine.bytesOf(segmentPath(2));
    await machine.replace(segmentPath(2), flipBit(bytes, SEGMENT_HEADER_BYTES + 52, 0));
    const wal = await restarted(machine).open();
    for (let attempt = 0; attempt < 3; attempt += 1) {
      const seen: number[] = [];
      const read = async (): Promise<void> => {
        for await (const { lsn } of wal.read()) seen.push(lsn);
      };
      await rejectsWith(read(), "WAL_CORRUPT");
      assert.deepEqual(seen, [1, 2]);
    }
    await wal.close();
  });
});
