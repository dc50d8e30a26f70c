/**
 * `npm run screenshot`: pictures of the console with data flowing, in docs/images. Takes two minutes and needs Chromium.
 *
 *     npm run screenshot                  the pictures that documents show
 *     npm run screenshot -- FOLDER 20     all pictures into a folder, after 20 seconds of data
 */
import { SOURCE_FLAGS, ensureBuilt, runNode } from "./setup.mjs";

ensureBuilt();
process.exitCode = runNode([
  ...SOURCE_FLAGS,
  "packages/server/test/browser/take-screenshots.ts",
  ...process.argv.slice(2),
]);
