/** A Walnut server whose disk is full: the spool keeps what it refuses, and ships it once there is room, each item once. */
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { suite, test } from "node:test";
import { openForwarder } from "@walnut/spool";
import { until } from "../forward/plain-upstream.ts";
import { temporaryDirectory } from "../temporary-directory.ts";
import { WalnutProcess } from "./walnut-process.ts";

const ITEMS = 200;
/** All items together are larger than the limit on files of the server's log, and no two of them are alike. */
const FILLING_BYTES = 10_000;

suite("an upstream without space", { timeout: 300_000 }, () => {
  test("gets every item once when it has space again", async (context) => {
    const data = temporaryDirectory(context);
    const words = ["serve", "--data-dir", data, "--flush-age-ms", "600000", "--port"];
    const small = WalnutProcess.start(context, [...words, "0"], {}, { maxFileKib: 2_048 });
    const to = await small.url();
    const token = readFileSync(join(data, "token"), "utf8").trim();
    const forwarder = await openForwarder({
      spool: { directory: temporaryDirectory(context), categories: ["logging"] },
      to,
      token,
      lingerMs: 1,
      encoding: "zstd", // Which a Walnut server does not take: it is sent the same as it is.
      retryFirstDelayMs: 10,
      retryMaxDelayMs: 100,
      maxBatchItems: 10,
    });
    context.after(() => forwarder.close());
    for (let n = 1; n <= ITEMS; n++) {
      const line = `items n=${n}i,filling="${randomBytes(FILLING_BYTES).toString("hex")}" ${1_700_000_000_000_000_000n + BigInt(n)}`;
      await forwarder.put("logging", Buffer.from(line));
    }
    await until(async () => ((await forwarder.status()).categories[0]?.retries ?? 0) > 0);
    assert.deepEqual(forwarder.deadLetters(), []);
    await small.kill("SIGKILL");
    const large = WalnutProcess.start(context, [...words, new URL(to).port]);
    await large.url();
    assert.equal(await forwarder.drain(60_000), 0);
    assert.deepEqual(forwarder.deadLetters(), []);
    const response = await fetch(`${to}/api/v1/query`, {
      method: "POST",
      headers: { authorization: `Bearer ${token}` },
      body: JSON.stringify({ sql: "SELECT count(*), count(DISTINCT n) FROM logging.items" }),
    });
    const { data: rows } = (await response.json()) as { readonly data: unknown };
    assert.deepEqual(rows, [[ITEMS, ITEMS]]);
    await large.kill("SIGTERM");
  });
});
