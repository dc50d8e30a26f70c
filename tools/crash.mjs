/**
 * `npm run crash`: crashes the engine on a simulated disk, as long and with the seed that is asked for.
 *
 *     npm run crash -- --seconds 300 --seed 7   all arguments go to the program
 *
 * `npm test` runs a short, fixed part of the same exploration.
 */
import { SOURCE_FLAGS, ensureInstalled, runNode } from "./setup.mjs";

ensureInstalled();
const program = "packages/wal/test/crash/crash.ts";
process.exitCode = runNode([...SOURCE_FLAGS, program, ...process.argv.slice(2)]);
