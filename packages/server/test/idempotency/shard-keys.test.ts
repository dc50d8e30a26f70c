import assert from "node:assert/strict";
import { rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { suite, test } from "node:test";
import { openShardKeys, type ShardKeys } from "../../src/idempotency/shard-keys.ts";
import { temporaryDirectory } from "../temporary-directory.ts";
import { keyed } from "./identities.ts";

function open(directory: string): Promise<ShardKeys> {
  const options = { windowMs: 1_000, maxKeys: 100, nowMs: () => 1_000 };
  return openShardKeys({ ...options, directory: join(directory, "keys") });
}

suite("ShardKeys", () => {
  test("the cursor moves only after identities have been saved", async () => {
    const directory = await temporaryDirectory();
    const first = await open(directory);
    const acked: number[] = [];
    const seenAtAck: string[][] = [];
    const cursor = first.guard({
      get lsn() {
        return acked.at(-1) ?? 0;
      },
      async ack(lsn) {
        await first.close(); // As a process would end here.
        const other = await open(directory);
        seenAtAck.push(other.takeRecovered().map(({ name }) => name));
        await other.close();
        acked.push(lsn);
      },
    });
    first.stored(3, keyed("a"));
    first.stored(4, keyed("b"));
    await cursor.ack(3);
    assert.equal(cursor.lsn, 3);
    await cursor.ack(9);
    assert.deepEqual(seenAtAck, [["key:a"], ["key:a", "key:b"]]);
    await first.close();
  });

  test("what recovery finds is told once, together with what was kept, and saved again before it is released", async () => {
    const directory = await temporaryDirectory();
    const first = await open(directory);
    first.stored(3, keyed("a"));
    await first.guard({ lsn: 0, ack: () => Promise.resolve() }).ack(3);
    await first.close();

    const second = await open(directory);
    second.recover(4, keyed("b"));
    second.recover(5, keyed("old", { acceptedAtMs: -1 }));
    const names = second.takeRecovered().map(({ name }) => name);
    assert.deepEqual(names, ["key:a", "key:b"], "what has left the window is not told");
    assert.deepEqual(second.takeRecovered(), []);
    await second.guard({ lsn: 3, ack: () => Promise.resolve() }).ack(5);
    await second.close();

    const third = await open(directory);
    assert.deepEqual(third.takeRecovered().length, 2);
    await third.close();
  });

  test("when identities cannot be saved the cursor stays, and moves once they can", async () => {
    const directory = await temporaryDirectory();
    const keys = await open(directory);
    let acked = 0;
    const cursor = keys.guard({ lsn: 0, ack: (lsn) => Promise.resolve(void (acked = lsn)) });
    await writeFile(join(directory, "keys"), "in the way");
    keys.stored(1, keyed("a"));
    await assert.rejects(cursor.ack(1));
    assert.equal(acked, 0);
    await rm(join(directory, "keys"));
    await cursor.ack(1);
    assert.equal(acked, 1);
    await keys.close();
  });
});
