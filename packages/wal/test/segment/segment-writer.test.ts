import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { FaultyStorage, SimulatedDisk, type FaultRule } from "@walnut/testkit";
import { CommitBuffer } from "../../src/commit/commit-buffer.ts";
import { FRAME_HEADER_BYTES } from "../../src/format/frame.ts";
import { FrameScanner, type ScannedFrame } from "../../src/segment/frame-scanner.ts";
import { SegmentWriter, type SegmentWriterOptions } from "../../src/segment/segment-writer.ts";
import { firstPosition, type SegmentInfo } from "../../src/segment/segment-info.ts";
import { buildSegment } from "../segment-builder.ts";

const TIME_MS = 1_767_225_600_000;

interface Bench {
  readonly disk: SimulatedDisk;
  readonly info: SegmentInfo;
  readonly writer: SegmentWriter;
}

async function bench(
  options: Partial<SegmentWriterOptions> = {},
  rules: readonly FaultRule[] = [],
): Promise<Bench> {
  const disk = new SimulatedDisk();
  const segment = buildSegment();
  disk.plant("/log/1", segment.bytes);
  const info = segment.infoFor("/log/1");
  const writer = new SegmentWriter({
    info,
    file: await new FaultyStorage(disk, rules).openFile("/log/1", "write"),
    endOffset: segment.endOffset,
    nextLsn: 1,
    chain: segment.headerDigest,
    prewrittenOffset: segment.endOffset,
    prewriteStepBytes: 0,
    segmentSizeBytes: 1 << 20,
    codec: undefined,
    ...options,
  });
  return { disk, info, writer };
}

/** Appends one record of `bytes` bytes. */
async function append(writer: SegmentWriter, bytes: number, sync?: "data" | "all"): Promise<void> {
  const geometry = {
    frameHeaderBytes: FRAME_HEADER_BYTES,
    recordHeadBytes: 4,
    targetBodyBytes: 1 << 20,
  };
  const buffer = new CommitBuffer(bytes + 256, geometry);
  buffer.addRecord(bytes, new Uint8Array(bytes).fill(0xda), writer.written.lastLsn + 1);
  buffer.closeFrame();
  await writer.append(buffer, buffer.frames, TIME_MS, sync);
}

/** Frames that a reader of this disk finds. */
async function framesOn(disk: SimulatedDisk, info: SegmentInfo): Promise<ScannedFrame[]> {
  const file = await disk.openFile(info.path, "read");
  const scanner = new FrameScanner({
    file,
    saltSeed: info.saltSeed,
    start: firstPosition(info.firstLsn, info.headerDigest),
    limitOffset: await file.size(),
    keepsChunks: true,
  });
  const frames: ScannedFrame[] = [];
  for (;;) {
    const frame = await scanner.next();
    if (frame === undefined) return frames;
    frames.push(frame);
  }
}

suite("SegmentWriter", () => {
  test("appends frames that a scan finds, and says how far it is", async () => {
    const { disk, info, writer } = await bench();
    for (const bytes of [1, 0, 1000]) await append(writer, bytes, "data");
    const frames = await framesOn(disk, info);
    assert.deepEqual(
      frames.map(({ header }) => header.firstLsn),
      [1, 2, 3],
    );
    const last = frames.at(-1);
    assert.equal(writer.written.offset, (last?.offset ?? 0) + (last?.lengthBytes ?? 0));
    assert.deepEqual(writer.durable, writer.written);
    assert.equal(writer.recordCount, 3);
    assert.deepEqual(writer.closedSegment().closingDigest, last?.digest);
  });

  for (const sync of ["data", "all"] as const) {
    test(`has on the device what an append with sync "${sync}" resolved for`, async () => {
      const { disk, info, writer } = await bench();
      for (let count = 1; count <= 5; count++) {
        await append(writer, 100 * count, sync);
        assert.equal((await framesOn(disk.onlyDurable(), info)).length, count);
      }
    });
  }

  test("keeps apart what is written and what is durable", async () => {
    const { disk, info, writer } = await bench();
    await append(writer, 10, "data");
    const { offset } = writer.durable;
    await append(writer, 20);
    await append(writer, 30);
    assert.deepEqual(writer.durable, { offset, lastLsn: 1 });
    assert.equal(writer.written.lastLsn, 3);
    assert.equal(writer.isFullyDurable, false);
    await writer.sync("data");
    assert.deepEqual(writer.durable, writer.written);
    assert.equal((await framesOn(disk.onlyDurable(), info)).length, 3);
  });

  test("makes everything before durable together with a synced append", async () => {
    const { disk, info, writer } = await bench();
    await append(writer, 10);
    await append(writer, 20);
    await append(writer, 30, "data");
    assert.equal(writer.isFullyDurable, true);
    assert.equal((await framesOn(disk.onlyDurable(), info)).length, 3);
  });

  test("vouches in each frame for exactly what had been durable", async () => {
    const { disk, info, writer } = await bench();
    const expected: number[] = [];
    for (const sync of ["data", undefined, undefined, "data", "all", undefined] as const) {
      expected.push(writer.durable.offset);
      await append(writer, 10, sync);
    }
    const frames = await framesOn(disk, info);
    assert.deepEqual(
      frames.map(({ header }) => header.durableOffset),
      expected,
    );
  });

  test("syncs beside the writes once much is unsynced, and then vouches for it", async () => {
    const { disk, info, writer } = await bench({ segmentSizeBytes: 1 << 26 });
    const rounds = 12;
    for (let round = 0; round < rounds; round++) {
      await append(writer, 1024 * 1024);
      await new Promise<void>((resolve) => setImmediate(resolve));
    }
    assert.ok(writer.durable.offset > 64, "a sync has ended");
    assert.ok(writer.durable.offset < writer.written.offset);
    const frames = await framesOn(disk, info);
    assert.equal(frames.length, rounds);
    const durable = frames.filter(({ offset }) => offset < writer.durable.offset).length;
    assert.equal((await framesOn(disk.onlyDurable(), info)).length, durable);
  });

  test("refuses to go on after a sync beside the writes has failed", async () => {
    const { writer } = await bench({ segmentSizeBytes: 1 << 26 }, [
      { kind: "syncData", nth: 1, code: "EIO" },
    ]);
    await assert.rejects(async () => {
      for (let round = 0; round < 12; round++) {
        await append(writer, 1024 * 1024);
        await new Promise<void>((resolve) => setImmediate(resolve));
      }
    });
    await assert.rejects(writer.sync("data"));
    await assert.rejects(writer.trim());
    await assert.rejects(writer.close());
  });

  test("attests with a durable frame without records", async () => {
    const { disk, info, writer } = await bench();
    await append(writer, 10, "data");
    assert.equal(writer.isAttested, false);
    const { offset } = writer.written;
    await writer.attest(TIME_MS);
    assert.equal(writer.isAttested, true);
    assert.equal(writer.recordCount, 1);
    const mark = (await framesOn(disk.onlyDurable(), info)).at(-1);
    assert.equal(mark?.header.kind, 2);
    assert.equal(mark.header.durableOffset, offset);
    assert.equal(mark.header.firstLsn, 2);
    await append(writer, 10, "data");
    assert.equal(writer.isAttested, false);
    assert.equal((await framesOn(disk, info)).length, 3);
  });

  test("trims the file to what is used, durably", async () => {
    const { disk, info, writer } = await bench({ prewriteStepBytes: 4096 });
    await append(writer, 10, "data");
    await writer.trim();
    assert.equal(disk.peek(info.path)?.byteLength, writer.written.offset);
    assert.equal(disk.onlyDurable().peek(info.path)?.byteLength, writer.written.offset);
  });

  test("reads back through zeros that were written ahead", async () => {
    const { disk, info, writer } = await bench({
      prewriteStepBytes: 4096,
      segmentSizeBytes: 32 * 1024,
    });
    for (let count = 0; count < 100; count++) await append(writer, (count * 53) % 600, "data");
    assert.equal((await framesOn(disk, info)).length, 100);
    assert.equal((await framesOn(disk.onlyDurable(), info)).length, 100);
    assert.deepEqual(disk.violations, []);
  });

  for (const kind of ["write", "syncData", "syncAll", "writeDurable"] as const) {
    test(`says nothing is durable when ${kind} fails`, async () => {
      const { writer } = await bench({}, [{ kind, nth: 1, code: "EIO" }]);
      const before = writer.durable;
      await assert.rejects(async () => {
        await append(writer, 10, "data");
        await append(writer, 10);
        await append(writer, 10, "data");
        await append(writer, 10, "all");
      });
      if (kind !== "syncAll") assert.ok(writer.durable.lastLsn <= before.lastLsn + 1);
      assert.equal(kind === "writeDurable", writer.written.lastLsn === 0);
    });
  }

  test("closes its handle, and waits for zeros under way", async () => {
    const { disk, writer } = await bench({ prewriteStepBytes: 4096 });
    await append(writer, 10, "data");
    await writer.close();
    assert.deepEqual(disk.openFiles, []);
  });
});
