/**
 * Fuzzes the ingest decoders.
 *
 *     npm run fuzz -- decoders [--inputs N] [--seed S] [--first I] [--only lines|messagepack|remote-write|record]
 *
 * A failure prints the flags that repeat it.
 */
import { parseArgs } from "node:util";
import { ALL_TARGETS, fuzzDecoders } from "./decoder-fuzzer.ts";

const { values: settings } = parseArgs({
  options: {
    inputs: { type: "string", default: "100000" },
    seed: { type: "string", default: "1" },
    first: { type: "string", default: "0" },
    only: { type: "string", default: "" },
  },
});

const startedMs = performance.now();
const report = fuzzDecoders({
  // All targets take part in the choice of an input, so that --only must not be given to repeat one found without it.
  targets: ALL_TARGETS.filter(({ name }) => name.includes(settings.only)),
  inputs: Number(settings.inputs),
  seed: Number(settings.seed),
  first: Number(settings.first),
});
const seconds = ((performance.now() - startedMs) / 1_000).toFixed(1);
console.log(
  `decoders: ${report.accepted} accepted, ${report.refused} refused, ${report.failures.length} failures, seed ${settings.seed}, ${seconds} s`,
);
for (const failure of report.failures) console.log(failure);
process.exitCode = report.failures.length === 0 ? 0 : 1;
