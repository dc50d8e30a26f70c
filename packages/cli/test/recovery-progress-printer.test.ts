import assert from "node:assert/strict";
import { suite, test } from "node:test";
import type { LogFields } from "@walnut/server";
import { RecoveryProgressPrinter } from "../src/recovery-progress-printer.ts";

const PROGRESS = {
  phase: "scan",
  segmentsDone: 1,
  segmentsTotal: 2,
  bytesDone: 10,
  bytesTotal: 20,
  records: 0,
  rows: 0,
} as const;

/** Reports progress every 50 ms for some time and returns what was written and logged. */
function written(options: { readonly isTTY: boolean; readonly lastsMs: number }): string[] {
  const texts: string[] = [];
  let nowMs = 0;
  const output = { isTTY: options.isTTY, write: (text: string) => void texts.push(text) };
  const logger = {
    info: (text: string, fields?: LogFields) =>
      void texts.push(`${text} ${JSON.stringify(fields)}`),
    warn() {},
    error() {},
  };
  const printer = new RecoveryProgressPrinter({ output, logger, monotonicMs: () => nowMs });
  for (; nowMs <= options.lastsMs; nowMs += 50) printer.report(PROGRESS);
  printer.finish();
  nowMs += 60_000; // A worker that is started again recovers while the others serve.
  printer.report(PROGRESS);
  return texts;
}

suite("RecoveryProgressPrinter", () => {
  test("is silent for a second", () => {
    assert.deepEqual(written({ isTTY: true, lastsMs: 950 }), []);
    assert.deepEqual(written({ isTTY: false, lastsMs: 950 }), []);
  });

  test("rewrites one line on a terminal and leaves it clean", () => {
    const texts = written({ isTTY: true, lastsMs: 2_000 });
    assert.equal(texts.length, 12, "one each 100 ms from 1 s to 2 s, and the last to clean up");
    assert.ok(texts.every((text) => text.startsWith("\r") && !text.includes("\n")));
  });

  test("logs lines elsewhere, seconds apart", () => {
    const texts = written({ isTTY: false, lastsMs: 5_000 });
    assert.equal(texts.length, 3);
    assert.ok(texts.every((text) => text.startsWith('recovering {"step":"scan"')));
  });
});
