import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { saltSeed } from "../../src/format/checksum.ts";
import { encodeSegmentHeader, segmentHeaderDigest } from "../../src/format/segment-header.ts";
import { firstPosition, segmentInfo } from "../../src/segment/segment-info.ts";
import { DEFAULT_HEADER } from "../segment-builder.ts";

suite("segmentInfo", () => {
  test("gathers from a header what writing and reading need", () => {
    const header = { ...DEFAULT_HEADER, segmentId: 4, firstLsn: 31 };
    const info = segmentInfo("/log/x.wal", header);
    const headerBytes = encodeSegmentHeader(header);
    const { index, ...plain } = info;
    assert.deepEqual(plain, {
      segmentId: 4,
      path: "/log/x.wal",
      firstLsn: 31,
      createdAtMs: header.createdAtMs,
      saltSeed: saltSeed(header.salt),
      headerBytes,
      headerDigest: segmentHeaderDigest(headerBytes),
    });
    assert.deepEqual(index.seek(31), firstPosition(31, info.headerDigest));
    assert.equal(index.seek(31).offset, 64);
  });
});
