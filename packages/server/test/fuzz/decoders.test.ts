import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { ALL_TARGETS, fuzzDecoders, LINE_TARGET } from "./decoder-fuzzer.ts";

const SEED = Number(process.env["SEED"] ?? 20_261_120);

suite("decoders on changed inputs", () => {
  test("end in documented ways only", () => {
    const report = fuzzDecoders({ targets: ALL_TARGETS, inputs: 5_000, seed: SEED });
    assert.deepEqual(report.failures, []);
    // Both outcomes must occur often, or the inputs test nothing.
    assert.ok(report.accepted > 500 && report.refused > 500, JSON.stringify(report));
  });

  test("are told from a decoder that throws something else", () => {
    const canary = {
      ...LINE_TARGET,
      decode: (bytes: Uint8Array) => {
        if (bytes.includes(0xff)) throw new TypeError("canary");
        return LINE_TARGET.decode(bytes);
      },
    };
    const report = fuzzDecoders({ targets: [canary], inputs: 2_000, seed: SEED });
    assert.ok(report.failures.some((failure) => failure.includes("canary")));
  });

  test("are told from a decoder that loses a row", () => {
    const canary = {
      ...LINE_TARGET,
      decode: (bytes: Uint8Array) => {
        const batch = LINE_TARGET.decode(bytes);
        return {
          tables: batch.tables.slice(1),
          rowCount: batch.rowCount - (batch.tables[0]?.rowCount ?? 0),
        };
      },
    };
    assert.ok(fuzzDecoders({ targets: [canary], inputs: 100, seed: SEED }).failures.length > 0);
  });
});
