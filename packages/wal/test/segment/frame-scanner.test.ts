import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { SimulatedDisk } from "@walnut/testkit";
import type { StorageFile } from "@walnut/wal";
import { FRAME_HEADER_BYTES } from "../../src/format/frame.ts";
import { SEGMENT_HEADER_BYTES } from "../../src/format/segment-header.ts";
import { FrameScanner, type FrameScannerOptions } from "../../src/segment/frame-scanner.ts";
import { firstPosition } from "../../src/segment/segment-info.ts";
import { everyBitFlipped } from "../every-bit.ts";
import { buildSegment, type BuiltSegment, type FrameSpec } from "../segment-builder.ts";

async function fileOf(
  bytes: Uint8Array,
): Promise<{ readonly disk: SimulatedDisk; readonly file: StorageFile }> {
  const disk = new SimulatedDisk();
  disk.plant("/s", bytes);
  return { disk, file: await disk.openFile("/s", "read") };
}

function scannerOf(
  file: StorageFile,
  segment: BuiltSegment,
  options: Partial<FrameScannerOptions> = {},
): FrameScanner {
  return new FrameScanner({
    file,
    saltSeed: segment.saltSeed,
    start: firstPosition(segment.header.firstLsn, segment.headerDigest),
    limitOffset: segment.bytes.byteLength,
    ...options,
  });
}

/** Offsets of all frames that the scan yields. */
async function scanOffsets(scanner: FrameScanner): Promise<number[]> {
  const offsets: number[] = [];
  for (;;) {
    const frame = await scanner.next();
    if (frame === undefined) return offsets;
    offsets.push(frame.offset);
  }
}

function payloads(...sizes: readonly number[]): Uint8Array[] {
  return sizes.map((size, index) => new Uint8Array(size).fill(index + 1));
}

const FRAMES: readonly FrameSpec[] = [
  { payloads: payloads(10, 0, 3) },
  { payloads: payloads(700), durable: "all" },
  { kind: "attest", durable: "all" },
  { payloads: payloads(1) },
  { payloads: payloads(100, 100), continues: true },
  { payloads: payloads(20) },
  { kind: "seal", durable: "all" },
];

suite("FrameScanner", () => {
  test("yields every frame with its place, header, digest and body", async () => {
    const segment = buildSegment({ frames: FRAMES });
    const { file } = await fileOf(segment.bytes);
    const scanner = scannerOf(file, segment);
    for (const expected of segment.frames) {
      const frame = await scanner.next();
      assert.ok(frame !== undefined);
      const { offset, lengthBytes, digest, header } = frame;
      assert.deepEqual({ offset, lengthBytes, digest, header }, expected);
      const body = frame.bytes.subarray(frame.bodyStart, frame.bodyStart + header.storedBytes);
      const from = offset + FRAME_HEADER_BYTES;
      assert.deepEqual(Uint8Array.from(body), segment.bytes.slice(from, from + header.storedBytes));
    }
    assert.equal(await scanner.next(), undefined);
    assert.equal(scanner.isInvalid, false);
    assert.deepEqual(scanner.position, {
      offset: segment.endOffset,
      nextLsn: segment.nextLsn,
      chain: segment.closingDigest,
    });
  });

  test("ends at once, and not as invalid, in a segment without frames", async () => {
    const segment = buildSegment();
    const { file } = await fileOf(segment.bytes);
    const scanner = scannerOf(file, segment);
    assert.equal(await scanner.next(), undefined);
    assert.equal(scanner.isInvalid, false);
  });

  for (let chunkBytes = 1; chunkBytes <= 1200; chunkBytes = Math.ceil(chunkBytes * 1.3)) {
    for (const keepsChunks of [false, true]) {
      test(`finds the same frames in chunks of ${chunkBytes} bytes${keepsChunks ? ", kept" : ""}`, async () => {
        const segment = buildSegment({ frames: FRAMES, zeroBytes: 200 });
        const { file } = await fileOf(segment.bytes);
        const scanner = scannerOf(file, segment, { chunkBytes, keepsChunks });
        assert.deepEqual(
          await scanOffsets(scanner),
          segment.frames.map(({ offset }) => offset),
        );
        assert.equal(scanner.isInvalid, true, "zeros begin no frame");
        assert.equal(scanner.position.offset, segment.endOffset);
      });
    }
  }

  test("keeps the bodies it has handed out when it is asked to", async () => {
    const frames = Array.from({ length: 40 }, (_, index) => ({
      payloads: [new Uint8Array(100).fill(index)],
    }));
    const segment = buildSegment({ frames });
    const { file } = await fileOf(segment.bytes);
    const scanner = scannerOf(file, segment, { chunkBytes: 300, keepsChunks: true });
    const bodies: Uint8Array[] = [];
    for (;;) {
      const frame = await scanner.next();
      if (frame === undefined) break;
      bodies.push(frame.bytes.subarray(frame.bodyStart + 4, frame.bodyStart + 104));
    }
    assert.deepEqual(
      bodies.map((body) => [...new Set(body)]),
      frames.map((_, index) => [index]),
    );
  });

  test("reads no byte at or behind the limit", async () => {
    const segment = buildSegment({ frames: FRAMES });
    for (const { offset } of segment.frames) {
      const { disk, file } = await fileOf(segment.bytes);
      disk.onEvent = ({ call }) => {
        if (call.kind === "read") {
          assert.ok((call.offsetBytes ?? 0) + (call.lengthBytes ?? 0) <= offset);
        }
      };
      const scanner = scannerOf(file, segment, { limitOffset: offset });
      const found = await scanOffsets(scanner);
      assert.equal(found.length, segment.frames.filter((frame) => frame.offset < offset).length);
      assert.equal(scanner.isInvalid, false);
    }
  });

  test("takes a limit inside a frame for the end of the valid frames before it", async () => {
    const segment = buildSegment({ frames: FRAMES });
    const last = segment.frames.at(-1);
    assert.ok(last !== undefined);
    for (let limitOffset = last.offset + 1; limitOffset < segment.endOffset; limitOffset++) {
      const { file } = await fileOf(segment.bytes);
      const scanner = scannerOf(file, segment, { limitOffset });
      assert.equal((await scanOffsets(scanner)).length, FRAMES.length - 1);
      assert.equal(scanner.isInvalid, true);
      assert.equal(scanner.position.offset, last.offset);
    }
  });

  test("goes on where it was when the limit moves", async () => {
    const segment = buildSegment({ frames: FRAMES });
    const { file } = await fileOf(segment.bytes);
    const scanner = scannerOf(file, segment, { limitOffset: 0, chunkBytes: 64 });
    const found: number[] = [];
    for (const frame of segment.frames) {
      found.push(...(await scanOffsets(scanner)));
      assert.equal(scanner.isInvalid, false);
      scanner.setLimit(frame.offset + frame.lengthBytes);
    }
    found.push(...(await scanOffsets(scanner)));
    assert.deepEqual(
      found,
      segment.frames.map(({ offset }) => offset),
    );
  });

  test("never waits in nextBuffered, and yields there what a read brought along", async () => {
    const segment = buildSegment({ frames: FRAMES });
    const { disk, file } = await fileOf(segment.bytes);
    const scanner = scannerOf(file, segment);
    assert.equal(scanner.nextBuffered(), undefined);
    assert.equal(scanner.isInvalid, false);
    assert.equal((await scanner.next())?.offset, SEGMENT_HEADER_BYTES);
    const { events } = disk;
    let count = 1;
    while (scanner.nextBuffered() !== undefined) count++;
    assert.equal(count, FRAMES.length);
    assert.equal(disk.events, events);
  });

  test("goes on from the position of any frame", async () => {
    const segment = buildSegment({ frames: FRAMES });
    for (const [index, frame] of segment.frames.entries()) {
      const { file } = await fileOf(segment.bytes);
      const { offset, header } = frame;
      const start = { offset, nextLsn: header.firstLsn, chain: header.chain };
      const scanner = scannerOf(file, segment, { start });
      assert.equal((await scanOffsets(scanner)).length, FRAMES.length - index);
    }
  });

  test("ends where a file is shorter than it was said to be", async () => {
    const segment = buildSegment({ frames: FRAMES });
    for (let cut = SEGMENT_HEADER_BYTES; cut < segment.endOffset; cut += 13) {
      const { file } = await fileOf(segment.bytes.slice(0, cut));
      const scanner = scannerOf(file, segment, { chunkBytes: 100 });
      const whole = segment.frames.filter((frame) => frame.offset + frame.lengthBytes <= cut);
      assert.equal((await scanOffsets(scanner)).length, whole.length, `cut at ${cut}`);
      assert.equal(scanner.isInvalid, true);
      assert.equal(await scanner.next(), undefined, "and stays there");
    }
  });

  test("ends before a frame with any one bit flipped, and yields nothing behind it", async () => {
    const segment = buildSegment({
      frames: [{ payloads: payloads(3) }, { payloads: payloads(5, 2) }, { payloads: payloads(1) }],
    });
    const broken = segment.frames[1];
    assert.ok(broken !== undefined);
    const to = broken.offset + broken.lengthBytes;
    for (const { bytes, byteIndex } of everyBitFlipped(segment.bytes, broken.offset, to)) {
      const { file } = await fileOf(bytes);
      const scanner = scannerOf(file, segment);
      assert.equal((await scanOffsets(scanner)).length, 1, `byte ${byteIndex}`);
      assert.equal(scanner.position.offset, broken.offset);
      assert.equal(scanner.isInvalid, true);
    }
  });

  test("uses no memory for a length that only a header claims", async () => {
    const segment = buildSegment({ frames: [{ payloads: payloads(3) }] });
    const bytes = segment.bytes.slice();
    new DataView(bytes.buffer).setUint32(SEGMENT_HEADER_BYTES + 8, 2 ** 31 - 1, true);
    const { file } = await fileOf(bytes);
    const before = process.memoryUsage().arrayBuffers;
    const scanner = scannerOf(file, segment);
    assert.equal(await scanner.next(), undefined);
    assert.ok(process.memoryUsage().arrayBuffers - before < 16 * 1024 * 1024);
  });
});

suite("what a scan refuses although the checksum is right", () => {
  const refused: { readonly what: string; readonly frame: FrameSpec }[] = [
    { what: "another chain", frame: { payloads: payloads(3), overrides: { chain: 1 } } },
    {
      what: "an LSN that leaves a gap",
      frame: { payloads: payloads(3), overrides: { firstLsn: 3 } },
    },
    {
      what: "an LSN that comes again",
      frame: { payloads: payloads(3), overrides: { firstLsn: 1 } },
    },
    { what: "a data frame without records", frame: { payloads: [] } },
    {
      what: "more records than can be in the body",
      frame: { payloads: payloads(3), overrides: { recordCount: 3 } },
    },
    { what: "unknown flags", frame: { payloads: payloads(3), overrides: { flags: 2 } } },
    {
      what: "a durable offset beyond the frame itself",
      frame: { payloads: payloads(3), overrides: { durableOffset: 4096 } },
    },
    {
      what: "other raw bytes than stored bytes without a codec",
      frame: { payloads: payloads(3), overrides: { rawBytes: 8 } },
    },
    { what: "a mark with records", frame: { kind: "attest", overrides: { recordCount: 1 } } },
    { what: "a mark that is part of a batch", frame: { kind: "seal", continues: true } },
    { what: "a mark with another body", frame: { kind: "attest", storedBody: new Uint8Array(8) } },
    { what: "a compressed mark", frame: { kind: "attest", overrides: { codecId: 1 } } },
  ];
  for (const { what, frame } of refused) {
    test(what, async () => {
      const segment = buildSegment({ frames: [{ payloads: payloads(1) }, frame] });
      const { file } = await fileOf(segment.bytes);
      const scanner = scannerOf(file, segment);
      assert.equal((await scanOffsets(scanner)).length, 1);
      assert.equal(scanner.isInvalid, true);
    });
  }

  test("a frame of another segment at the same offset", async () => {
    const own = buildSegment({ frames: [{ payloads: payloads(3) }] });
    const other = buildSegment({
      header: { salt: new Uint8Array(8).fill(9) },
      frames: [{ payloads: payloads(3), overrides: { chain: own.headerDigest } }],
    });
    const bytes = Buffer.concat([own.bytes.subarray(0, 64), other.bytes.subarray(64)]);
    const { file } = await fileOf(Uint8Array.from(bytes));
    assert.equal(await scannerOf(file, own).next(), undefined);
  });
});
