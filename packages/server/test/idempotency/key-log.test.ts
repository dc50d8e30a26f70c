import assert from "node:assert/strict";
import { readdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { suite, test } from "node:test";
import { openKeyLog, type KeyLog, type KeyLogOptions } from "../../src/idempotency/key-log.ts";
import type { WriteIdentity } from "../../src/idempotency/write-identity.ts";
import { temporaryDirectory } from "../temporary-directory.ts";
import { keyed } from "./identities.ts";

const WINDOW_MS = 10_000;

async function options(nowMs = 1_000): Promise<KeyLogOptions & { clock: { nowMs: number } }> {
  const clock = { nowMs };
  const directory = join(await temporaryDirectory(), "keys", "worker-1");
  return { directory, windowMs: WINDOW_MS, maxKeys: 10_000, clock, nowMs: () => clock.nowMs };
}

function keys(identities: readonly WriteIdentity[]): string[] {
  return identities.map(({ name }) => name.slice("key:".length));
}

async function save(
  log: KeyLog,
  first: number,
  count: number,
  acceptedAtMs = 1_000,
): Promise<void> {
  for (let lsn = first; lsn < first + count; lsn++) {
    log.remember(lsn, keyed(String(lsn), { acceptedAtMs }));
  }
  await log.saveThrough(first + count - 1);
}

suite("KeyLog", () => {
  test("makes no file until an identity has to be kept", async () => {
    const settings = await options();
    const { log, identities } = await openKeyLog(settings);
    await log.saveThrough(1_000_000);
    await log.close();
    assert.deepEqual(identities, []);
    await assert.rejects(readdir(settings.directory), { code: "ENOENT" });
  });

  test("keeps what is at or below the LSN, once, over restarts", async () => {
    const settings = await options();
    const { log } = await openKeyLog(settings);
    for (const lsn of [2, 5, 9]) log.remember(lsn, keyed(String(lsn)));
    await log.saveThrough(5);
    await log.saveThrough(8);
    await log.close();
    const second = await openKeyLog(settings);
    assert.deepEqual(second.identities, [keyed("2"), keyed("5")]);
    await save(second.log, 9, 2_000);
    await second.log.close();
    const third = await openKeyLog(settings);
    assert.equal(third.identities.length, 2_002);
    assert.deepEqual(keys(third.identities).slice(-1), ["2008"]);
    await third.log.close();
  });

  test("releases what has left the window, and does not take it in again", async () => {
    const settings = await options();
    const { log } = await openKeyLog(settings);
    await save(log, 1, 3, 1_000);
    await save(log, 4, 3, 6_000);
    settings.clock.nowMs = 1_000 + WINDOW_MS + 1;
    await save(log, 7, 1, settings.clock.nowMs);
    await log.close();
    settings.clock.nowMs = 0; // Even a clock that went back does not bring them back.
    const second = await openKeyLog(settings);
    assert.deepEqual(keys(second.identities), ["4", "5", "6", "7"]);
    await second.log.close();
    settings.clock.nowMs = 6_000 + WINDOW_MS + 1;
    const third = await openKeyLog(settings);
    assert.deepEqual(keys(third.identities), ["7"]);
    await third.log.close();
  });

  test("keeps no more than the limit, whole records at a time", async () => {
    const settings = { ...(await options()), maxKeys: 4 };
    const { log } = await openKeyLog(settings);
    for (let first = 1; first <= 9; first += 3) await save(log, first, 3);
    await log.close();
    const second = await openKeyLog(settings);
    assert.deepEqual(keys(second.identities), ["4", "5", "6", "7", "8", "9"]);
    await second.log.close();
  });

  test("a failure keeps everything for the next call", async () => {
    const settings = await options();
    // A file in the place of the directory's parent.
    const parent = join(settings.directory, "..");
    const { log } = await openKeyLog(settings);
    await writeFile(parent, "in the way");
    log.remember(1, keyed("1"));
    await assert.rejects(log.saveThrough(1));
    await rm(parent);
    await log.saveThrough(1);
    await log.close();
    const second = await openKeyLog(settings);
    assert.deepEqual(keys(second.identities), ["1"]);
    await second.log.close();
  });
});
