import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { openWal } from "@walnut/wal";
import { LogVerifier } from "../../src/wal-administration/log-verifier.ts";
import { temporaryDirectory } from "../temporary-directory.ts";

suite("LogVerifier", () => {
  test("verifies one call at a time, and goes on after one that failed", async (context) => {
    const directory = await temporaryDirectory();
    const wal = await openWal({ directory });
    context.after(() => wal.close());
    await wal.append(new Uint8Array(100));
    const verifier = new LogVerifier(() => performance.now());
    const logs = [{ shard: 1, directory }];

    const first = verifier.verify(logs);
    await assert.rejects(verifier.verify(logs), { code: "SERVER_OVERLOADED" });
    assert.equal((await first)[0]?.verification.records, 1);

    await assert.rejects(verifier.verify([{ shard: 1, directory: `${directory}/none` }]));
    assert.equal((await verifier.verify(logs))[0]?.verification.damage.length, 0);
  });
});
