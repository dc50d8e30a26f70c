/** Bodies written by other people's encoders, so that both sides cannot share one misunderstanding. */
import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { Point } from "@influxdata/influxdb-client";
import * as fc from "fast-check";
import { Packr } from "msgpackr";
import { DEFAULT_INGEST_LIMITS } from "../../src/ingest/ingest-limits.ts";
import { decodeLineProtocol } from "../../src/ingest/line-protocol.ts";
import { decodeMessagePack } from "../../src/ingest/messagepack.ts";
import { describeTables, plainTables } from "./batch-rows.ts";

const OPTIONS = {
  database: "db",
  precision: "ns",
  nowNs: 0n,
  limits: DEFAULT_INGEST_LIMITS,
} as const;
const SETTINGS = { numRuns: 500, seed: Number(process.env["SEED"] ?? 20_261_120) };

function rowsOfLines(text: string): string[] {
  return describeTables(plainTables(decodeLineProtocol(Buffer.from(text), OPTIONS)));
}

function rowsOfPacked(value: unknown): string[] {
  const body = new Packr({ useRecords: false }).pack(value);
  return describeTables(plainTables(decodeMessagePack(body, OPTIONS)));
}

suite("lines of @influxdata/influxdb-client", () => {
  test("mean what its user wrote, special characters included", () => {
    const point = new Point("my cpu,x")
      .tag("ho st", "a=b, c")
      .floatField("f", 1.5)
      .intField("i", -7)
      .uintField("u", 7)
      .booleanField("b", true)
      .stringField("s", 'say "hi"\\ \n,=')
      .timestamp("42");
    assert.deepEqual(rowsOfLines(point.toLineProtocol() ?? ""), [
      'my cpu,x b:boolean=true f:float=1.5 ho st:tag=a=b, c i:integer=-7 s:string=say "hi"\\ \n,= u:unsigned=7 @42',
    ]);
  });

  test("keep every float and string", () => {
    fc.assert(
      fc.property(
        fc.double({ noNaN: true, noDefaultInfinity: true }),
        fc.string({ unit: "grapheme" }),
        (float, text) => {
          const line = new Point("m").floatField("f", float).stringField("s", text).timestamp("1");
          const { tables } = decodeLineProtocol(Buffer.from(line.toLineProtocol() ?? ""), OPTIONS);
          const [values, texts] = tables[0]?.columns ?? [];
          assert.ok(values?.type === "float" && texts?.type === "string");
          // The client writes -0 as 0.
          assert.equal(values.values[0], float === 0 ? 0 : float);
          assert.deepEqual(texts.dictionary, [text]);
        },
      ),
      SETTINGS,
    );
  });
});

suite("bodies of msgpackr", () => {
  test("keep integers that it writes as floats, and times in milliseconds", () => {
    const time = 1_700_000_000_123;
    assert.deepEqual(rowsOfPacked({ m: "m", t: time, fields: { a: 1.5, b: 2 ** 40, c: -1 } }), [
      `m a:float=1.5 b:float=1099511627776 c:integer=-1 @${BigInt(time) * 1_000_000n}`,
    ]);
  });

  test("keep a Date as a timestamp", () => {
    const at = new Date("2026-11-20T09:03:35.250Z");
    assert.deepEqual(rowsOfPacked({ m: "m", t: at, fields: { a: true } }), [
      `m a:boolean=true @${BigInt(at.getTime()) * 1_000_000n}`,
    ]);
    assert.deepEqual(
      rowsOfPacked({ m: "m", columns: { time: [new Date(0), at], a: ["x", "y"] } }),
      ["m a:string=x @0", `m a:string=y @${BigInt(at.getTime()) * 1_000_000n}`],
    );
  });

  test("keep 64-bit integers given as BigInt", () => {
    assert.deepEqual(
      rowsOfPacked({
        m: "m",
        columns: { time: [1_700_000_000_123_456_789n], a: [-(2n ** 63n)], b: [2n ** 64n - 1n] },
      }),
      ["m a:integer=-9223372036854775808 b:unsigned=18446744073709551615 @1700000000123456789"],
    );
  });
});
