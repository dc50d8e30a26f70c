/** A real server, and a real S3 server that is there, away, refusing, or holding damaged objects. */
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { after, before, suite, test, type TestContext } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import type { Overview } from "@walnut/console";
import { openServer } from "../../src/server.ts";
import type { ServerOptions } from "../../src/server-options.ts";
import type { WalnutServer } from "../../src/walnut-server.ts";
import { temporaryDirectory } from "../temporary-directory.ts";
import { TestBucket } from "./bucket.ts";
import { startSwift, SWIFT_MISSING, type SwiftServer } from "./swift-server.ts";

const TOKEN = "object-test-token";
const HEADERS = { authorization: `Bearer ${TOKEN}` };
const BASE_NS = 1_700_000_000_000_000_000n;
const HOUR_NS = 3_600_000_000_000n;

suite("object storage", { skip: SWIFT_MISSING }, () => {
  let swift: SwiftServer;
  let bucketCount = 0;

  before(async () => {
    swift = await startSwift();
  });

  after(async () => {
    await swift.close();
  });

  async function newBucket(context: TestContext): Promise<TestBucket> {
    const bucket = await TestBucket.create(swift, `walnut-${++bucketCount}`);
    context.after(() => bucket.close());
    return bucket;
  }

  async function start(
    context: TestContext,
    bucket: TestBucket,
    options: ServerOptions = {},
  ): Promise<WalnutServer> {
    const server = await openServer({
      port: 0,
      token: TOKEN,
      dataDirectory: await temporaryDirectory(),
      flushAgeMs: 50,
      ...bucket.options(),
      ...options,
    });
    context.after(() => server.close());
    await server.ready;
    return server;
  }

  test("files move to the bucket, and queries read them from there after a restart", async (context) => {
    const bucket = await newBucket(context);
    const dataDirectory = await temporaryDirectory();
    const first = await start(context, bucket, { dataDirectory, s3Prefix: "some prefix/ü" });
    const lines = [1, 2, 3].map((hour) => `mem,host=a v=${hour}i ${at(hour)}`);
    await write(first, "my db", [...lines, `größe\\ in\\ m v=7i ${at(1)}`].join("\n"));
    await uploaded(first, 4);
    assert.deepEqual(await rows(first, 'SELECT sum(v) FROM "my db".mem'), [[6]]);
    const keys = [...(await bucket.objects()).keys()];
    assert.equal(keys.length, 4);
    assert.ok(keys.every((key) => key.startsWith("some prefix/ü/")));
    assert.equal((await metrics(first)).get("walnut_downloaded_bytes_total"), 0);
    await first.close();

    await rm(join(dataDirectory, "parquet"), { recursive: true });
    await rm(join(dataDirectory, "cache"), { recursive: true });
    // Another prefix: what is in the bucket stays where it is.
    const second = await start(context, bucket, { dataDirectory, s3Prefix: "other" });
    assert.deepEqual(await rows(second, 'SELECT sum(v), count(*) FROM "my db".mem'), [[6, 3]]);
    assert.deepEqual(await rows(second, 'SELECT v FROM "my db"."größe in m"'), [[7]]);
    assert.equal((await metrics(second)).get("walnut_cache_misses_total"), 4);
    await write(second, "my db", `mem,host=a v=4i ${at(4)}`);
    await uploaded(second, 1);
    assert.deepEqual(await rows(second, 'SELECT sum(v) FROM "my db".mem'), [[10]]);
    await second.close();

    // The cache outlives a restart: nothing is fetched.
    const third = await start(context, bucket, { dataDirectory });
    assert.deepEqual(await rows(third, 'SELECT sum(v) FROM "my db".mem'), [[10]]);
    const numbers = await metrics(third);
    assert.equal(numbers.get("walnut_cache_hits_total"), 4);
    assert.equal(numbers.get("walnut_cache_misses_total"), 0);
  });

  test("large files go up in parts", async (context) => {
    const bucket = await newBucket(context);
    const server = await start(context, bucket, {
      s3PartSizeBytes: 5 * 1024 * 1024,
      flushAgeMs: 60_000,
      flushRows: 12_000,
    });
    // Text that does not compress: a file of more than two parts.
    for (let batch = 0; batch < 12; batch++) {
      const lines = Array.from({ length: 1000 }, (_, row) => {
        const text = randomBytes(768).toString("base64");
        return `big,host=a t="${text}" ${BASE_NS + BigInt(batch * 1000 + row)}`;
      });
      await write(server, "db", lines.join("\n"));
    }
    await flushed(server);
    await uploaded(server, 1);
    const [bytes = 0] = [...(await bucket.objects()).values()];
    assert.ok(bytes > 8 * 1024 * 1024, `${bytes} bytes`);
    assert.equal(await bucket.unfinishedUploads(), 0);
    await rm(join(server.dataDirectory, "cache"), { recursive: true });
    await server.close();
    const again = await start(context, bucket, { dataDirectory: server.dataDirectory });
    assert.deepEqual(await rows(again, "SELECT count(*), count(DISTINCT t) FROM db.big"), [
      [12_000, 12_000],
    ]);
  });

  test("a cache smaller than the data serves one query after the other", async (context) => {
    const bucket = await newBucket(context);
    const tables = 8;
    const options = { cacheMaxBytes: 65_536 };
    const server = await start(context, bucket, options);
    for (let table = 0; table < tables; table++)
      await write(server, "db", randomLines(table, 3000));
    await uploaded(server, tables);
    const all = [...(await bucket.objects()).values()].reduce((sum, bytes) => sum + bytes, 0);
    assert.ok(all > 2 * options.cacheMaxBytes, `${all} bytes`);
    for (let round = 0; round < 3; round++) {
      const queries = Array.from({ length: tables }, async (_, table) => {
        assert.deepEqual(await rows(server, `SELECT count(*) FROM db.t${table}`), [[3000]]);
      });
      await Promise.all(queries);
      const used = (await metrics(server)).get("walnut_cache_bytes") ?? 0;
      assert.ok(used <= options.cacheMaxBytes, `${used} bytes`);
    }
    assert.ok(((await metrics(server)).get("walnut_cache_evictions_total") ?? 0) > 0);
    // Everything at once does not fit, and is told with both numbers.
    const union = Array.from({ length: tables }, (_, table) => `SELECT v FROM db.t${table}`);
    const answer = await query(server, union.join(" UNION ALL "));
    assert.equal(answer.code, "SERVER_QUERY_FAILED");
    assert.deepEqual(answer.details, { neededBytes: all, cacheMaxBytes: options.cacheMaxBytes });
    await write(server, "db", randomLines(0, 1));
  });

  test("an outage stops nothing until the budget is used up, and loses nothing", async (context) => {
    const bucket = await newBucket(context);
    const server = await start(context, bucket, { maxPendingUploadBytes: 200_000 });
    await write(server, "db", randomLines(0, 1000));
    await uploaded(server, 1);
    await swift.stopProxy();
    let written = 1000;
    let refused: Response | undefined;
    while (refused === undefined) {
      assert.ok(written < 1_000_000, "writes are never refused");
      const answer = await post(server, "/write?db=db", randomLines(0, 1000));
      if (answer.status === 204) written += 1000;
      else refused = answer;
    }
    // The memtables that were under way when the budget was reached are no more than a few files.
    assert.ok(written > 20_000, `${written} rows before the first refusal`);
    assert.equal(refused.status, 503);
    assert.equal(refused.headers.get("retry-after"), "5");
    const body = (await refused.json()) as { code: string };
    assert.equal(body.code, "SERVER_UPLOADS_BEHIND");
    await until(async () => /does not answer/.test((await health(server)).concern ?? ""));
    assert.equal((await fetch(`${server.url}/ready`)).status, 503);
    // What was acknowledged can be read: files that wait, and the one in the cache.
    assert.deepEqual(await rows(server, "SELECT count(*) FROM db.t0"), [[written]]);
    const during = await metrics(server);
    assert.ok((during.get("walnut_upload_pending_bytes") ?? 0) >= 200_000);
    assert.ok((during.get("walnut_upload_failures_total") ?? 0) > 0);
    assert.ok((during.get("walnut_upload_oldest_pending_seconds") ?? 0) > 0);
    const headers = { authorization: `Bearer ${TOKEN}` };
    const answer = await fetch(`${server.url}/api/v1/overview`, { headers });
    const [worker] = ((await answer.json()) as Overview).workers;
    const uploads = worker?.store?.uploads;
    assert.ok(uploads && uploads.pendingBytes >= 200_000 && uploads.oldestPendingMs > 0);
    assert.ok(uploads.pendingFiles > 0 && uploads.lastError !== null);

    await swift.startProxy();
    await until(async () => (await post(server, "/write?db=db", "t0 v=1 1")).status === 204);
    await flushed(server);
    await drained(server);
    assert.equal((await health(server)).concern, undefined);
    assert.equal((await fetch(`${server.url}/ready`)).status, 200);
    assert.deepEqual(await rows(server, "SELECT count(*) FROM db.t0"), [[written + 1]]);
    await server.close();
    // From the bucket alone.
    await rm(join(server.dataDirectory, "parquet"), { recursive: true });
    await rm(join(server.dataDirectory, "cache"), { recursive: true });
    const again = await start(context, bucket, { dataDirectory: server.dataDirectory });
    assert.deepEqual(await rows(again, "SELECT count(*) FROM db.t0"), [[written + 1]]);
  });

  test("a wrong secret and a missing bucket are told, and stop neither start nor writes", async (context) => {
    const bucket = TestBucket.absent(swift, `walnut-${++bucketCount}`);
    context.after(() => bucket.close());
    const wrong = await start(context, bucket, { s3SecretAccessKey: "wrong" });
    await write(wrong, "db", "m v=1 1");
    await until(async () => /refuses.*403/.test((await health(wrong)).concern ?? ""));
    assert.equal((await fetch(`${wrong.url}/ready`)).status, 200);
    await wrong.close();

    const server = await start(context, bucket, { dataDirectory: wrong.dataDirectory });
    await write(server, "db", "m v=2 2");
    await until(async () => /no such bucket/.test((await health(server)).concern ?? ""));
    assert.deepEqual(await rows(server, "SELECT sum(v) FROM db.m"), [[3]]);
    // It goes on by itself once the bucket is there.
    await bucket.make();
    await drained(server);
    assert.equal((await bucket.objects()).size, 2);
  });

  test("a query that needs the bucket while it is away or refuses says so", async (context) => {
    const bucket = await newBucket(context);
    const server = await start(context, bucket);
    await write(server, "db", "m v=1 1");
    await uploaded(server, 1);
    await server.close();
    await rm(join(server.dataDirectory, "cache"), { recursive: true });
    const { dataDirectory } = server;
    const wrong = await start(context, bucket, { dataDirectory, s3SecretAccessKey: "wrong" });
    assert.equal((await query(wrong, "SELECT * FROM db.m")).code, "SERVER_OBJECT_STORE_REFUSED");
    await wrong.close();
    const again = await start(context, bucket, { dataDirectory });
    await swift.stopProxy();
    try {
      assert.equal(
        (await query(again, "SELECT * FROM db.m")).code,
        "SERVER_OBJECT_STORE_UNAVAILABLE",
      );
    } finally {
      await swift.startProxy();
    }
    assert.deepEqual(await rows(again, "SELECT v FROM db.m"), [[1]]);
  });

  test("damaged and missing objects are named, and only their queries fail", async (context) => {
    const bucket = await newBucket(context);
    const server = await start(context, bucket);
    await write(server, "db", "short v=1 1\nchanged v=1 1\ngone v=1 1\ngood v=1 1");
    await uploaded(server, 4);
    await server.close();
    await rm(join(server.dataDirectory, "cache"), { recursive: true });
    const objects = await bucket.objects();
    const keyOf = (table: string): string =>
      [...objects.keys()].find((key) => key.includes(`/${table}/`)) ?? "";
    await bucket.put(keyOf("short"), randomBytes(10));
    await bucket.put(keyOf("changed"), randomBytes(objects.get(keyOf("changed")) ?? 0));
    await bucket.remove(keyOf("gone"));
    const again = await start(context, bucket, { dataDirectory: server.dataDirectory });
    for (const table of ["short", "changed", "gone"]) {
      const answer = await query(again, `SELECT * FROM db.${table}`);
      assert.equal(answer.code, "SERVER_STORAGE_CORRUPT");
      assert.ok(answer.error?.includes(keyOf(table)), answer.error);
    }
    assert.deepEqual(await rows(again, "SELECT v FROM db.good"), [[1]]);
    const cached = await readdir(join(server.dataDirectory, "cache"), { recursive: true });
    assert.equal(cached.filter((name) => name.includes(".parquet")).length, 1);
  });

  test("the log keeps rows until the bucket has them, when it is told to", async (context) => {
    const bucket = await newBucket(context);
    const options: ServerOptions = {
      releaseLog: "object",
      segmentSizeBytes: 65_536,
      maxLogBytes: 262_144,
    };
    const server = await start(context, bucket, options);
    await write(server, "db", randomLines(0, 500));
    await drained(server);
    await until(async () => (await metrics(server)).get("walnut_wal_held_bytes") === 0);
    await swift.stopProxy();
    let written = 500;
    let refused: Response | undefined;
    while (refused === undefined) {
      assert.ok(written < 100_000, "writes are never refused");
      const answer = await post(server, "/write?db=db", randomLines(0, 500));
      if (answer.status === 204) written += 500;
      else refused = answer;
      await flushed(server);
    }
    assert.equal(refused.status, 503);
    assert.equal(((await refused.json()) as { code: string }).code, "SERVER_WAL_UNAVAILABLE");
    assert.ok(((await metrics(server)).get("walnut_wal_held_bytes") ?? 0) > 65_536);
    await swift.startProxy();
    await until(async () => (await post(server, "/write?db=db", "t0 v=1 1")).status === 204);
    await flushed(server);
    await drained(server);
    assert.deepEqual(await rows(server, "SELECT count(*) FROM db.t0"), [[written + 1]]);
  });

  test("a data directory with files in a bucket does not start without it", async (context) => {
    const bucket = await newBucket(context);
    const server = await start(context, bucket);
    await write(server, "db", "m v=1 1");
    await uploaded(server, 1);
    await server.close();
    const local = await openServer({ port: 0, dataDirectory: server.dataDirectory });
    await assert.rejects(local.ready, { code: "SERVER_INVALID_OPTION" });
    await local.close();
  });
});

function at(hour: number): bigint {
  return BASE_NS + BigInt(hour) * HOUR_NS;
}

/** Rows of one hour whose values do not compress. */
function randomLines(table: number, count: number): string {
  const lines: string[] = [];
  for (let row = 0; row < count; row++) {
    lines.push(`t${table} v=${Math.random()} ${BASE_NS + BigInt(row)}`);
  }
  return lines.join("\n");
}

async function post(server: WalnutServer, path: string, body: string): Promise<Response> {
  return await fetch(server.url + path, { method: "POST", headers: HEADERS, body });
}

async function write(server: WalnutServer, database: string, body: string): Promise<void> {
  const answer = await post(server, `/write?db=${encodeURIComponent(database)}`, body);
  assert.equal(answer.status, 204, await answer.text());
}

interface QueryAnswer {
  readonly data?: unknown[][];
  readonly code?: string;
  readonly error?: string;
  readonly details?: unknown;
}

async function query(server: WalnutServer, sql: string): Promise<QueryAnswer> {
  const answer = await post(server, "/api/v1/query", JSON.stringify({ sql }));
  return (await answer.json()) as QueryAnswer;
}

async function rows(server: WalnutServer, sql: string): Promise<unknown[][] | undefined> {
  const answer = await query(server, sql);
  assert.equal(answer.error, undefined);
  return answer.data;
}

async function health(server: WalnutServer): Promise<{ readonly concern?: string }> {
  return (await (await fetch(`${server.url}/health`)).json()) as { readonly concern?: string };
}

async function metrics(server: WalnutServer): Promise<ReadonlyMap<string, number>> {
  const text = await (await fetch(`${server.url}/metrics`)).text();
  const lines = [...text.matchAll(/^(walnut_\w+) (\S+)$/gm)];
  return new Map(lines.map(([, name = "", value]) => [name, Number(value)]));
}

/** Waits until something is so; the test's time limit ends a wait in vain. */
async function until(condition: () => Promise<boolean>): Promise<void> {
  while (!(await condition())) await delay(20);
}

async function uploaded(server: WalnutServer, files: number): Promise<void> {
  await until(async () => (await metrics(server)).get("walnut_uploaded_files_total") === files);
  await drained(server);
}

async function flushed(server: WalnutServer): Promise<void> {
  await until(async () => (await metrics(server)).get("walnut_memory_rows") === 0);
}

async function drained(server: WalnutServer): Promise<void> {
  await flushed(server);
  await until(async () => (await metrics(server)).get("walnut_upload_pending_files") === 0);
}
