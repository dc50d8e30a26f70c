import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { suite, test } from "node:test";
import { fileURLToPath } from "node:url";
import { SimulatedDisk } from "@walnut/testkit";
import { isWalError } from "@walnut/wal";
import { encodeCheckpoint } from "../../src/format/checkpoint-file.ts";
import { FRAME_MAGIC_BYTES } from "../../src/format/frame.ts";
import { decodeSegmentHeader } from "../../src/format/segment-header.ts";
import type { SalvagePlan } from "../../src/recovery/salvage-action.ts";
import { planSalvage } from "../../src/recovery/salvage-plan.ts";
import { flipBit } from "../every-bit.ts";
import { LOG_DIRECTORY, segmentPath } from "../machine.ts";
import {
  buildSegment,
  headerAfter,
  type BuiltSegment,
  type FrameSpec,
} from "../segment-builder.ts";

const SEAL: FrameSpec = { kind: "seal", durable: "all" };
const ATTEST: FrameSpec = { kind: "attest", durable: "all" };

/** What the first action of a plan writes. */
function writtenBy(plan: SalvagePlan): Uint8Array {
  return Buffer.concat([...(plan.actions[0]?.pieces() ?? [])]);
}

/** Three segments with three frames of two records each; closed: LSN 1-6, 7-12, 13-18. */
function threeSegments(): readonly [BuiltSegment, BuiltSegment, BuiltSegment] {
  const data: FrameSpec = { payloads: [new Uint8Array(20), new Uint8Array(30)], durable: "all" };
  const frames = [data, data, data];
  const one = buildSegment({ frames });
  const two = buildSegment({ header: headerAfter(one), frames });
  const three = buildSegment({ header: headerAfter(two), frames: [...frames, ATTEST] });
  return [sealed(one), sealed(two), three];
}

/** The segment with a seal behind it; the end that its successor names stays. */
function sealed(segment: BuiltSegment): BuiltSegment {
  const specs = segment.frames.map((): FrameSpec => ({
    payloads: [new Uint8Array(20), new Uint8Array(30)],
    durable: "all",
  }));
  const { bytes } = buildSegment({ header: segment.header, frames: [...specs, SEAL] });
  return { ...segment, bytes };
}

type Files = ReadonlyMap<number, Uint8Array>;

function filesOf(segments: readonly BuiltSegment[]): Map<number, Uint8Array> {
  return new Map(segments.map(({ header, bytes }) => [header.segmentId, bytes]));
}

const CHECKPOINT = { firstSegmentId: 1, firstLsn: 1, writtenAtMs: 0 };

async function planOf(
  files: Files,
  checkpoint: Uint8Array | undefined = encodeCheckpoint(CHECKPOINT),
): Promise<SalvagePlan> {
  const disk = new SimulatedDisk();
  await disk.ensureDirectory(LOG_DIRECTORY);
  for (const [id, bytes] of files) disk.plant(segmentPath(id), bytes);
  if (checkpoint !== undefined) disk.plant(`${LOG_DIRECTORY}/CHECKPOINT`, checkpoint);
  const before = disk.snapshot();
  const plan = await planSalvage({
    storage: disk,
    directory: LOG_DIRECTORY,
    nowMs: () => 0,
    randomBytes: (length) => new Uint8Array(length).fill(5),
  });
  assert.deepEqual(disk.snapshot(), before);
  assert.deepEqual(disk.openFiles, []);
  return plan;
}

/** What a plan does, without the bytes and the words. */
function outline(plan: SalvagePlan): readonly (readonly unknown[])[] {
  return plan.actions.map(({ kind, path, damaged, lost }) => [
    kind,
    path.slice(LOG_DIRECTORY.length + 1),
    damaged === undefined ? undefined : [damaged.fromOffset, damaged.endOffset],
    [lost.firstLsn, lost.lastLsn],
  ]);
}

const NOBODY_KNOWS = [undefined, undefined];

function name(segmentId: number): string {
  return segmentPath(segmentId).slice(LOG_DIRECTORY.length + 1);
}

suite("planSalvage", () => {
  test("plans nothing for a directory without a log", async () => {
    const plan = await planOf(new Map(), undefined);
    assert.deepEqual(plan, { actions: [], isTailMissing: false, first: undefined });
  });

  test("plans nothing for a log that is whole", async () => {
    const plan = await planOf(filesOf(threeSegments()));
    assert.deepEqual(plan.actions, []);
    assert.equal(plan.isTailMissing, false);
  });

  test("leaves a torn tail to recovery", async () => {
    const [one, two, three] = threeSegments();
    const files = filesOf([one, two, three]);
    const cut = (three.frames[2]?.offset ?? 0) + 50;
    files.set(3, three.bytes.slice(0, cut));
    assert.deepEqual((await planOf(files)).actions, []);
  });

  for (const [index, which] of ["first", "middle", "last"].entries()) {
    test(`puts a gap in the place of the ${which} frame of a segment`, async () => {
      const segments = threeSegments();
      const frame = segments[1].frames[index];
      assert.ok(frame !== undefined);
      const files = filesOf(segments).set(2, flipBit(segments[1].bytes, frame.offset + 60, 3));
      const plan = await planOf(files);
      const end = frame.offset + frame.lengthBytes;
      const firstLsn = 7 + 2 * index;
      assert.deepEqual(outline(plan), [
        ["patch-range", name(2), [frame.offset, end], [firstLsn, firstLsn + 1]],
      ]);
      assert.equal(writtenBy(plan).byteLength, end - frame.offset);
      assert.equal(plan.actions[0]?.offset, frame.offset);
    });
  }

  test("puts one gap over neighbouring damaged frames, and two where a whole one is between", async () => {
    const segments = threeSegments();
    const [one, , three] = segments[1].frames;
    assert.ok(one !== undefined && three !== undefined);
    const ends = flipBit(flipBit(segments[1].bytes, one.offset, 0), three.offset, 0);
    assert.deepEqual(outline(await planOf(filesOf(segments).set(2, ends))), [
      ["patch-range", name(2), [one.offset, one.offset + one.lengthBytes], [7, 8]],
      ["patch-range", name(2), [three.offset, three.offset + three.lengthBytes], [11, 12]],
    ]);
    const wiped = segments[1].bytes.slice().fill(0, one.offset, three.offset);
    assert.deepEqual(outline(await planOf(filesOf(segments).set(2, wiped))), [
      ["patch-range", name(2), [one.offset, three.offset], [7, 10]],
    ]);
  });

  test("does not take frames in payloads for frames", async () => {
    const stolen = threeSegments()[0].bytes.slice(64);
    const payload = Uint8Array.from(Buffer.concat([FRAME_MAGIC_BYTES, new Uint8Array(4), stolen]));
    // A frame's body begins at a multiple of 8, its first payload 4 bytes later.
    const aligned = Uint8Array.from(Buffer.concat([new Uint8Array(4), payload]));
    const frames: FrameSpec[] = [
      { payloads: [aligned], durable: "all" },
      { payloads: [Uint8Array.of(1)], durable: "all" },
    ];
    const one = buildSegment({ frames: [...frames, SEAL] });
    const open = buildSegment({ frames });
    const two = buildSegment({ header: headerAfter(open), frames: [ATTEST] });
    const frame = one.frames[0];
    assert.ok(frame !== undefined);
    const files = new Map([
      [1, flipBit(one.bytes, frame.offset + 17, 1)],
      [2, two.bytes],
    ]);
    assert.deepEqual(outline(await planOf(files)), [
      ["patch-range", name(1), [frame.offset, frame.offset + frame.lengthBytes], [1, 1]],
    ]);
  });

  test("puts a gap at the end of a segment that was cut short", async () => {
    const segments = threeSegments();
    const third = segments[1].frames[2];
    assert.ok(third !== undefined);
    const plan = await planOf(
      filesOf(segments).set(2, segments[1].bytes.slice(0, third.offset + 10)),
    );
    assert.deepEqual(outline(plan), [
      ["patch-range", name(2), [third.offset, segments[1].endOffset], [11, 12]],
    ]);
    assert.equal(writtenBy(plan).byteLength, segments[1].endOffset - third.offset);
  });

  test("patches the last segment where a later frame vouches for what is broken", async () => {
    const segments = threeSegments();
    const second = segments[2].frames[1];
    assert.ok(second !== undefined);
    const files = filesOf(segments).set(3, flipBit(segments[2].bytes, second.offset + 50, 0));
    assert.deepEqual(outline(await planOf(files)), [
      ["patch-range", name(3), [second.offset, second.offset + second.lengthBytes], [15, 16]],
    ]);
  });

  test("does not care for a damaged seal that a successor makes up for", async () => {
    const segments = threeSegments();
    const files = filesOf(segments).set(
      2,
      flipBit(segments[1].bytes, segments[1].endOffset + 9, 0),
    );
    assert.deepEqual(outline(await planOf(files)), []);
  });

  for (const segmentId of [1, 2, 3]) {
    test(`restores the header of segment ${segmentId} from the copy in its mark`, async () => {
      const segments = threeSegments();
      const segment = segments[segmentId - 1];
      assert.ok(segment !== undefined);
      const files = filesOf(segments).set(segmentId, flipBit(segment.bytes, 20, 2));
      const plan = await planOf(files);
      assert.deepEqual(outline(plan), [["restore-header", name(segmentId), [0, 64], NOBODY_KNOWS]]);
      const restored = decodeSegmentHeader(writtenBy(plan));
      assert.ok(restored.kind === "valid");
      assert.deepEqual(restored.header, segment.header);
    });
  }

  test("takes no header out of a payload, not even a right one", async () => {
    const [one] = threeSegments();
    const copy = one.bytes.slice(0, 64);
    const inner = buildSegment({ frames: [{ kind: "attest" }] }).bytes.slice(64);
    const segment = buildSegment({
      frames: [{ payloads: [copy, inner, new Uint8Array(4), inner] }],
    });
    const plan = await planOf(new Map([[1, flipBit(segment.bytes, 9, 0)]]), undefined);
    assert.deepEqual(
      plan.actions.map(({ kind }) => kind),
      ["remove-segment"],
    );
  });

  test("takes a file that holds another segment for damaged", async () => {
    const segments = threeSegments();
    const files = filesOf(segments).set(2, segments[2].bytes);
    assert.deepEqual(outline(await planOf(files)), [
      ["replace-segment", name(2), [0, segments[2].bytes.byteLength], [7, 12]],
    ]);
  });

  test("puts a gap segment in the place of a missing one", async () => {
    const segments = threeSegments();
    const files = filesOf(segments);
    files.delete(2);
    const plan = await planOf(files);
    assert.deepEqual(outline(plan), [["replace-segment", name(2), undefined, [7, 12]]]);
    const header = decodeSegmentHeader(writtenBy(plan).subarray(0, 64));
    assert.ok(header.kind === "valid");
    assert.equal(header.header.firstLsn, 7);
    assert.equal(header.header.previousSegmentId, 1);
    assert.equal(writtenBy(plan).byteLength, segments[1].endOffset);
  });

  test("plans a gap of a gigabyte without holding it, when a header says that so much is missing", async () => {
    const [one, two] = threeSegments();
    const header = { ...two.header, previousEndOffset: 2 ** 30 };
    const liar = buildSegment({ header, frames: [ATTEST] });
    const plan = await planOf(
      new Map([
        [1, one.bytes],
        [2, liar.bytes],
      ]),
    );
    assert.deepEqual(outline(plan), [
      ["patch-range", name(1), [one.bytes.byteLength, 2 ** 30], NOBODY_KNOWS],
    ]);
    let [pieces, writtenBytes] = [0, 0];
    for (const piece of plan.actions[0]?.pieces() ?? []) {
      assert.ok(piece.byteLength <= 2 ** 21);
      writtenBytes += piece.byteLength;
      if (++pieces === 10) break;
    }
    assert.equal(writtenBytes, 10 * 2 ** 20);
  });

  test("plans nothing for a missing segment that its successor says to end inside its own header", async () => {
    const [one, , three] = threeSegments();
    const header = { ...three.header, previousEndOffset: 70 };
    const files = new Map([
      [1, one.bytes],
      [3, buildSegment({ header, frames: [ATTEST] }).bytes],
    ]);
    assert.deepEqual(outline(await planOf(files)), []);
  });

  test("puts one in the place of a segment that is beyond help, and keeps its bytes", async () => {
    const segments = threeSegments();
    const files = filesOf(segments).set(2, new Uint8Array(500).fill(7));
    assert.deepEqual(outline(await planOf(files)), [
      ["replace-segment", name(2), [0, 500], [7, 12]],
    ]);
  });

  test("removes a last segment that is beyond help", async () => {
    const segments = threeSegments();
    const files = filesOf(segments).set(3, new Uint8Array(500).fill(7));
    const plan = await planOf(files);
    const [seal, removed] = outline(plan);
    assert.equal(seal?.[0], "remove-seal");
    assert.deepEqual(removed, ["remove-segment", name(3), [0, 500], NOBODY_KNOWS]);
    assert.equal(plan.isTailMissing, true);
  });

  test("says that the tail is missing when the last segment there is has a seal", async () => {
    const files = filesOf(threeSegments());
    files.delete(3);
    const plan = await planOf(files);
    assert.deepEqual(
      plan.actions.map(({ kind, path }) => [kind, path.endsWith(name(2))]),
      [["remove-seal", true]],
    );
    assert.equal(plan.isTailMissing, true);
  });

  test("moves the checkpoint when the first segments are missing", async () => {
    const files = filesOf(threeSegments());
    files.delete(1);
    const plan = await planOf(files);
    assert.deepEqual(outline(plan), [["move-checkpoint", "CHECKPOINT", undefined, [1, 6]]]);
    assert.deepEqual(plan.first, { segmentId: 2, firstLsn: 7 });
  });

  test("writes a damaged checkpoint anew", async () => {
    const damagedCheckpoint = flipBit(encodeCheckpoint(CHECKPOINT), 12, 0);
    const plan = await planOf(filesOf(threeSegments()), damagedCheckpoint);
    assert.deepEqual(
      plan.actions.map(({ kind }) => kind),
      ["move-checkpoint"],
    );
    assert.deepEqual(plan.first, { segmentId: 1, firstLsn: 1 });
  });

  test("leaves released files and superseded ones alone", async () => {
    const segments = threeSegments();
    const files = filesOf(segments).set(1, new Uint8Array(99).fill(1));
    const checkpoint = encodeCheckpoint({ firstSegmentId: 2, firstLsn: 7, writtenAtMs: 0 });
    assert.deepEqual((await planOf(files, checkpoint)).actions, []);
  });

  test("touches nothing of a newer format", async () => {
    const [one, two, three] = threeSegments();
    const bytes = two.bytes.slice();
    const view = new DataView(bytes.buffer);
    view.setUint16(4, 2, true);
    const { crc32 } = await import("node:zlib");
    view.setUint32(60, crc32(bytes.subarray(0, 60)), true);
    await assert.rejects(planOf(filesOf([one, two, three]).set(2, bytes)), (error) =>
      isWalError(error, "WAL_UNSUPPORTED_FORMAT"),
    );
  });
});

suite("planSalvage, given headers of a broken writer", () => {
  test("ends when a header names a later segment, or itself, as the one before", () => {
    // In a process of its own: what never ends cannot be stopped from within.
    const program = fileURLToPath(new URL("endless-chain.ts", import.meta.url));
    const flags = ["--conditions=@walnut/source", "--import", "tsx"];
    const run = spawnSync(process.execPath, [...flags, program], { timeout: 60_000 });
    assert.equal(run.status, 0, `ended by ${String(run.signal)}: ${String(run.stderr)}`);
  });
});
