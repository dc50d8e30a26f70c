/** `npm run build`: compiles every package. `npm run build -- --clean` removes what was built. */
import { ensureBuilt } from "./setup.mjs";

ensureBuilt(process.argv.slice(2));
