/** A few thousand inputs of the format's fuzzer, and a decoder that it must find fault with. */
import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { CodecRegistry } from "../../src/codec/codecs.ts";
import { decodeSegmentHeader } from "../../src/format/segment-header.ts";
import {
  FORMAT_TARGETS,
  fuzzFormat,
  loadCorpus,
  mutated,
  type FuzzTarget,
} from "./format-fuzzer.ts";

suite("fuzzing the format", () => {
  for (const target of FORMAT_TARGETS) {
    test(`finds nothing in: ${target.name}`, async () => {
      const inputs = 200 + 30 * target.weight;
      const report = await fuzzFormat({ targets: [target], inputs, seed: 1, limitMs: 10_000 });
      assert.deepEqual(report.failures, []);
      // Inputs that are all refused, or all accepted, would try nothing.
      assert.ok(report.accepted > inputs / 50, `${report.accepted} accepted`);
      assert.ok(report.refused > inputs / 50, `${report.refused} refused`);
    });
  }

  test("finds a decoder that trusts what it reads", async () => {
    const trusting: FuzzTarget = {
      name: "trusting",
      weight: 1,
      run: (random, { segments }) => {
        const bytes = mutated(random.pick(segments).slice(0, 64), random);
        const view = new DataView(bytes.buffer);
        return view.getUint32(0, true) === 0x54_4e_4c_57 && view.getUint32(60, true) !== 0;
      },
    };
    const report = await fuzzFormat({ targets: [trusting], inputs: 300, seed: 1 });
    assert.ok(report.failures.length > 0);
    assert.match(report.failures[0] ?? "", /--seed 1 --first \d+/u);
  });

  test("goes on working: what was valid before is valid after", async () => {
    await fuzzFormat({ targets: FORMAT_TARGETS, inputs: 500, seed: 2 });
    const { segments } = await loadCorpus();
    for (const bytes of segments) assert.equal(decodeSegmentHeader(bytes).kind, "valid");
  });
});

suite("decompression of a hostile block, still to do", () => {
  test("lz4 uses no memory for a length that so few bytes cannot hold", async () => {
    const rawBytes = 192 * 1024 * 1024;
    const stored = Uint8Array.of(0, 0, 0, 0, 0x1f, 65, 1, 0, 255, 255, 255);
    new DataView(stored.buffer).setUint32(0, rawBytes, true);
    const codec = await new CodecRegistry().load("lz4");
    const before = process.resourceUsage().maxRSS;
    assert.equal(codec.decompress(stored, rawBytes), undefined);
    const grownMiB = (process.resourceUsage().maxRSS - before) / 1024;
    assert.ok(grownMiB < 100, `${Math.round(grownMiB)} MiB`);
  });
});
