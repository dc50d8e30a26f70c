/** A process in which every subscriber throws: prints how often, and the fingerprint of what was written. */
import { subscribe } from "node:diagnostics_channel";
import { WAL_CHANNELS } from "@walnut/wal";
import { settle } from "../machine.ts";
import { busyLife } from "./busy-life.ts";

let thrown = 0;
process.on("uncaughtException", () => {
  thrown++;
});
for (const name of WAL_CHANNELS) {
  subscribe(name, () => {
    throw new Error("a bad subscriber");
  });
}
const fingerprint = await busyLife();
await settle();
process.stdout.write(JSON.stringify({ fingerprint, thrown }));
