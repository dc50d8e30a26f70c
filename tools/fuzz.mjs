/**
 * `npm run fuzz`: runs the fuzzers one after the other, from the sources.
 *
 *     npm run fuzz -- frame               only files whose path contains one of the words
 *     npm run fuzz -- frame --seconds=60  flags go to the fuzzers
 */
import { findInPackages } from "./find-files.mjs";
import { SOURCE_FLAGS, ensureInstalled } from "./setup.mjs";
import { runPrograms } from "./run-programs.mjs";

ensureInstalled();
runPrograms({
  kind: "fuzzer",
  files: findInPackages("test", ".fuzz.ts"),
  nodeFlags: SOURCE_FLAGS,
  programArguments: process.argv.slice(2),
});
