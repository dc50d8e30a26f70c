import assert from "node:assert/strict";
import { suite, test } from "node:test";
import type { CatalogFile } from "../../src/store/catalog-record.ts";
import { planCompaction, type CompactionStep } from "../../src/store/compaction-plan.ts";

const LIMITS = { minFiles: 4, targetFileBytes: 1_000 };
const HOUR = "2025-10-09T08";
/** While the hour goes on, and long after. */
const DURING_MS = Date.parse("2025-10-09T08:30:00Z");
const AFTER_MS = Date.parse("2025-10-10T00:00:00Z");

function file(lsn: number, bytes: number, hour = HOUR, rows = 1): CatalogFile {
  return {
    path: `db/cpu/${hour}/cpu_${lsn}-${lsn}.parquet`,
    rows,
    bytes,
    hour,
    minTime: "1",
    maxTime: "2",
  };
}

function plan(files: readonly CatalogFile[], nowMs: number): CompactionStep | undefined {
  return planCompaction([{ columns: ["n"], files }], LIMITS, nowMs);
}

suite("planCompaction", () => {
  test("waits for enough files while the hour goes on, and for two when it is over", () => {
    const three = [file(1, 10), file(2, 10), file(3, 10)];
    assert.equal(plan(three, DURING_MS), undefined);
    assert.equal(plan([...three, file(4, 10)], DURING_MS)?.paths.length, 4);
    assert.equal(plan(three, AFTER_MS)?.paths.length, 3);
    assert.equal(plan(three.slice(0, 1), AFTER_MS), undefined);
    assert.equal(plan([], AFTER_MS), undefined);
  });

  test("leaves a file alone that is much larger than all smaller ones together", () => {
    const small = [file(2, 10), file(3, 10), file(4, 10), file(5, 10)];
    assert.equal(plan([file(1, 161), ...small], DURING_MS)?.paths.length, 4);
    assert.equal(plan([file(1, 160), ...small], DURING_MS)?.paths.length, 5);
  });

  test("makes nothing larger than the target, in bytes and in rows", () => {
    const files = Array.from({ length: 30 }, (_, index) => file(index + 1, 100));
    assert.equal(plan(files, DURING_MS)?.bytes, 1_000);
    assert.equal(plan([file(1, 600), file(2, 600)], AFTER_MS), undefined);
    const many = Array.from({ length: 9 }, (_, index) => file(index + 1, 10, HOUR, 300_000));
    assert.equal(plan(many, AFTER_MS)?.paths.length, 3);
  });

  test("takes the hour with most files, never two hours at once", () => {
    const files = [1, 2, 3, 4, 5, 6, 7, 8, 9].map((lsn) =>
      file(lsn, 10, lsn % 2 === 0 ? HOUR : "2025-10-09T07"),
    );
    const step = plan(files, AFTER_MS);
    assert.equal(step?.hour, "2025-10-09T07");
    assert.equal(step.paths.length, 5);
  });

  test("hands files over in order of arrival, each with its columns", () => {
    const step = planCompaction(
      [
        { columns: ["a"], files: [file(10, 10), file(2, 10)] },
        { columns: ["b"], files: [file(9, 10)] },
      ],
      LIMITS,
      AFTER_MS,
    );
    assert.deepEqual(
      step?.groups.map(({ columns, files }) => [columns[0], files[0]?.path.match(/_(\d+)-/)?.[1]]),
      [
        ["a", "2"],
        ["b", "9"],
        ["a", "10"],
      ],
    );
  });

  test("a long hour costs each row few rewrites", () => {
    let files: readonly CatalogFile[] = [];
    let written = 0;
    for (let lsn = 1; lsn <= 720; lsn++) {
      files = [...files, file(lsn, 1)];
      const step = planCompaction([{ columns: [], files }], LIMITS, DURING_MS);
      if (step === undefined) continue;
      const taken = new Set(step.paths);
      files = [...files.filter((other) => !taken.has(other.path)), file(lsn, step.bytes)];
      written += step.bytes;
    }
    assert.ok(written / 720 < 8, `${written / 720} rewrites a row`);
    assert.ok(files.length < 20, `${files.length} files`);
  });
});
