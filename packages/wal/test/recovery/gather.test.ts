import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { SimulatedDisk } from "@walnut/testkit";
import { encodeCheckpoint } from "../../src/format/checkpoint-file.ts";
import {
  gatherCheckpoint,
  gatherClosing,
  gatherSegments,
  gatherTail,
  type ClosingFacts,
  type TailScan,
} from "../../src/recovery/gather.ts";
import { flipBit } from "../every-bit.ts";
import { segmentPath } from "../machine.ts";
import { buildSegment, type BuiltSegment, type FrameSpec } from "../segment-builder.ts";

const RECORD: FrameSpec = { payloads: [Uint8Array.of(1, 2, 3)] };
const SYNCED: FrameSpec = { ...RECORD, durable: "all" };
const PART: FrameSpec = { ...RECORD, continues: true };
const ATTEST: FrameSpec = { kind: "attest", durable: "all" };
const SEAL: FrameSpec = { kind: "seal", durable: "all" };

async function scanOf(segment: BuiltSegment, bytes: Uint8Array = segment.bytes): Promise<TailScan> {
  const disk = new SimulatedDisk();
  disk.plant("/log/1", bytes);
  const scan = await gatherTail(disk, segment.infoFor("/log/1"), bytes.byteLength, () => undefined);
  assert.deepEqual(disk.openFiles, []);
  return scan;
}

suite("gatherTail", () => {
  const cases: {
    readonly what: string;
    readonly frames: readonly FrameSpec[];
    readonly zeroBytes?: number;
    readonly facts: Partial<TailScan["facts"]>;
    /** Records that are kept, and of those the ones that are vouched for. */
    readonly kept: number;
    readonly vouched: number;
  }[] = [
    { what: "a segment without frames", frames: [], facts: {}, kept: 0, vouched: 0 },
    {
      what: "zeros behind the header",
      frames: [],
      zeroBytes: 4096,
      facts: {},
      kept: 0,
      vouched: 0,
    },
    { what: "a record that nothing vouches for", frames: [RECORD], facts: {}, kept: 1, vouched: 0 },
    {
      what: "records vouched for by the last",
      frames: [RECORD, RECORD, SYNCED],
      facts: {},
      kept: 3,
      vouched: 2,
    },
    {
      what: "an attested end",
      frames: [RECORD, ATTEST],
      facts: { mark: "attest" },
      kept: 1,
      vouched: 1,
    },
    {
      what: "zeros behind an attested end",
      frames: [RECORD, ATTEST],
      zeroBytes: 99,
      facts: { mark: "attest" },
      kept: 1,
      vouched: 1,
    },
    {
      what: "a record behind an attest",
      frames: [RECORD, ATTEST, SYNCED],
      facts: {},
      kept: 2,
      vouched: 1,
    },
    { what: "a sealed end", frames: [RECORD, SEAL], facts: { mark: "seal" }, kept: 1, vouched: 1 },
    {
      what: "an open batch",
      frames: [RECORD, PART],
      facts: { batch: "open" },
      kept: 1,
      vouched: 0,
    },
    {
      what: "nothing but an open batch",
      frames: [PART, PART],
      facts: { batch: "open" },
      kept: 0,
      vouched: 0,
    },
    {
      what: "a complete batch of frames",
      frames: [PART, PART, RECORD],
      facts: {},
      kept: 3,
      vouched: 0,
    },
    {
      what: "an open batch behind an attest",
      frames: [RECORD, ATTEST, { ...PART, durable: "all" }],
      facts: { batch: "open", mark: "attest" },
      kept: 1,
      vouched: 1,
    },
  ];
  for (const { what, frames, zeroBytes = 0, facts, kept, vouched } of cases) {
    test(`finds ${what}`, async () => {
      const segment = buildSegment({ frames, zeroBytes });
      const scan = await scanOf(segment);
      assert.deepEqual(scan.facts, {
        header: "valid",
        rest: "zeros",
        batch: "complete",
        mark: "none",
        ...facts,
      });
      assert.equal(scan.end.nextLsn - 1, kept);
      assert.equal(scan.vouched.nextLsn - 1, vouched);
      assert.ok(scan.vouched.offset <= scan.end.offset);
      assert.equal(scan.brokenOffset, segment.endOffset);
    });
  }

  test("finds junk behind the last frame when a write is torn at any byte", async () => {
    const segment = buildSegment({ frames: [RECORD, SYNCED, SYNCED] });
    const last = segment.frames.at(-1);
    assert.ok(last !== undefined);
    // The last byte is padding: with zeros behind it, a frame cut there is whole.
    for (let cut = last.offset + 1; cut < segment.endOffset - 1; cut++) {
      const padded = new Uint8Array(segment.endOffset + 512);
      padded.set(segment.bytes.subarray(0, cut));
      for (const bytes of [segment.bytes.slice(0, cut), padded]) {
        const { facts, end } = await scanOf(segment, bytes);
        assert.deepEqual(facts, { header: "valid", rest: "junk", batch: "complete", mark: "none" });
        assert.equal(end.nextLsn, 3);
      }
    }
  });

  test("finds damage that a later frame vouches for, wherever a bit is flipped", async () => {
    const segment = buildSegment({ frames: [RECORD, RECORD, SYNCED] });
    const voucher = segment.frames.at(-1);
    assert.ok(voucher !== undefined);
    for (let index = 64; index < voucher.offset; index++) {
      const { facts, brokenOffset } = await scanOf(
        segment,
        flipBit(segment.bytes, index, index % 8),
      );
      assert.equal(facts.rest, "vouched", `byte ${index}`);
      assert.ok(brokenOffset <= index);
    }
  });

  test("reports the bytes of every frame as progress", async () => {
    const segment = buildSegment({ frames: [RECORD, RECORD, ATTEST] });
    const disk = new SimulatedDisk();
    disk.plant("/log/1", segment.bytes);
    let bytes = 0;
    await gatherTail(disk, segment.infoFor("/log/1"), segment.bytes.byteLength, (count) => {
      bytes += count;
    });
    assert.equal(bytes, segment.endOffset - 64);
  });
});

suite("gatherClosing", () => {
  const sealed = buildSegment({ frames: [RECORD, SYNCED, SYNCED, SEAL] });
  const seal = sealed.frames.at(-1);
  assert.ok(seal !== undefined);
  const expected = {
    offset: seal.offset,
    digest: seal.header.chain,
    nextLsn: seal.header.firstLsn,
  };

  async function closingOf(
    bytes: Uint8Array,
    verifiesFrames: boolean,
    end = expected,
  ): Promise<ClosingFacts["kind"]> {
    const disk = new SimulatedDisk();
    disk.plant("/log/1", bytes);
    const info = sealed.infoFor("/log/1");
    const facts = await gatherClosing(
      disk,
      info,
      end,
      bytes.byteLength,
      verifiesFrames,
      () => undefined,
    );
    assert.deepEqual(disk.openFiles, []);
    return facts.kind;
  }

  test("finds the seal, with and without verifying the frames", async () => {
    assert.equal(await closingOf(sealed.bytes, false), "sealed");
    assert.equal(await closingOf(sealed.bytes, true), "sealed");
  });

  test("verifies the frames where the seal is missing, cut, damaged or followed by more", async () => {
    const cases = [
      sealed.bytes.slice(0, seal.offset),
      sealed.bytes.slice(0, seal.offset + 20),
      flipBit(sealed.bytes, seal.offset + 9, 1),
      Uint8Array.from(Buffer.concat([sealed.bytes, Buffer.alloc(64)])),
    ];
    for (const bytes of cases) assert.equal(await closingOf(bytes, false), "verified");
  });

  test("finds a mismatch when a frame is damaged and frames are verified", async () => {
    for (let index = 64; index < seal.offset; index++) {
      const bytes = flipBit(sealed.bytes, index, index % 8);
      assert.equal(await closingOf(bytes, true), "mismatch", `byte ${index}`);
      assert.equal(await closingOf(bytes.slice(0, seal.offset), false), "mismatch");
    }
  });

  test("finds a mismatch when the successor describes another end", async () => {
    const others = [
      { ...expected, digest: expected.digest ^ 1 },
      { ...expected, nextLsn: expected.nextLsn + 1 },
      { ...expected, nextLsn: expected.nextLsn - 1 },
      { ...expected, offset: expected.offset - 8 },
      { ...expected, offset: sealed.frames[2]?.offset ?? 0 },
    ];
    for (const end of others) {
      assert.equal(await closingOf(sealed.bytes, false, end), "mismatch");
      assert.equal(await closingOf(sealed.bytes, true, end), "mismatch");
    }
  });

  test("accepts an earlier end that the successor describes rightly: a tail that was cut", async () => {
    const cut = sealed.frames[2];
    assert.ok(cut !== undefined);
    const end = { offset: cut.offset, digest: cut.header.chain, nextLsn: cut.header.firstLsn };
    assert.equal(await closingOf(sealed.bytes, false, end), "verified");
  });
});

suite("gatherSegments", () => {
  test("decodes the header of every segment file and leaves other files alone", async () => {
    const disk = new SimulatedDisk();
    const segment = buildSegment({ header: { segmentId: 7 } });
    disk.plant(segmentPath(7), segment.bytes);
    disk.plant(segmentPath(8), segment.bytes.slice(0, 63));
    disk.plant(segmentPath(9), new Uint8Array(0));
    disk.plant("/log/CHECKPOINT", new Uint8Array(40));
    disk.plant("/log/notes.txt", new Uint8Array(1));
    const facts = await gatherSegments(disk, "/log", await disk.listDirectory("/log"));
    assert.deepEqual(
      facts
        .map(({ segmentId, fileBytes, header }) => [segmentId, fileBytes, header.kind])
        .sort((a, b) => Number(a[0]) - Number(b[0])),
      [
        [7, 64, "valid"],
        [8, 63, "invalid"],
        [9, 0, "invalid"],
      ],
    );
    assert.deepEqual(disk.openFiles, []);
  });
});

suite("gatherCheckpoint", () => {
  const bytes = encodeCheckpoint({ firstSegmentId: 2, firstLsn: 11, writtenAtMs: 5 });
  const cases = [
    { what: "no file", bytes: undefined, kind: "none" },
    { what: "a valid file", bytes, kind: "valid" },
    { what: "an empty file", bytes: new Uint8Array(0), kind: "invalid" },
    { what: "a file that is too long", bytes: Buffer.concat([bytes, bytes]), kind: "invalid" },
    { what: "a flipped bit", bytes: flipBit(bytes, 9, 0), kind: "invalid" },
  ];
  for (const { what, bytes: content, kind } of cases) {
    test(`finds ${what} to be ${kind}`, async () => {
      const disk = new SimulatedDisk();
      await disk.ensureDirectory("/log");
      if (content !== undefined) disk.plant("/log/CHECKPOINT", content);
      assert.equal((await gatherCheckpoint(disk, "/log")).kind, kind);
    });
  }
});
