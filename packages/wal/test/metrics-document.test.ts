/** docs/metrics.md and the engine name the same metrics and the same channels. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { suite, test } from "node:test";
import { WAL_CHANNELS } from "@walnut/wal";
import { Machine } from "./machine.ts";

const text = readFileSync(new URL("../../../docs/metrics.md", import.meta.url), "utf8");

/** First cells of the table rows in a section. */
function namesIn(section: string): string[] {
  const [, rest = ""] = text.split(`\n## ${section}\n`);
  const [body = ""] = rest.split("\n## ");
  return [...body.matchAll(/^\| `([\w.]+)` \|/gm)].map(([, name = ""]) => name);
}

suite("docs/metrics.md", () => {
  test("lists the metrics of the engine", async () => {
    const wal = await new Machine().open();
    assert.deepEqual(namesIn("Engine").sort(), Object.keys(wal.metrics()).sort());
    await wal.close();
  });

  test("lists the channels", () => {
    assert.deepEqual(namesIn("Events"), [...WAL_CHANNELS]);
  });
});
