/**
 * Fuzzes everything that reads the bytes of a log.
 *
 *     npm run fuzz -- format [--inputs N] [--seed S] [--first I] [--only "frame"]
 *
 * A failure prints the flags that repeat it.
 */
import { parseArgs } from "node:util";
import { FORMAT_TARGETS, fuzzFormat } from "./format-fuzzer.ts";

const { values: settings } = parseArgs({
  options: {
    inputs: { type: "string", default: "100000" },
    seed: { type: "string", default: "1" },
    first: { type: "string", default: "0" },
    only: { type: "string", default: "" },
  },
});

const CHUNK_INPUTS = 10_000;

const startedMs = performance.now();
const first = Number(settings.first);
const end = first + Number(settings.inputs);
// All targets take part in the choice of an input, so that --only must not be given to repeat one found without it.
const targets = FORMAT_TARGETS.filter(({ name }) => name.includes(settings.only));
const seed = Number(settings.seed);
const failures: string[] = [];
let accepted = 0;
let refused = 0;
for (let next = first; next < end && failures.length === 0; next += CHUNK_INPUTS) {
  // An input that never ends is found by this number.
  if (next > first)
    process.stderr.write(`format: ${next - first} inputs, next is --first ${next}\n`);
  const report = await fuzzFormat({
    targets,
    inputs: Math.min(CHUNK_INPUTS, end - next),
    seed,
    first: next,
  });
  accepted += report.accepted;
  refused += report.refused;
  failures.push(...report.failures);
}
const seconds = ((performance.now() - startedMs) / 1_000).toFixed(1);
const peakMiB = Math.round(process.resourceUsage().maxRSS / 1_024);
console.log(
  `format: ${accepted} accepted, ${refused} refused, ${failures.length} failures, ` +
    `seed ${settings.seed}, ${seconds} s, at most ${peakMiB} MiB`,
);
for (const failure of failures) console.log(failure);
process.exitCode = failures.length === 0 ? 0 : 1;
