/**
 * `npm run soak`: a server under load for minutes or hours, killed again and again, and judged at the end.
 *
 *     npm run soak -- --minutes 60 --workers 2   all arguments go to the program
 *
 * `npm test` runs twenty seconds of the same.
 */
import { SOURCE_FLAGS, ensureBuilt, runNode } from "./setup.mjs";

ensureBuilt();
const program = "packages/server/test/soak/soak.ts";
process.exitCode = runNode([...SOURCE_FLAGS, program, ...process.argv.slice(2)]);
