/** The management routes of the log on a real server: what they answer, and what they do to the files. */
import assert from "node:assert/strict";
import { readdir, readFile, truncate, utimes, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { suite, test, type TestContext } from "node:test";
import type { z } from "zod";
import {
  WAL_CLEANUP_ANSWER,
  WAL_CURSORS_ANSWER,
  WAL_FILES_ANSWER,
  WAL_FLUSH_ANSWER,
  WAL_HEALTH_ANSWER,
  WAL_RECOVERY_ANSWER,
  WAL_ROTATE_ANSWER,
  WAL_STATS_ANSWER,
  WAL_STATUS_ANSWER,
  WAL_VERIFY_ANSWER,
} from "../../src/http/wal-schemas.ts";
import { openServer } from "../../src/server.ts";
import type { ServerOptions } from "../../src/server-options.ts";
import type { WalnutServer } from "../../src/walnut-server.ts";
import { temporaryDirectory } from "../temporary-directory.ts";

const TOKEN = "test-token";
const LOG = join("wal", "worker-1");

async function start(context: TestContext, options: ServerOptions = {}): Promise<WalnutServer> {
  const dataDirectory = options.dataDirectory ?? (await temporaryDirectory());
  const server = await openServer({
    port: 0,
    token: TOKEN,
    flushAgeMs: 3_600_000,
    ...options,
    dataDirectory,
  });
  context.after(() => server.close());
  await server.ready;
  return server;
}

async function call(
  server: WalnutServer,
  method: "GET" | "POST",
  path: string,
): Promise<{ readonly status: number; readonly body: unknown }> {
  const headers = { authorization: `Bearer ${TOKEN}` };
  const response = await fetch(server.url + path, { method, headers });
  return { status: response.status, body: await response.json() };
}

/** The answer of a route, of the documented shape. */
// oxlint-disable-next-line typescript/no-explicit-any -- the schema has checked it; tests read members freely
async function ask(server: WalnutServer, request: string, schema: z.ZodType): Promise<any> {
  const [method = "", path = ""] = request.split(" ");
  const { status, body } = await call(server, method === "POST" ? "POST" : "GET", path);
  assert.equal(status, 200, JSON.stringify(body));
  return schema.parse(body);
}

async function write(server: WalnutServer, line: string): Promise<void> {
  const headers = { authorization: `Bearer ${TOKEN}` };
  const init = { method: "POST", headers, body: line };
  assert.equal((await fetch(`${server.url}/write?db=d`, init)).status, 204);
}

suite("routes of the log that look", () => {
  test("have the documented shape", async (context) => {
    const server = await start(context);
    await write(server, "m v=1 1");
    const status = await ask(server, "GET /api/wal/status", WAL_STATUS_ANSWER);
    assert.equal(status.stats.total_entries, 1);
    const stats = await ask(server, "GET /api/wal/stats", WAL_STATS_ANSWER);
    assert.equal(stats.total_syncs, status.stats.total_syncs);
    assert.ok(stats.workers[0].sync_ms.p50 > 0);
    const files = await ask(server, "GET /api/wal/files", WAL_FILES_ANSWER);
    assert.equal(files.active[0].path, stats.current_file);
    const health = await ask(server, "GET /api/wal/health", WAL_HEALTH_ANSWER);
    assert.equal(health.stats_summary.unflushed_records, 1);
    const { cursors } = await ask(server, "GET /api/wal/cursors", WAL_CURSORS_ANSWER);
    assert.deepEqual(
      [cursors[0].name, cursors[0].lag_records, cursors[0].holds_space],
      ["parquet", 1, true],
    );
  });

  test("tell of earlier starts, failed ones too", async (context) => {
    const dataDirectory = await temporaryDirectory();
    const first = await start(context, { dataDirectory });
    await write(first, "m v=1 1");
    await first.close();
    // Bytes that a later segment vouches for are damaged: no start may go on.
    const [segment = ""] = (await readdir(join(dataDirectory, LOG))).filter((name) =>
      /^\d+\.wal$/.test(name),
    );
    const path = join(dataDirectory, LOG, segment);
    const whole = await readFile(path);
    await truncate(path, 16);
    const options = { port: 0, token: TOKEN, dataDirectory, recovery: "strict" } as const;
    const failed = await openServer(options);
    await assert.rejects(failed.ready);
    await failed.close();
    await writeFile(path, whole);

    const server = await start(context, { dataDirectory });
    const { history } = await ask(server, "GET /api/v1/wal/recovery", WAL_RECOVERY_ANSWER);
    const outcomes = history.map(({ outcome }: { outcome: string }) => outcome);
    assert.deepEqual(outcomes, ["recovered", "failed", "recovered"]);
    assert.match(history[1].damage.code, /^WAL_/);
    assert.equal(history[0].damage, null);
  });
});

suite("routes of the log that change", () => {
  test("rotate seals the segment, and a second one finds nothing to seal", async (context) => {
    const server = await start(context);
    await write(server, "m v=1 1");
    const { workers } = await ask(server, "POST /api/wal/rotate", WAL_ROTATE_ANSWER);
    assert.match(workers[0].sealed, /\.wal$/);
    const files = await ask(server, "GET /api/wal/files", WAL_FILES_ANSWER);
    assert.equal(files.active[0].name, workers[0].sealed);
    const again = await ask(server, "POST /api/wal/rotate", WAL_ROTATE_ANSWER);
    assert.equal(again.workers[0].sealed, null);
    await write(server, "m v=2 2");
  });

  test("flush puts every row into Parquet", async (context) => {
    const server = await start(context);
    await write(server, "m v=1 1\nm v=2 2");
    const { workers } = await ask(server, "POST /api/wal/flush", WAL_FLUSH_ANSWER);
    assert.deepEqual(workers, [{ worker_id: 1, flushed_lsn: 1, rows: 2, files: 1 }]);
    const health = await ask(server, "GET /api/wal/health", WAL_HEALTH_ANSWER);
    assert.equal(health.stats_summary.unflushed_records, 0);
  });

  test("verify reads beside the writer, and finds damage", async (context) => {
    const server = await start(context);
    await write(server, "m v=1 1");
    await ask(server, "POST /api/wal/rotate", WAL_ROTATE_ANSWER);
    await write(server, "m v=2 2");
    const sound = await ask(server, "POST /api/wal/verify", WAL_VERIFY_ANSWER);
    assert.equal(sound.valid, true);
    assert.equal(sound.workers[0].records, 2);
    assert.equal(sound.workers[0].segments.length, 2);

    const [segment] = sound.workers[0].segments;
    const bytes = await readFile(segment.path);
    const middle = Math.floor(segment.verified_bytes / 2);
    bytes[middle] = (bytes[middle] ?? 0) ^ 0xff;
    await writeFile(segment.path, bytes);
    const damaged = await ask(server, "POST /api/wal/verify", WAL_VERIFY_ANSWER);
    assert.equal(damaged.valid, false);
    assert.equal(damaged.damage[0].path, segment.path);
    assert.equal(damaged.workers[0].segments[0].valid, false);
    await write(server, "m v=3 3");
  });

  test("cleanup removes archived segments by age and nothing else, a dry run nothing", async (context) => {
    const server = await start(context, { releasedSegments: "archive" });
    await write(server, "m v=1 1");
    await ask(server, "POST /api/wal/rotate", WAL_ROTATE_ANSWER);
    await ask(server, "POST /api/wal/flush", WAL_FLUSH_ANSWER);
    await write(server, "m v=2 2");
    const files = async (): Promise<{
      active: { path: string }[];
      recovered: { path: string }[];
    }> => await ask(server, "GET /api/wal/files", WAL_FILES_ANSWER);
    let seen = await files();
    // The cursor moves behind the flush; the segment gets its name when the cursor is durable.
    while (seen.recovered.length === 0) seen = await files();
    const archived = seen.recovered[0]?.path ?? assert.fail();
    const old = new Date(Date.now() - 25 * 3_600_000);
    for (const { path } of [...seen.active, ...seen.recovered]) await utimes(path, old, old);

    const young = await ask(server, "POST /api/wal/cleanup?max_age_hours=26", WAL_CLEANUP_ANSWER);
    assert.deepEqual([young.deleted_count, young.files.length], [0, 0]);
    const dry = await ask(server, "POST /api/wal/cleanup?dry_run=true", WAL_CLEANUP_ANSWER);
    assert.equal(dry.deleted_count, 0);
    assert.deepEqual([dry.files[0].path, dry.max_age_hours], [archived, 24]);
    assert.equal((await files()).recovered.length, 1);
    const done = await ask(server, "POST /api/wal/cleanup", WAL_CLEANUP_ANSWER);
    assert.equal(done.deleted_count, 1);
    const after = await files();
    assert.deepEqual([after.recovered, after.active.length], [[], seen.active.length]);
  });

  test("cleanup refuses what it does not understand", async (context) => {
    const server = await start(context);
    for (const query of ["max_age_hours=-1", "max_age_hours=x", "dry_run=yes", "dryrun=true"]) {
      const { status, body } = await call(server, "POST", `/api/wal/cleanup?${query}`);
      assert.equal(status, 400, query);
      assert.equal((body as { code: string }).code, "SERVER_INVALID_REQUEST");
    }
  });

  test("need the right admin", async (context) => {
    const server = await start(context);
    const headers = { authorization: `Bearer ${TOKEN}` };
    const made = await fetch(`${server.url}/api/v1/tokens`, {
      method: "POST",
      headers,
      body: JSON.stringify({ name: "reader", rights: ["read"] }),
    });
    const { token } = (await made.json()) as { token: string };
    for (const name of ["cleanup", "rotate", "flush", "verify"]) {
      const path = `${server.url}/api/wal/${name}`;
      const answer = await fetch(path, {
        method: "POST",
        headers: { authorization: `Bearer ${token}` },
      });
      assert.equal(answer.status, 403, name);
      assert.equal((await fetch(path, { headers })).status, 405, name);
    }
  });
});
