/** Options: sizes follow the volume, and what is wrong is named. */
import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { isSpoolError, type SpoolOptions } from "@walnut/spool";
import { resolveSpoolOptions } from "../src/options.ts";

const MIB = 1024 * 1024;
const GIB = 1024 * MIB;

suite("options of a spool", () => {
  test("are 2 GiB for each of 13 categories on a large volume", () => {
    const { categories, maxTotalBytes, segmentSizeBytes } = resolveSpoolOptions(
      { directory: "d" },
      1000 * GIB,
    );
    assert.equal(categories.length, 13);
    assert.ok(categories.every(({ maxBytes }) => maxBytes === 2 * GIB));
    assert.ok(categories.every(({ guaranteedBytes }) => guaranteedBytes === 64 * MIB));
    assert.equal(maxTotalBytes, 26 * GIB);
    assert.equal(segmentSizeBytes, 16 * MIB);
  });

  for (const volumeBytes of [8 * MIB, 64 * MIB, GIB, 20 * GIB]) {
    test(`leave room on a volume of ${volumeBytes / MIB} MiB`, () => {
      const resolved = resolveSpoolOptions({ directory: "d" }, volumeBytes);
      const { maxTotalBytes, reserveFreeBytes, segmentSizeBytes, categories } = resolved;
      assert.ok(maxTotalBytes + reserveFreeBytes <= volumeBytes);
      assert.ok(maxTotalBytes > volumeBytes / 2);
      assert.ok(segmentSizeBytes * 100 <= volumeBytes);
      const guaranteed = categories.reduce((sum, each) => sum + each.guaranteedBytes, 0);
      assert.ok(guaranteed > Math.min(maxTotalBytes / 5, 800 * MIB));
      assert.ok(guaranteed <= maxTotalBytes / 4);
    });
  }

  const wrong: readonly (readonly [string, SpoolOptions])[] = [
    ["directory", { directory: "" }],
    ["categories", { directory: "d", categories: [] }],
    ["categories", { directory: "d", categories: ["a", "a"] }],
    ["categories", { directory: "d", categories: ["../a"] }],
    ["categories", { directory: "d", categories: [".hidden"] }],
    ["maxBytes of logging", { directory: "d", maxBytesPerCategory: 1, categories: ["logging"] }],
    ["whenFull", { directory: "d", whenFull: "explode" as "reject" }],
    ["durability", { directory: "d", durability: "off" as "async" }],
    ["blockTimeoutMs", { directory: "d", blockTimeoutMs: 0 }],
    ["maxItemBytes", { directory: "d", maxItemBytes: 1.5 }],
    ["guaranteedBytes", { directory: "d", maxTotalBytes: 100 * MIB, guaranteedBytes: 10 * MIB }],
  ];
  for (const [option, options] of wrong) {
    test(`name ${option} when it is wrong: ${JSON.stringify(options)}`, () => {
      assert.throws(
        () => resolveSpoolOptions(options, GIB),
        (error) =>
          isSpoolError(error, "SPOOL_INVALID_OPTION") && error.details["option"] === option,
      );
    });
  }
});
