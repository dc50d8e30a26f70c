/**
 * A process that wants a log: `lock-holder.ts DIRECTORY`. Says `ready`, and at each line of its standard input tries to open it:
 * `open LAST_LSN` after one append, or the error's code. The line `close` closes it: `closed`. Ends when its input ends.
 */
import * as readline from "node:readline";
import { isWalError, openWal, type Wal } from "@walnut/wal";

const directory = process.argv[2] ?? "";
let wal: Wal | undefined;

async function answer(line: string): Promise<string> {
  if (line === "close") {
    await wal?.close();
    wal = undefined;
    return "closed";
  }
  try {
    wal = await openWal({ directory });
    return `open ${await wal.append(Uint8Array.of(1))}`;
  } catch (error) {
    return isWalError(error) ? error.code : String(error);
  }
}

console.log("ready");
for await (const line of readline.createInterface({ input: process.stdin })) {
  console.log(await answer(line));
}
await wal?.close();
