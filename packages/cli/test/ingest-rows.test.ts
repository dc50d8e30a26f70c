import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { rowLines, rowObjects, type IngestRows } from "../src/ingest-rows.ts";

const ROWS: IngestRows = {
  tables: [
    {
      database: "demo",
      measurement: "disk space",
      rowCount: 2,
      timestamps: BigInt64Array.of(1_760_000_000_000_000_123n, -1n),
      columns: [
        {
          name: "host",
          type: "tag",
          validity: undefined,
          codes: Uint32Array.of(0, 1),
          dictionary: ["web 1", "a=b,c"],
        },
        {
          name: "free",
          type: "float",
          validity: undefined,
          values: Float64Array.of(0.5, Infinity),
        },
        {
          name: "inodes",
          type: "integer",
          validity: Uint8Array.of(0b01),
          values: BigInt64Array.of(9_007_199_254_740_993n, 0n),
        },
        { name: "ok", type: "boolean", validity: undefined, values: Uint8Array.of(1, 0) },
        {
          name: "note",
          type: "string",
          validity: Uint8Array.of(0b10),
          codes: Uint32Array.of(0, 0),
          dictionary: [String.raw`say "hi" \o/`],
        },
      ],
    },
  ],
};

suite("rows of ingest records", () => {
  test("are shown in line protocol, escaped, without what a row does not have", () => {
    assert.deepEqual(
      [...rowLines(ROWS)],
      [
        {
          database: "demo",
          line: String.raw`disk\ space,host=web\ 1 free=0.5,inodes=9007199254740993i,ok=true 1760000000000000123`,
        },
        {
          database: "demo",
          line: String.raw`disk\ space,host=a\=b\,c free=Infinity,ok=false,note="say \"hi\" \\o/" -1`,
        },
      ],
    );
  });

  test("are exact as objects", () => {
    const [first, second] = [...rowObjects(ROWS)];
    assert.deepEqual(first, {
      database: "demo",
      measurement: "disk space",
      time: "1760000000000000123",
      tags: { host: "web 1" },
      fields: { free: 0.5, inodes: "9007199254740993", ok: true },
    });
    assert.deepEqual((second as { fields: object }).fields, {
      free: "Infinity",
      ok: false,
      note: String.raw`say "hi" \o/`,
    });
  });
});
