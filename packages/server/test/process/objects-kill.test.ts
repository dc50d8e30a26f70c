/**
 * Kill -9 of a server whose files move to a bucket, while they move, with an outage in between: nothing acknowledged is
 * lost, nothing is there twice, and an unanswered request is there as a whole or not at all.
 */
import assert from "node:assert/strict";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { suite, test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { TestBucket } from "../objects/bucket.ts";
import {
  startSwift,
  SWIFT_ACCESS_KEY,
  SWIFT_MISSING,
  SWIFT_SECRET_KEY,
} from "../objects/swift-server.ts";
import { temporaryDirectory } from "../temporary-directory.ts";
import { queryRows, ServerProcess } from "./server-process.ts";

const TOKEN = "objects-kill-token";
const BATCH_ROWS = 100;
const LIVES = 3;
const LIFE_WITH_OUTAGE = 1;
/** Batches of a life before it is killed: enough for several flushes and uploads. */
const BATCHES_PER_LIFE = 60;
const BASE_NS = 1_700_000_000_000_000_000n;

suite("kill -9 with object storage", { skip: SWIFT_MISSING }, () => {
  test(`loses and doubles nothing in ${LIVES} lives`, async (context) => {
    const swift = await startSwift();
    context.after(() => swift.close());
    const bucket = await TestBucket.create(swift, "walnut-kill");
    context.after(() => bucket.close());
    const dataDirectory = await temporaryDirectory();
    const start = (more: readonly string[] = []): ServerProcess => {
      const server = ServerProcess.start({
        dataDirectory,
        flags: [
          "--storage-backend=s3",
          "--s3-bucket=walnut-kill",
          `--s3-endpoint=${swift.endpoint}`,
          `--s3-access-key-id=${SWIFT_ACCESS_KEY}`,
          "--flush-age-ms=50",
          "--segment-size-bytes=65536",
          ...more,
        ],
        variables: { WALNUT_TOKEN: TOKEN, WALNUT_S3_SECRET_ACCESS_KEY: SWIFT_SECRET_KEY },
      });
      context.after(() => server.kill("SIGKILL"));
      return server;
    };
    const acknowledged: number[] = [];
    const unanswered: number[] = [];
    let batch = 0;
    for (let life = 0; life < LIVES; life++) {
      const server = start();
      const url = await server.readyUrl();
      if (life === LIFE_WITH_OUTAGE) await swift.stopProxy();
      const last = batch + BATCHES_PER_LIFE;
      for (; batch < last; batch++) {
        if (batch === last - 1) setTimeout(() => server.kill("SIGKILL"), 5 * life);
        const status = await write(url, batch);
        if (status === 204) acknowledged.push(batch);
        else unanswered.push(batch);
      }
      server.kill("SIGKILL");
      await server.ended;
      if (life === LIFE_WITH_OUTAGE) await swift.startProxy();
    }
    assert.ok(acknowledged.length >= LIVES * (BATCHES_PER_LIFE - 1));

    // Several workers adopt what one has written, and upload the rest.
    const server = start(["--workers=2"]);
    const url = await server.readyUrl();
    await check(url, { acknowledged, unanswered });
    await until(() => everythingIsInTheBucket(url));
    await check(url, { acknowledged, unanswered });
    server.kill("SIGTERM");
    await server.ended;

    // From the bucket and the catalog alone: no row is only here.
    for (const name of ["parquet", "cache"]) {
      await rm(join(dataDirectory, name), { recursive: true, force: true });
    }
    const last = start();
    await check(await last.readyUrl(), { acknowledged, unanswered });
    last.kill("SIGTERM");
    assert.equal((await last.ended).code, 0);
  });
});

/** @returns the status, or `undefined` when there was no answer */
async function write(url: string, batch: number): Promise<number | undefined> {
  const lines = Array.from({ length: BATCH_ROWS }, (_, row) => {
    const id = batch * BATCH_ROWS + row;
    return `m,host=h${id % 3} id=${id}i ${BASE_NS + BigInt(id)}`;
  });
  try {
    const answer = await fetch(`${url}/write?db=kill`, {
      method: "POST",
      headers: { authorization: `Bearer ${TOKEN}` },
      body: lines.join("\n"),
    });
    return answer.status;
  } catch {
    return undefined;
  }
}

async function check(
  url: string,
  sent: { readonly acknowledged: readonly number[]; readonly unanswered: readonly number[] },
): Promise<void> {
  const rows = await queryRows(
    url,
    TOKEN,
    `SELECT id // ${BATCH_ROWS}, count(*), count(DISTINCT id) FROM kill.m GROUP BY 1 ORDER BY 1`,
  );
  const counts = new Map(
    rows.map(([batch, count, distinct]) => [Number(batch), [count, distinct]]),
  );
  for (const batch of sent.acknowledged) {
    assert.deepEqual(counts.get(batch), [BATCH_ROWS, BATCH_ROWS], `batch ${batch}`);
    counts.delete(batch);
  }
  for (const [batch, count] of counts) {
    assert.ok(sent.unanswered.includes(batch), `batch ${batch} was never sent`);
    assert.deepEqual(count, [BATCH_ROWS, BATCH_ROWS], `batch ${batch}`);
  }
}

/** No row in memory and no file that waits, over the workers: connections are given to them in turn. */
async function everythingIsInTheBucket(url: string): Promise<boolean> {
  for (let times = 0; times < 8; times++) {
    const text = await (await fetch(`${url}/metrics`, { headers: { connection: "close" } })).text();
    for (const name of ["walnut_memory_rows", "walnut_upload_pending_files"]) {
      const match = new RegExp(`^${name}(?:\\{[^}]*\\})? (\\S+)$`, "m").exec(text);
      assert.ok(match !== null, text);
      if (match[1] !== "0") return false;
    }
  }
  return true;
}

async function until(condition: () => Promise<boolean>): Promise<void> {
  while (!(await condition())) await delay(50);
}
