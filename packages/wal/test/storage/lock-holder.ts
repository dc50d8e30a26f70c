/** A process that tries to take a directory's lock, says `held` or `refused`, and stays: `lock-holder.ts DIRECTORY`. */
import { lockDirectory } from "../../src/storage/node-directory-lock.ts";

const lock = await lockDirectory(process.argv[2] ?? "");
console.log(lock.kind);
// Until killed, or until whoever started us is gone.
process.stdin.on("end", () => process.exit(0)).resume();
process.on("disconnect", () => process.exit(0));
setInterval(() => undefined, 60_000);
