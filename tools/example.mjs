/**
 * `npm run example -- NAME [ARGUMENTS]`: installs and builds what is not up to date, then runs `examples/NAME/main.ts` against the
 * built packages, as a user gets them.
 */
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { DIST_FLAGS, ROOT, ensureBuilt, fail, runNode } from "./setup.mjs";

const [name = "", ...programArguments] = process.argv.slice(2);
const program = join(ROOT, "examples", name, "main.ts");
if (name === "" || !existsSync(program)) {
  fail(`name an example: ${readdirSync(join(ROOT, "examples")).join(", ")}.`);
}
ensureBuilt();
process.exitCode = runNode([...DIST_FLAGS, program, ...programArguments]);
