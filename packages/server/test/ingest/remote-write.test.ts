import assert from "node:assert/strict";
import { suite, test } from "node:test";
import * as fc from "fast-check";
import { ServerError } from "../../src/errors.ts";
import { DEFAULT_INGEST_LIMITS, type IngestLimits } from "../../src/ingest/ingest-limits.ts";
import { decodeRemoteWrite, type RemoteWriteResult } from "../../src/ingest/remote-write.ts";
import { assertTidy, describeTables, plainTables } from "./batch-rows.ts";
import { series, writeRequest, type WrittenSeries } from "./remote-write-writer.ts";

const SETTINGS = { numRuns: 500, seed: Number(process.env["SEED"] ?? 20_261_120) };

function decode(body: Uint8Array, limits: Partial<IngestLimits> = {}): RemoteWriteResult {
  return decodeRemoteWrite(body, {
    database: "db",
    limits: { ...DEFAULT_INGEST_LIMITS, ...limits },
  });
}

function rows(body: Uint8Array): string[] {
  const { batch } = decode(body);
  assertTidy(batch);
  return describeTables(plainTables(batch));
}

function refusal(body: Uint8Array, limits: Partial<IngestLimits> = {}): ServerError {
  try {
    decode(body, limits);
  } catch (error) {
    assert.ok(error instanceof ServerError, String(error));
    return error;
  }
  return assert.fail("the body was accepted");
}

/** A stale marker keeps its bits in the writer only as bytes, so it is put into an encoded sample. */
function withStaleMarker(body: Uint8Array, value: number): Uint8Array {
  const wanted = Buffer.alloc(8);
  wanted.writeDoubleLE(value);
  const marker = Buffer.from("020000000000f07f", "hex");
  const bytes = Buffer.from(body);
  const at = bytes.indexOf(wanted);
  assert.ok(at >= 0);
  marker.copy(bytes, at);
  return bytes;
}

suite("decodeRemoteWrite", () => {
  test("the name is the measurement, labels are tags, values the field value, times milliseconds", () => {
    const body = writeRequest([
      series({ __name__: "up", job: "a", instance: "h:1" }, [1_700_000_000_123, 1], [-5, 0.5]),
      series({ __name__: "up", job: "b" }, [1, -0]),
      series({ __name__: "go:sum", le: "+Inf" }, [0, 2e300]),
    ]);
    assert.deepEqual(rows(body), [
      "up instance:tag=h:1 job:tag=a value:float=1 @1700000000123000000",
      "up instance:tag=h:1 job:tag=a value:float=0.5 @-5000000",
      "up job:tag=b value:float=-0 @1000000",
      "go:sum le:tag=+Inf value:float=2e+300 @0",
    ]);
  });

  test("NaN and infinities are values; stale markers are counted and not stored", () => {
    const body = writeRequest([
      series({ __name__: "m" }, [1, NaN], [2, Infinity], [3, -Infinity], [4, 4.5]),
    ]);
    const { batch, staleMarkers } = decode(withStaleMarker(body, 4.5));
    assert.equal(staleMarkers, 1);
    assert.deepEqual(describeTables(plainTables(batch)), [
      "m value:float=NaN @1000000",
      "m value:float=Infinity @2000000",
      "m value:float=-Infinity @3000000",
    ]);
    const onlyStale = decode(withStaleMarker(writeRequest([series({ __name__: "m" }, [1, 7])]), 7));
    assert.equal(onlyStale.batch.rowCount, 0);
  });

  test("labels that clash with columns are exported; empty values are no labels", () => {
    const body = writeRequest([
      series({ __name__: "m", value: "v", Time: "t", empty: "" }, [1, 1]),
    ]);
    assert.deepEqual(rows(body), [
      "m exported_Time:tag=t exported_value:tag=v value:float=1 @1000000",
    ]);
  });

  test("metadata and series without samples are nothing; exemplars are counted", () => {
    const metadata = [{ type: 1, metric_family_name: "m", help: "text" }];
    assert.equal(
      decode(writeRequest([series({ __name__: "m", a: "b" })], metadata)).batch.rowCount,
      0,
    );
    const withExemplar = { ...series({ __name__: "m" }, [1, 1]), exemplars: [{ value: 3 }] };
    assert.equal(decode(writeRequest([withExemplar])).exemplars, 1);
  });

  test("samples may come before labels, fields that are unknown are skipped", () => {
    const [sample, name] = [
      Buffer.from("1002", "hex"),
      Buffer.from("\n\x08__name__\x12\x01m", "latin1"),
    ];
    const unknown = Buffer.from("f80105", "hex"); // field 31, varint
    const inner = Buffer.concat([
      Buffer.of(0x12, sample.length),
      sample,
      unknown,
      Buffer.of(0x0a, name.length),
      name,
    ]);
    const body = Buffer.concat([unknown, Buffer.of(0x0a, inner.length), inner]);
    assert.deepEqual(rows(body), ["m value:float=0 @2000000"]);
  });

  test("what is wrong is named: series, byte, reason", () => {
    const good = series({ __name__: "m", a: "b" }, [1, 1]);
    const duplicate: WrittenSeries = {
      ...good,
      labels: [...good.labels, { name: "a", value: "c" }],
    };
    const twoNames: WrittenSeries = {
      ...good,
      labels: [...good.labels, { name: "__name__", value: "n" }],
    };
    const histogram = { ...good, histograms: [{ sum: 1 }] };
    const cases: readonly [string, readonly WrittenSeries[], RegExp][] = [
      ["no name", [good, series({ a: "b" }, [1, 1])], /no label __name__/],
      ["an empty name", [good, series({ __name__: "" }, [1, 1])], /__name__ is empty/],
      ["two names", [good, twoNames], /__name__ appears twice/],
      ["a label twice", [good, duplicate], /"a" appears twice/],
      ["a label without a name", [good, series({ __name__: "m", "": "x" }, [1, 1])], /no name/],
      [
        "a clash after export",
        [good, series({ __name__: "m", value: "1", exported_value: "2" }, [1, 1])],
        /twice/,
      ],
      ["a native histogram", [good, histogram], /send_native_histograms/],
      [
        "a time out of range",
        [good, series({ __name__: "m" }, [9_223_372_036_855, 1])],
        /timestamp/,
      ],
    ];
    for (const [name, timeseries, reason] of cases) {
      const error = refusal(writeRequest(timeseries));
      assert.equal(error.code, "SERVER_INVALID_REMOTE_WRITE", name);
      assert.equal(error.details["series"], 1, name);
      assert.match(String(error.details["reason"]), reason, name);
      assert.ok(Number(error.details["offsetBytes"]) > 0, name);
    }
  });

  test("every cut of a request is refused or is a shorter request", () => {
    const whole = writeRequest([
      series({ __name__: "m", a: "b" }, [1, 1], [2, 2]),
      series({ __name__: "m", a: "c" }, [3, 3]),
    ]);
    let accepted = 0;
    for (let length = 0; length < whole.length; length++) {
      try {
        decode(whole.subarray(0, length));
        accepted++;
      } catch (error) {
        assert.ok(error instanceof ServerError && error.code === "SERVER_INVALID_REMOTE_WRITE");
      }
    }
    assert.equal(accepted, 2, "nothing, and the first series alone");
  });

  test("limits of the request and of one series", () => {
    const body = writeRequest([
      series({ __name__: "m", a: "1", b: "long-text" }, [1, 1], [2, 2]),
      series({ __name__: "n", a: "2" }, [1, 1]),
    ]);
    const limits = [
      [{ maxRows: 2 }, "SERVER_TOO_LARGE"],
      [{ maxTables: 1 }, "SERVER_TOO_LARGE"],
      [{ maxColumnsPerTable: 2 }, "SERVER_TOO_LARGE"],
      [{ maxBatchBytes: 1_000 }, "SERVER_TOO_LARGE"],
      [{ maxTagsPerRow: 1 }, "SERVER_INVALID_REMOTE_WRITE"],
      [{ maxNameBytes: 0 }, "SERVER_INVALID_REMOTE_WRITE"],
      [{ maxStringBytes: 8 }, "SERVER_INVALID_REMOTE_WRITE"],
    ] as const;
    for (const [limit, code] of limits) {
      const error = refusal(body, limit);
      assert.equal(error.code, code, JSON.stringify(limit));
      assert.equal(error.details["limit"], Object.keys(limit)[0]);
    }
    decode(body, { maxRows: 3, maxTables: 2, maxColumnsPerTable: 3, maxTagsPerRow: 2 });
  });

  test("agrees with protobufjs on every request that it encodes", () => {
    const label = fc.string({ unit: "grapheme", minLength: 1, maxLength: 12 });
    const oneSeries = fc.record({
      name: fc.constantFrom("m", "n", "ö"),
      labels: fc.dictionary(
        label.filter((name) => name !== "__name__" && !/^(exported_)?(time|value)$/i.test(name)),
        label,
        { maxKeys: 5, noNullPrototype: true },
      ),
      samples: fc.array(
        fc.tuple(
          fc.integer({ min: -9_223_372_036_854, max: 9_223_372_036_854 }),
          fc.double({ noNaN: false }),
        ),
        { maxLength: 4 },
      ),
    });
    fc.assert(
      fc.property(fc.array(oneSeries, { maxLength: 6 }), (requests) => {
        const body = writeRequest(
          requests.map(({ name, labels, samples }) =>
            series({ __name__: name, ...labels }, ...samples),
          ),
        );
        const expected = requests.flatMap(({ name, labels, samples }) =>
          samples.map(([time, value]) => {
            const tags = Object.entries(labels).map(([key, text]) => `${key}:tag=${text}`);
            const field = `value:float=${Object.is(value, -0) ? "-0" : value}`;
            return `${name} ${[...tags, field].toSorted().join(" ")} @${BigInt(time) * 1_000_000n}`;
          }),
        );
        assert.deepEqual(rows(body).toSorted(), expected.toSorted());
      }),
      SETTINGS,
    );
  });
});
