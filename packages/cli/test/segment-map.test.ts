import assert from "node:assert/strict";
import { suite, test } from "node:test";
import type { InspectedSegment, LogInspection } from "@walnut/wal";
import { segmentMapLines } from "../src/segment-map.ts";
import { terminalOf } from "../src/terminal.ts";

const PLAIN = terminalOf({ columns: 60 }, { LANG: "C" });
const SEGMENT_BYTES = 1000;

function segment(segmentId: number, shape: Partial<InspectedSegment> = {}): InspectedSegment {
  return {
    segmentId,
    name: "",
    path: "",
    state: "sealed",
    firstLsn: segmentId * 10 - 9,
    lastLsn: segmentId * 10,
    usedBytes: SEGMENT_BYTES,
    zeroBytes: 0,
    fileBytes: SEGMENT_BYTES,
    createdAtMs: 0,
    formatVersion: 1,
    salt: "",
    previousSegmentId: segmentId - 1,
    previousEndOffset: 0,
    previousDigest: "",
    ...shape,
  };
}

function inspection(
  segments: readonly InspectedSegment[],
  cursors: Readonly<Record<string, number>> = {},
): LogInspection {
  const last = segments.at(-1);
  return {
    directory: "",
    firstLsn: 1,
    segments,
    vouched: last && {
      segmentId: last.segmentId,
      offsetBytes: last.usedBytes,
      lsn: last.lastLsn ?? 0,
    },
    written: undefined,
    lastTimeMs: undefined,
    checkpoint: undefined,
    cursors: Object.entries(cursors).map(([name, ackedLsn]) => {
      return { name, ackedLsn, movedAtMs: 0, heldRecords: 0, heldBytes: 0, isLowest: false };
    }),
    names: [],
    leftovers: [],
    damage: [],
  };
}

suite("the map of segments", () => {
  test("shows used, zero-filled and free bytes to scale", () => {
    const last = { state: "last", usedBytes: 250, zeroBytes: 250, fileBytes: 500 } as const;
    const [full, active] = segmentMapLines(
      inspection([segment(1), segment(2, last)]),
      PLAIN,
      false,
    );
    const count = (line: string | undefined, glyph: string): number =>
      (line ?? "").replace(/\d.*?(?=[#])|bytes$/g, "").split(glyph).length - 1;
    assert.equal(count(full, "-") + count(full, "."), 0);
    assert.ok(Math.abs(count(active, "#") - count(full, "#") / 4) <= 1);
    assert.ok(Math.abs(count(active, "-") - count(full, "#") / 4) <= 1);
    assert.ok(Math.abs(count(active, ".") - count(full, "#") / 2) <= 1);
  });

  test("marks the durable end, and each cursor once, where its owner goes on", () => {
    const log = inspection([segment(1), segment(2)], { begin: 0, middle: 5, edge: 10, end: 20 });
    const text = segmentMapLines(log, PLAIN, false).join("\n");
    for (const name of ["begin", "middle", "edge", "end", "durable"]) {
      assert.equal(text.split(name).length, 2, name);
    }
    const lines = text.split("\n");
    const second = lines.findIndex((line) => line.startsWith(" 2"));
    const lineOf = (name: string): number => lines.findIndex((line) => line.includes(name));
    assert.ok(lineOf("begin") < second && lineOf("middle") < second);
    assert.ok(lineOf("edge") > second && lineOf("end") > second);
  });

  test("leaves out the middle of a long log, but no segment with a mark, and nothing when asked", () => {
    const segments = Array.from({ length: 100 }, (_, index) => segment(index + 1));
    const lines = segmentMapLines(inspection(segments, { here: 505 }), PLAIN, false);
    assert.ok(lines.length < 30);
    assert.ok(lines.some((line) => line.startsWith("  51 ")));
    assert.equal(lines.filter((line) => line.includes("more segments")).length, 2);
    const all = segmentMapLines(inspection(segments), PLAIN, true);
    assert.equal(all.length, 101);
  });

  test("fits any terminal", () => {
    for (const columns of [40, 80, 200]) {
      const terminal = terminalOf({ isTTY: true, columns }, { NO_COLOR: "1" });
      const log = inspection([segment(1), segment(2)], { "a-cursor-with-a-rather-long-name": 9 });
      for (const line of segmentMapLines(log, terminal, false)) {
        assert.ok(line.length <= columns, line);
      }
    }
  });
});
