/**
 * `npm run bench`: runs the benchmarks one after the other, each in its own process, against the built
 * packages, as a user gets them.
 *
 *     npm run bench                     all of them
 *     npm run bench -- append           only files whose path contains one of the words
 *     npm run bench -- append --quick   flags go to the benchmarks
 */
import { findInPackages } from "./find-files.mjs";
import { DIST_FLAGS, ensureBuilt } from "./setup.mjs";
import { runPrograms } from "./run-programs.mjs";

ensureBuilt();
runPrograms({
  kind: "benchmark",
  files: findInPackages("bench", ".bench.ts"),
  nodeFlags: [...DIST_FLAGS, "--expose-gc"],
  programArguments: process.argv.slice(2),
});
