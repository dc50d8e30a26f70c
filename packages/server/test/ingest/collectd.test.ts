import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { ServerError } from "../../src/errors.ts";
import { decodeCollectd, MAX_COLLECTD_BYTES } from "../../src/ingest/collectd.ts";
import { DEFAULT_INGEST_LIMITS } from "../../src/ingest/ingest-limits.ts";
import { assertTidy, describeTables, plainTables } from "./batch-rows.ts";

const OPTIONS = { database: "db", limits: DEFAULT_INGEST_LIMITS };
const ITEM = {
  values: [1.5],
  dstypes: ["gauge"],
  dsnames: ["value"],
  time: 1_280_959_128.123,
  interval: 10,
  host: "leeloo.octo.it",
  plugin: "cpu",
  plugin_instance: "0",
  type: "cpu",
  type_instance: "idle",
};

function rows(...items: readonly object[]): string[] {
  const batch = decodeCollectd(Buffer.from(JSON.stringify(items)), OPTIONS);
  assertTidy(batch);
  return describeTables(plainTables(batch));
}

suite("decodeCollectd", () => {
  test("the plugin is the measurement, identity is tags, data sources are fields", () => {
    const load = {
      ...ITEM,
      plugin: "load",
      plugin_instance: "",
      type: "load",
      type_instance: "",
      values: [0.25, null, 3],
      dsnames: ["shortterm", "midterm", "longterm"],
      dstypes: ["gauge", "gauge", "gauge"],
      time: -1.5,
    };
    assert.deepEqual(rows(ITEM, load, { ...ITEM, time: 0, values: [7], dstypes: ["derive"] }), [
      "cpu host:tag=leeloo.octo.it instance:tag=0 type:tag=cpu type_instance:tag=idle value:float=1.5 @1280959128123000000",
      "cpu host:tag=leeloo.octo.it instance:tag=0 type:tag=cpu type_instance:tag=idle value:float=7 @0",
      "load host:tag=leeloo.octo.it longterm:float=3 shortterm:float=0.25 type:tag=load @-1500000000",
    ]);
  });

  test("a bad item refuses the body and is named", () => {
    const cases: readonly [unknown, string][] = [
      [{}, ""],
      [[5], "[0]"],
      [[ITEM, { ...ITEM, values: [] }], "[1].values"],
      [[{ ...ITEM, values: ["1"] }], "[0].values[0]"],
      [[{ ...ITEM, dsnames: ["a", "b"] }], "[0]"],
      [[{ ...ITEM, dsnames: ["host"] }], "[0].dsnames[0]"],
      [
        [{ ...ITEM, values: [1, 2], dsnames: ["a", "a"], dstypes: ["gauge", "gauge"] }],
        "[0].dsnames[1]",
      ],
      [[{ ...ITEM, host: undefined }], "[0].host"],
      [[{ ...ITEM, host: "\ud800" }], "[0].host"],
      [[{ ...ITEM, plugin: "" }], "[0].plugin"],
      [[{ ...ITEM, time: "now" }], "[0].time"],
      [[{ ...ITEM, time: 1e12 }], "[0].time"],
      [[{ ...ITEM, dstypes: ["counter"], values: [2 ** 53] }], "[0].values[0]"],
      [[{ severity: "OKAY", message: "a notification", time: 1 }], "[0].plugin"],
    ];
    for (const [body, path] of cases) {
      assert.throws(
        () => decodeCollectd(Buffer.from(JSON.stringify(body)), OPTIONS),
        (error: unknown) => {
          assert.ok(error instanceof ServerError, String(error));
          assert.equal(error.code, "SERVER_INVALID_REQUEST", path);
          assert.equal(error.details["path"], path);
          return true;
        },
      );
    }
  });

  test("bodies that are no JSON, no UTF-8 or too long", () => {
    const cases = [
      [Buffer.from("[{"), "SERVER_INVALID_REQUEST"],
      [Buffer.of(0x5b, 0xff, 0x5d), "SERVER_INVALID_REQUEST"],
      [Buffer.alloc(MAX_COLLECTD_BYTES + 1, " "), "SERVER_TOO_LARGE"],
    ] as const;
    for (const [body, code] of cases) {
      assert.throws(
        () => decodeCollectd(body, OPTIONS),
        (error: unknown) => error instanceof ServerError && error.code === code,
      );
    }
  });

  test("a large gauge is a float like any other", () => {
    assert.match(rows({ ...ITEM, values: [1e300] })[0] ?? "", /value:float=1e\+300/);
  });
});
