/** What etcd's own tests know of its files. Each test names the one it follows. */
import assert from "node:assert/strict";
import { readdir, readFile, rm, stat, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { suite, test, type TestContext } from "node:test";
import type { StorageFile } from "@walnut/wal";
import { isRaftLogError, openRaftLog } from "@walnut/raft-log";
import { cutSegment } from "../../src/etcd/repair-wal.ts";
import { parseSegmentName } from "../../src/etcd/segment-name.ts";
import { SegmentScanner, type ScannedRecord } from "../../src/etcd/segment-scanner.ts";
import { decodeEntry } from "../../src/etcd/raft-messages.ts";
import {
  countOf,
  createWal,
  entryOf,
  readWal,
  STORAGE,
  temporaryDirectory,
} from "./wal-fixture.ts";

const FIRST = "0000000000000000-0000000000000000.wal";

/** Scans bytes as the newest file. */
async function scan(
  bytes: Uint8Array,
  crc = 0,
): Promise<{ kind: string; records: ScannedRecord[] }> {
  const file = {
    read: (target: Uint8Array, at: number, length: number, offset: number) => {
      const part = bytes.subarray(offset, offset + length);
      target.set(part, at);
      return Promise.resolve(part.byteLength);
    },
  };
  // Of a file only reading is needed.
  const scanner = new SegmentScanner(file as unknown as StorageFile, bytes.byteLength, {
    crc,
    isNewest: true,
  });
  const records: ScannedRecord[] = [];
  while (scanner.end === undefined) records.push(...(await scanner.next()));
  return { kind: scanner.end.kind, records };
}

suite("etcd: bytes", () => {
  test("TestNew: a new WAL with metadata somedata", async (context) => {
    const directory = await temporaryDirectory(context);
    await (await createWal(directory, { metadata: Buffer.from("somedata") })).close();
    assert.equal(
      (await readFile(join(directory, FIRST))).toString("hex"),
      "04000000000000840804100000000000" +
        "120000000000008608011085d4fda0071a08736f6d6564617461000000000000" +
        "0e0000000000008208051080db81c1011a04080010000000",
    );
  });

  const infoRecord = Buffer.from("0e0000000000000008011099b5e4d0031a0408effd02", "hex");

  test("TestReadRecord: a record, an end, ends inside, a wrong byte", async () => {
    const whole = await scan(infoRecord);
    assert.equal(whole.kind, "end");
    assert.deepEqual(whole.records[0]?.data, new Uint8Array(infoRecord.subarray(-4)));
    assert.equal(whole.records[0]?.type, 1);
    assert.equal((await scan(new Uint8Array(0))).kind, "end");
    for (const length of [14, infoRecord.byteLength - 4, infoRecord.byteLength - 8]) {
      assert.equal((await scan(infoRecord.subarray(0, length))).kind, "torn");
    }
    const bad = Buffer.from(infoRecord);
    bad[bad.byteLength - 1] = 97;
    assert.equal((await scan(bad)).kind, "crc-mismatch");
  });

  test("TestLastRecordLengthExceedFileEnd: two entries, then a length of 1000", async (context) => {
    const bytes = Buffer.from(
      "04000000000000840804100000000000" +
        "04000000000000840801100000000000" +
        "0e0000000000008208051" +
        "0a0b39b8f081a04080010000000" +
        "1a000000000000860802" +
        "10ba8bdc850f1a1008001000180122087761" +
        "6c6461746131000000000000" +
        "1a000000000000860802" +
        "10a1e8ff9c021a1008001000180222087761" +
        "6c6461746132000000000000" +
        "e8030000000000860802" +
        "10a19ca1aa041a1008001000180322087761" +
        "6c6461746133000000000000",
      "hex",
    );
    const { kind, records } = await scan(bytes);
    assert.equal(kind, "torn");
    const entries = records.filter(({ type }) => type === 2).map(({ data }) => decodeEntry(data));
    assert.deepEqual(
      entries.map(({ data }) => Buffer.from(data).toString()),
      ["waldata1", "waldata2"],
    );
    const directory = await temporaryDirectory(context);
    await writeFile(join(directory, FIRST), bytes);
    assert.equal((await readWal(directory)).damage?.kind, "torn");
  });

  test("TestScanWalName", () => {
    assert.deepEqual(parseSegmentName(FIRST), { sequence: 0, firstIndex: 0 });
    assert.equal(parseSegmentName("0000000000000000.wal"), undefined);
    assert.equal(parseSegmentName("0000000000000000-0000000000000000.snap"), undefined);
  });
});

suite("etcd: repair", () => {
  interface Repair {
    readonly entries: number;
    readonly data?: Uint8Array;
    readonly damage: (path: string, sizeBytes: number) => Promise<void>;
    readonly left: number;
  }

  async function testRepair(context: TestContext, repair: Repair): Promise<void> {
    const root = await temporaryDirectory(context);
    const directory = join(root, "wal");
    await STORAGE.ensureDirectory(directory);
    const wal = await createWal(directory);
    for (let index = 1; index <= repair.entries; index++) {
      await wal.save(undefined, [entryOf(index, 0, repair.data)]);
    }
    await wal.close();
    const path = join(directory, FIRST);
    await repair.damage(path, (await stat(path)).size);
    const damaged = await readFile(path);
    const torn = await readWal(directory);
    assert.equal(torn.damage?.kind, "torn");
    // Opening repairs, as etcd does at its start.
    const warnings: string[] = [];
    const open = { storageRootDirectory: root, clusterId: 1, peerId: 1, backend: "etcd" } as const;
    const log = await openRaftLog({ ...open, onWarning: (text) => warnings.push(text) });
    assert.equal(log.lastIndex, repair.left);
    assert.equal(warnings.length, 1);
    assert.deepEqual(await readFile(`${path}.broken`), damaged);
    for (let more = 1; more <= 10; more++) {
      await log.save(undefined, [entryOf(repair.left + more)]);
    }
    await log.close();
    const after = await readWal(directory);
    assert.equal(after.damage, undefined);
    assert.equal(countOf(after), repair.left + 10);
  }

  test("TestRepairTruncate: 4 bytes less leave 9 of 10 entries", async (context) => {
    await testRepair(context, {
      entries: 10,
      damage: (path, sizeBytes) => truncate(path, sizeBytes - 4),
      left: 9,
    });
  });

  test("TestRepairWriteTearLast: zeros from 1024 on leave 40 of 50 entries", async (context) => {
    await testRepair(context, {
      entries: 50,
      damage: async (path, sizeBytes) => {
        await truncate(path, 1024);
        await truncate(path, sizeBytes);
      },
      left: 40,
    });
  });

  test("TestRepairWriteTearMiddle: a sector of zeros in the second entry leaves 1 of 5", async (context) => {
    await testRepair(context, {
      entries: 5,
      data: Uint8Array.from({ length: 4096 }, (_, at) => at % 256),
      damage: async (path) => {
        const bytes = await readFile(path);
        await writeFile(path, bytes.fill(0, 4096 + 512, 4096 + 1024));
      },
      left: 1,
    });
  });

  test("a copy that is there already is replaced", async (context) => {
    const directory = await temporaryDirectory(context);
    await (await createWal(directory)).close();
    const path = join(directory, FIRST);
    await writeFile(`${path}.broken`, "old");
    const bytes = await readFile(path);
    await cutSegment(STORAGE, { directory, path, endOffsetBytes: 16 });
    assert.deepEqual(await readFile(`${path}.broken`), bytes);
    assert.equal((await stat(path)).size, 16);
  });
});

suite("etcd: files", () => {
  test("TestSaveWithCut: the next file is named after the next entry", async (context) => {
    const directory = await temporaryDirectory(context);
    const wal = await createWal(directory, {
      metadata: Buffer.from("metadata"),
      segmentSizeBytes: 2048,
    });
    const hardState = { term: 1, vote: 0n, commit: 0 };
    await wal.save(hardState, []);
    for (let index = 1; index <= 4; index++) {
      await wal.save(hardState, [entryOf(index, 1, new Uint8Array(500).fill(7))]);
    }
    await wal.close();
    assert.deepEqual((await readdir(directory)).toSorted(), [
      FIRST,
      "0000000000000001-0000000000000005.wal",
    ]);
    const read = await readWal(directory);
    assert.equal(read.damage, undefined);
    assert.equal(countOf(read), 4);
    assert.deepEqual(read.replay.state.hardState, hardState);
  });

  test("a file's name is in hexadecimal: after entry 0x20 comes …21", async (context) => {
    const directory = await temporaryDirectory(context);
    const wal = await createWal(directory, { segmentSizeBytes: 2048 });
    for (let index = 1; index <= 31; index++) await wal.save(undefined, [entryOf(index)]);
    await wal.save(undefined, [entryOf(32, 0, new Uint8Array(2048))]);
    await wal.close();
    assert.ok((await readdir(directory)).includes("0000000000000001-0000000000000021.wal"));
  });

  test("TestVerify: a file in the middle that is empty is damage", async (context) => {
    const directory = await temporaryDirectory(context);
    const wal = await createWal(directory, { segmentSizeBytes: 64 });
    for (let index = 1; index <= 5; index++) {
      await wal.save(undefined, [entryOf(index, 0, Buffer.from(`waldata${index}`))]);
    }
    await wal.save({ term: 1, vote: 3n, commit: 5 }, []);
    await wal.close();
    assert.equal((await readWal(directory)).damage, undefined);
    const names = (await readdir(directory)).toSorted();
    await truncate(join(directory, names[2] ?? ""), 0);
    assert.notEqual((await readWal(directory)).damage, undefined);
  });

  test("TestRecoverAfterCut: a file that is missing is damage, and named", async (context) => {
    const root = await temporaryDirectory(context);
    const directory = join(root, "wal");
    await STORAGE.ensureDirectory(directory);
    const wal = await createWal(directory, { segmentSizeBytes: 64 });
    for (let index = 1; index <= 10; index++) await wal.save(undefined, [entryOf(index)]);
    await wal.close();
    const names = (await readdir(directory)).toSorted();
    await rm(join(directory, names[4] ?? ""));
    const { damage } = await readWal(directory);
    assert.equal(damage?.kind, "missing-segment");
    await assert.rejects(
      openRaftLog({ storageRootDirectory: root, clusterId: 1, peerId: 1, backend: "etcd" }),
      (error) =>
        isRaftLogError(error, "RAFT_CORRUPT") && error.details["kind"] === "missing-segment",
    );
  });

  test("TestOpenOnTornWrite: what follows a torn record does not come back", async (context) => {
    const root = await temporaryDirectory(context);
    const directory = join(root, "wal");
    await STORAGE.ensureDirectory(directory);
    const wal = await createWal(directory);
    const data = new Uint8Array(510).fill(9);
    const sizes: number[] = [];
    for (let index = 1; index <= 20; index++) {
      await wal.save(undefined, [entryOf(index, 0, data)]);
      sizes.push((await stat(join(directory, FIRST))).size);
    }
    await wal.close();
    // Entry 6 was never written, those behind it were.
    const bytes = await readFile(join(directory, FIRST));
    await writeFile(join(directory, FIRST), bytes.fill(0, sizes[4], sizes[5]));
    const open = { storageRootDirectory: root, clusterId: 1, peerId: 1, backend: "etcd" } as const;
    const log = await openRaftLog(open);
    assert.equal(log.lastIndex, 5);
    await log.save(undefined, [entryOf(6, 0, data)]);
    await log.close();
    assert.equal(countOf(await readWal(directory)), 6);
    assert.deepEqual(await readFile(join(directory, `${FIRST}.broken`)), bytes);
  });
});
