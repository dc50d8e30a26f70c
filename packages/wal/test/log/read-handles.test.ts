import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { FaultyStorage, WrappedStorage, type StorageCall } from "@walnut/testkit";
import { isWalError, type Wal } from "@walnut/wal";
import { appendSegments, Machine, readTexts, segmentPath, settle, textBytes } from "../machine.ts";

const FIRST_SEGMENT = segmentPath(1);

/** A machine, and the calls on its segments since the last time they were asked for. */
function observed(): { readonly machine: Machine; readonly calls: () => string[] } {
  let calls: StorageCall[] = [];
  const machine = new Machine({
    wrapStorage: (disk) =>
      new WrappedStorage(disk, {
        intercept: (call, proceed) => {
          if (call.path.endsWith(".wal")) calls.push(call);
          return proceed();
        },
      }),
  });
  const taken = (): string[] => {
    const kinds = calls.map(({ kind }) => kind);
    calls = [];
    return kinds;
  };
  return { machine, calls: taken };
}

function readOne(wal: Wal, lsn: number): Promise<string[]> {
  return readTexts(wal, { from: lsn, to: lsn });
}

suite("files that ranges are read from", () => {
  test("are opened once, and each range is one read", async () => {
    const { machine, calls } = observed();
    const wal = await machine.open();
    await appendSegments(wal, 3);
    calls();
    assert.deepEqual(await readOne(wal, 1), ["1:r1"]);
    assert.deepEqual(calls(), ["openFile", "read"]);
    assert.deepEqual(await readTexts(wal, { from: 1, to: 2 }), ["1:r1", "2:r2"]);
    assert.deepEqual(calls(), ["read"]);
    await wal.close();
    assert.deepEqual(machine.disk.openFiles, []);
  });

  test("of large frames are read from the frame that is wanted, also in a log that was opened again", async () => {
    const { machine, calls } = observed();
    const options = { segmentSizeBytes: 8 * 1024 * 1024 };
    const first = await machine.open(options);
    const record = new Uint8Array(1000);
    for (let batch = 0; batch < 4; batch++) {
      await first.appendBatch(Array.from({ length: 1000 }, () => record));
    }
    await first.rotate();
    await first.append(textBytes("newest"));
    await first.close();
    const wal = await machine.open(options);
    for await (const { lsn } of wal.read()) assert.ok(lsn <= 4001);
    calls();
    const sizes: number[] = [];
    for (const lsn of [1, 2000, 3999]) {
      for await (const { payload } of wal.read({ from: lsn, to: lsn })) {
        sizes.push(payload.buffer.byteLength);
      }
    }
    assert.deepEqual(calls(), ["openFile", "read", "read", "read"]);
    assert.equal(sizes.length, 3);
    assert.ok(Math.max(...sizes) < 256 * 1024, sizes.join(", "));
    let records = 0;
    for await (const batch of wal.readBatches({ from: 500, to: 3500 })) records += batch.length;
    assert.equal(records, 3001);
    assert.deepEqual(calls(), ["read"], "three mebibytes are one read");
    await wal.close();
  });

  test("are verified at every read", async () => {
    const { machine } = observed();
    const wal = await machine.open();
    await appendSegments(wal, 2);
    assert.deepEqual(await readOne(wal, 1), ["1:r1"]);
    const file = await machine.disk.openFile(FIRST_SEGMENT, "write");
    await file.write([textBytes("x")], 64 + 48 + 5);
    await file.close();
    await assert.rejects(readOne(wal, 1), (error) => isWalError(error, "WAL_CORRUPT"));
    await wal.close();
    assert.deepEqual(machine.disk.openFiles, []);
  });

  test("are closed when their segment leaves the log", async () => {
    const isRead = (machine: Machine, segmentId: number): boolean =>
      machine.disk.openFiles.includes(segmentPath(segmentId));
    const leave: Readonly<Record<string, (wal: Wal) => Promise<void>>> = {
      released: async (wal) => await wal.cursor("c").ack(4),
      "cut at the front": async (wal) => await wal.truncateFront(5),
      "cut at the back": async (wal) => await wal.truncateBack(0),
    };
    for (const [name, step] of Object.entries(leave)) {
      const { machine } = observed();
      const wal = await machine.open();
      await appendSegments(wal, 4);
      await readOne(wal, 3);
      assert.ok(isRead(machine, 2), name);
      await step(wal);
      await settle();
      assert.ok(!isRead(machine, 2), name);
      await wal.close();
      assert.deepEqual(machine.disk.openFiles, [], name);
    }
  });

  test("that are being read when their segment is released are closed after it", async () => {
    const { machine } = observed();
    const wal = await machine.open();
    await appendSegments(wal, 4);
    const records = wal.read({ from: 1, to: 2 });
    await records.next();
    await wal.cursor("c").ack(4);
    assert.ok(machine.disk.openFiles.includes(FIRST_SEGMENT));
    await records.return();
    assert.ok(!machine.disk.openFiles.includes(FIRST_SEGMENT));
    await wal.close();
  });

  test("are sixteen at most, and those of a read to the end do not stay", async () => {
    const { machine } = observed();
    const wal = await machine.open();
    await appendSegments(wal, 20);
    const idle = machine.disk.openFiles.length;
    await readTexts(wal);
    assert.equal(machine.disk.openFiles.length, idle);
    for (let lsn = 1; lsn <= 40; lsn += 2) await readOne(wal, lsn);
    assert.equal(machine.disk.openFiles.length, idle + 16);
    assert.ok(!machine.disk.openFiles.includes(FIRST_SEGMENT), "the one used longest ago goes");
    await wal.close();
    assert.deepEqual(machine.disk.openFiles, []);
  });

  test("are not lent to two readers at once", async () => {
    const { machine, calls } = observed();
    const wal = await machine.open();
    await appendSegments(wal, 2);
    calls();
    const both = await Promise.all([readOne(wal, 1), readOne(wal, 2)]);
    assert.deepEqual(both, [["1:r1"], ["2:r2"]]);
    assert.deepEqual(calls(), ["openFile", "openFile", "read", "read"]);
    await wal.close();
    assert.deepEqual(machine.disk.openFiles, []);
  });

  test("are not used again after a failed read", async () => {
    const rule = { kind: "read", nth: 2, path: /0001\.wal$/, code: "EIO" } as const;
    const machine = new Machine({ wrapStorage: (disk) => new FaultyStorage(disk, [rule]) });
    const wal = await machine.open();
    await appendSegments(wal, 2);
    assert.deepEqual(await readOne(wal, 1), ["1:r1"]);
    await assert.rejects(readOne(wal, 1), (error) => isWalError(error, "WAL_IO"));
    assert.ok(!machine.disk.openFiles.includes(FIRST_SEGMENT));
    assert.deepEqual(await readOne(wal, 1), ["1:r1"]);
    await wal.close();
    assert.deepEqual(machine.disk.openFiles, []);
  });
});
