import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { SimulatedDisk } from "@walnut/testkit";
import { CodecRegistry, type Codec } from "../../src/codec/codecs.ts";
import { CommitBuffer } from "../../src/commit/commit-buffer.ts";
import { FRAME_HEADER_BYTES } from "../../src/format/frame.ts";
import { encodePackedRun, encodeRun, type EncodeContext } from "../../src/segment/frame-encoder.ts";
import { FrameScanner, type ScannedFrame } from "../../src/segment/frame-scanner.ts";

const CONTEXT: EncodeContext = {
  offset: 640,
  saltSeed: 0x1357_9bdf,
  chain: 77,
  durableOffset: 320,
  timeMs: 1_767_225_600_000,
};

function filledBuffer(): CommitBuffer {
  const buffer = new CommitBuffer(64 * 1024, {
    frameHeaderBytes: FRAME_HEADER_BYTES,
    recordHeadBytes: 4,
    targetBodyBytes: 500,
  });
  for (let lsn = 10; lsn < 30; lsn++) {
    const payload = new Uint8Array((lsn * 37) % 130).fill(lsn);
    buffer.addRecord(payload.byteLength, payload, lsn);
  }
  buffer.closeFrame();
  return buffer;
}

/** Reads back what was encoded, as it would stand in a file. */
async function scan(
  slices: readonly Uint8Array[],
  context: EncodeContext,
  firstLsn: number,
): Promise<ScannedFrame[]> {
  const disk = new SimulatedDisk();
  const bytes = Buffer.concat([Buffer.alloc(context.offset), ...slices]);
  disk.plant("/s", bytes);
  const scanner = new FrameScanner({
    file: await disk.openFile("/s", "read"),
    saltSeed: context.saltSeed,
    start: { offset: context.offset, nextLsn: firstLsn, chain: context.chain },
    limitOffset: bytes.byteLength,
    keepsChunks: true,
  });
  const frames: ScannedFrame[] = [];
  for (;;) {
    const frame = await scanner.next();
    if (frame === undefined) break;
    frames.push(frame);
  }
  assert.equal(scanner.isInvalid, false);
  assert.equal(scanner.position.offset, bytes.byteLength);
  return frames;
}

suite("encodeRun", () => {
  test("seals the frames where they are, chained, with place, time and durable offset", async () => {
    const buffer = filledBuffer();
    const notes: [number, number, number][] = [];
    const run = encodeRun(buffer, buffer.frames, CONTEXT, (...note) => notes.push(note));
    assert.equal(run.slices.length, 1);
    assert.equal(run.slices[0]?.buffer, buffer.bytes.buffer, "nothing is copied");
    assert.equal(run.lengthBytes, run.slices[0]?.byteLength);
    assert.equal(run.nextLsn, 30);
    const frames = await scan(run.slices, CONTEXT, 10);
    assert.equal(frames.length, buffer.frames.length);
    assert.equal(frames.at(-1)?.digest, run.digest);
    for (const { header } of frames) {
      assert.equal(header.durableOffset, CONTEXT.durableOffset);
      assert.equal(header.timeMs, CONTEXT.timeMs);
      assert.equal(header.codecId, 0);
    }
    assert.deepEqual(
      notes,
      frames.map(({ offset, header }) => [offset, header.firstLsn, header.chain]),
    );
  });

  test("encodes a part of a buffer as if it were all", async () => {
    const buffer = filledBuffer();
    const part = buffer.frames.slice(1, 3);
    const first = part[0];
    assert.ok(first !== undefined);
    const run = encodeRun(buffer, part, CONTEXT, () => undefined);
    const frames = await scan(run.slices, CONTEXT, first.firstLsn);
    assert.deepEqual(
      frames.map(({ header }) => header.firstLsn),
      part.map(({ firstLsn }) => firstLsn),
    );
  });

  test("marks the frames whose batch goes on", async () => {
    const buffer = filledBuffer();
    for (const frame of buffer.frames.slice(0, -1)) frame.continues = true;
    const run = encodeRun(buffer, buffer.frames, CONTEXT, () => undefined);
    const frames = await scan(run.slices, CONTEXT, 10);
    assert.deepEqual(
      frames.map(({ header }) => header.flags),
      frames.map((_, index) => (index < frames.length - 1 ? 1 : 0)),
    );
  });
});

suite("encodePackedRun", () => {
  test("compresses each body, chained in the file as it will stand", async () => {
    const codec = await new CodecRegistry().load("deflate");
    const buffer = filledBuffer();
    const notes: number[] = [];
    const run = await encodePackedRun(
      { codec, encryptor: undefined },
      buffer,
      buffer.frames,
      CONTEXT,
      (offset) => notes.push(offset),
    );
    const frames = await scan(run.slices, CONTEXT, 10);
    assert.equal(frames.at(-1)?.digest, run.digest);
    assert.equal(run.nextLsn, 30);
    assert.deepEqual(
      notes,
      frames.map(({ offset }) => offset),
    );
    const plain = encodeRun(buffer, buffer.frames, CONTEXT, () => undefined);
    assert.ok(run.lengthBytes < plain.lengthBytes);
    for (const [index, { header, bytes, bodyStart }] of frames.entries()) {
      const span = buffer.frames[index];
      assert.ok(span !== undefined);
      assert.equal(header.codecId, 1);
      assert.equal(header.rawBytes, span.bodyBytes);
      const raw = codec.decompress(
        bytes.subarray(bodyStart, bodyStart + header.storedBytes),
        header.rawBytes,
      );
      const start = span.start + FRAME_HEADER_BYTES;
      assert.ok(raw !== undefined);
      assert.ok(buffer.bytes.subarray(start, start + span.bodyBytes).equals(raw));
    }
  });

  test("stores a body as it is where compression does not shrink it", async () => {
    const growing: Codec = {
      id: 1,
      name: "deflate",
      compress: (body) => new Uint8Array(body.byteLength),
      compressAsync: (body) => Promise.resolve(new Uint8Array(body.byteLength)),
      decompress: () => undefined,
    };
    const buffer = filledBuffer();
    const run = await encodePackedRun(
      { codec: growing, encryptor: undefined },
      buffer,
      buffer.frames,
      CONTEXT,
      () => undefined,
    );
    const plain = encodeRun(buffer, buffer.frames, CONTEXT, () => undefined);
    assert.ok(Buffer.concat(run.slices).equals(Buffer.concat(plain.slices)));
  });

  test("compresses large bodies beside this thread", async () => {
    const calls: string[] = [];
    const watched: Codec = {
      id: 1,
      name: "deflate",
      compress: (body) => (calls.push(`here ${body.byteLength}`), body),
      compressAsync: (body) => (calls.push(`beside ${body.byteLength}`), Promise.resolve(body)),
      decompress: () => undefined,
    };
    const buffer = new CommitBuffer(256 * 1024, {
      frameHeaderBytes: FRAME_HEADER_BYTES,
      recordHeadBytes: 4,
      targetBodyBytes: 100,
    });
    for (const size of [64 * 1024 - 5, 64 * 1024 - 4]) {
      buffer.addRecord(size, new Uint8Array(size), 1);
    }
    buffer.closeFrame();
    await encodePackedRun(
      { codec: watched, encryptor: undefined },
      buffer,
      buffer.frames,
      CONTEXT,
      () => undefined,
    );
    assert.deepEqual(calls, ["here 65535", "beside 65536"]);
  });
});
