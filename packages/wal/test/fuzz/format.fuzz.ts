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

const startedMs = performance.now();
const report = await fuzzFormat({
  // All targets take part in the choice of an input, so that --only must not be given to repeat one found without it.
  targets: FORMAT_TARGETS.filter(({ name }) => name.includes(settings.only)),
  inputs: Number(settings.inputs),
  seed: Number(settings.seed),
  first: Number(settings.first),
});
const seconds = ((performance.now() - startedMs) / 1_000).toFixed(1);
const peakMiB = Math.round(process.resourceUsage().maxRSS / 1_024);
console.log(
  `format: ${report.accepted} accepted, ${report.refused} refused, ${report.failures.length} failures, ` +
    `seed ${settings.seed}, ${seconds} s, at most ${peakMiB} MiB`,
);
for (const failure of report.failures) console.log(failure);
process.exitCode = report.failures.length === 0 ? 0 : 1;
