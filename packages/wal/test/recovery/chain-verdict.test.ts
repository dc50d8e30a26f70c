import assert from "node:assert/strict";
import { suite, test } from "node:test";
import type { Checkpoint } from "../../src/format/checkpoint-file.ts";
import type { SegmentHeader } from "../../src/format/segment-header.ts";
import {
  chainVerdict,
  type ChainVerdict,
  type SegmentFileFacts,
} from "../../src/recovery/chain-verdict.ts";
import { DEFAULT_HEADER } from "../segment-builder.ts";

/** Segment `id`, with ten records, behind segment `id - 1`; 1000 bytes of frames. */
function segmentFile(id: number, header: Partial<SegmentHeader> = {}): SegmentFileFacts {
  return {
    segmentId: id,
    path: `/log/${id}`,
    fileBytes: 1112,
    header: {
      kind: "valid",
      header: {
        ...DEFAULT_HEADER,
        segmentId: id,
        firstLsn: (id - 1) * 10 + 1,
        previousSegmentId: id - 1,
        previousEndOffset: id === 1 ? 0 : 1000,
        previousDigest: id === 1 ? 0 : id * 1111,
        ...header,
      },
    },
  };
}

function segmentFiles(...ids: readonly number[]): SegmentFileFacts[] {
  return ids.map((id) => segmentFile(id));
}

function checkpointAt(firstSegmentId: number): Checkpoint {
  return { firstSegmentId, firstLsn: (firstSegmentId - 1) * 10 + 1, writtenAtMs: 0 };
}

function verdictOn(files: readonly SegmentFileFacts[], checkpoint?: Checkpoint): ChainVerdict {
  return chainVerdict("/log", files, checkpoint);
}

function idsOf(verdict: ChainVerdict): { readonly chain: number[]; readonly leftovers: number[] } {
  assert.ok(verdict.kind === "chain", JSON.stringify(verdict));
  return {
    chain: verdict.segments.map(({ segmentId }) => segmentId),
    leftovers: verdict.leftovers.map(({ segmentId }) => segmentId).sort((a, b) => a - b),
  };
}

suite("chain verdict", () => {
  test("finds an empty directory empty", () => {
    assert.deepEqual(verdictOn([]), { kind: "empty" });
  });

  test("misses all segments when only the checkpoint is left", () => {
    const verdict = verdictOn([], checkpointAt(3));
    assert.ok(verdict.kind === "damage");
    assert.equal(verdict.firstLsn, 21);
  });

  for (const checkpoint of [undefined, checkpointAt(1)]) {
    const when = checkpoint === undefined ? "without a checkpoint" : "with its checkpoint";
    test(`follows the headers from the last segment to the first, ${when}`, () => {
      const files = segmentFiles(3, 1, 4, 2);
      assert.deepEqual(idsOf(verdictOn(files, checkpoint)), { chain: [1, 2, 3, 4], leftovers: [] });
    });
  }

  test("begins at the checkpoint and takes lower ids for leftovers of a release", () => {
    for (const files of [
      segmentFiles(3, 4, 5),
      segmentFiles(2, 3, 4, 5),
      segmentFiles(1, 3, 4, 5),
    ]) {
      const leftovers = files.map(({ segmentId }) => segmentId).filter((id) => id < 3);
      assert.deepEqual(idsOf(verdictOn(files, checkpointAt(3))), { chain: [3, 4, 5], leftovers });
    }
  });

  test("takes a segment that the chain passes by for a leftover of a truncation", () => {
    const files = [
      ...segmentFiles(1, 2, 3),
      segmentFile(4, { previousSegmentId: 2, firstLsn: 15, previousEndOffset: 500 }),
    ];
    assert.deepEqual(idsOf(verdictOn(files, checkpointAt(1))), {
      chain: [1, 2, 4],
      leftovers: [3],
    });
  });

  test("misses the first segment that the checkpoint names", () => {
    const verdict = verdictOn(segmentFiles(4, 5), checkpointAt(3));
    assert.ok(verdict.kind === "damage");
    assert.deepEqual([verdict.firstLsn, verdict.lastLsn], [21, 30]);
  });

  test("misses a segment in the middle", () => {
    const verdict = verdictOn(segmentFiles(1, 2, 4), checkpointAt(1));
    assert.ok(verdict.kind === "damage");
    assert.equal(verdict.lastLsn, 30);
  });

  test("misses the front of a log whose checkpoint is gone", () => {
    assert.equal(verdictOn(segmentFiles(3, 4)).kind, "damage");
  });

  test("misses the predecessors of a first segment that says it has none", () => {
    const files = [segmentFile(4, { previousSegmentId: 0 })];
    assert.equal(verdictOn(files, checkpointAt(3)).kind, "damage");
  });

  test("names a file that was renamed, and two that were swapped", () => {
    const renamed = segmentFiles(1, 2).concat({ ...segmentFile(3), segmentId: 4, path: "/log/4" });
    const swapped = [
      segmentFile(1),
      { ...segmentFile(3), segmentId: 2, path: "/log/2" },
      { ...segmentFile(2), segmentId: 3, path: "/log/3" },
      segmentFile(4),
    ];
    for (const [files, path] of [
      [renamed, "/log/4"],
      [swapped, "/log/3"],
    ] as const) {
      const verdict = verdictOn(files, checkpointAt(1));
      assert.ok(verdict.kind === "damage");
      assert.equal(verdict.path, path);
    }
  });

  test("names a copy of a segment under a higher id", () => {
    const files = [...segmentFiles(1, 2, 3), { ...segmentFile(2), segmentId: 4, path: "/log/4" }];
    const verdict = verdictOn(files, checkpointAt(1));
    assert.ok(verdict.kind === "damage");
    assert.equal(verdict.path, "/log/4");
  });

  for (const previousSegmentId of [3, 4, 2 ** 40]) {
    test(`names a segment 3 that says ${previousSegmentId} came before it, and does not run in circles`, () => {
      const files = [...segmentFiles(1, 2), segmentFile(3, { previousSegmentId })];
      const verdict = verdictOn(files, checkpointAt(1));
      assert.ok(verdict.kind === "damage");
      assert.equal(verdict.path, "/log/3");
    });
  }

  test("names a predecessor that is shorter than its successor says", () => {
    const files = [segmentFile(1), { ...segmentFile(2), fileBytes: 999 }, segmentFile(3)];
    const verdict = verdictOn(files, checkpointAt(1));
    assert.ok(verdict.kind === "damage");
    assert.equal(verdict.path, "/log/2");
    assert.deepEqual([verdict.firstLsn, verdict.lastLsn], [11, 20]);
  });

  test("accepts a predecessor that is as long as its successor says, or longer", () => {
    for (const fileBytes of [1000, 1001, 1 << 20]) {
      const files = [segmentFile(1), { ...segmentFile(2), fileBytes }, segmentFile(3)];
      assert.deepEqual(idsOf(verdictOn(files, checkpointAt(1))).chain, [1, 2, 3]);
    }
  });

  test("names a segment whose LSNs go back", () => {
    const files = [...segmentFiles(1, 2), segmentFile(3, { firstLsn: 5 })];
    assert.equal(verdictOn(files, checkpointAt(1)).kind, "damage");
  });

  for (const id of [1, 2, 3]) {
    test(`names segment ${id} when its header is damaged`, () => {
      const files = segmentFiles(1, 2, 3).map((file): SegmentFileFacts =>
        file.segmentId === id ? { ...file, header: { kind: "invalid", reason: "checksum" } } : file,
      );
      const verdict = verdictOn(files, checkpointAt(1));
      assert.ok(verdict.kind === "damage");
      assert.equal(verdict.path, `/log/${id}`);
    });

    test(`refuses the log when segment ${id} has a newer format`, () => {
      const files = segmentFiles(1, 2, 3).map((file): SegmentFileFacts =>
        file.segmentId === id
          ? { ...file, header: { kind: "unsupported-version", version: 2 } }
          : file,
      );
      assert.deepEqual(verdictOn(files, checkpointAt(1)), {
        kind: "newer",
        path: `/log/${id}`,
        version: 2,
      });
    });
  }

  test("does not mind damage in a leftover", () => {
    const files = segmentFiles(1, 2, 3).map((file): SegmentFileFacts =>
      file.segmentId === 1 ? { ...file, header: { kind: "invalid", reason: "short" } } : file,
    );
    assert.deepEqual(idsOf(verdictOn(files, checkpointAt(2))), { chain: [2, 3], leftovers: [1] });
  });
});
