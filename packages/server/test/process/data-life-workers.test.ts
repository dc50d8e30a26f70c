/** Compaction, DELETE, retention and export over the shards of several real processes, adopted shards included. */
import assert from "node:assert/strict";
import { suite, test, type TestContext } from "node:test";
import { temporaryDirectory } from "../temporary-directory.ts";
import { queryRows, ServerProcess } from "./server-process.ts";

const TOKEN = "data-life-test-token";
const FLAGS = ["--flush-rows=10", "--flush-age-ms=50", "--compaction-interval-ms=3600000"];
const HOUR_NS = 3_600_000_000_000n;

async function start(
  context: TestContext,
  dataDirectory: string,
  workers: number,
): Promise<{ server: ServerProcess; url: string }> {
  const server = ServerProcess.start({
    dataDirectory,
    variables: { WALNUT_TOKEN: TOKEN },
    flags: ["--workers", String(workers), "--compaction-min-files=2", ...FLAGS],
  });
  context.after(() => server.kill("SIGKILL"));
  return { server, url: await server.readyUrl() };
}

/** A request on a connection of its own, so that workers take turns. */
async function send(url: string, method: string, path: string, body?: string): Promise<string> {
  const headers = { authorization: `Bearer ${TOKEN}`, connection: "close" };
  const init = body === undefined ? { method, headers } : { method, headers, body };
  const response = await fetch(url + path, init);
  const text = await response.text();
  assert.ok(response.ok, `${method} ${path}: ${text}`);
  return text;
}

/** Writes rows with these ids, a minute apart, one request each. */
async function writeIds(url: string, from: number, to: number): Promise<void> {
  for (let id = from; id < to; id++) {
    const timeNs = BigInt(id) * (HOUR_NS / 60n);
    await send(url, "POST", "/api/v2/write?bucket=d", `m,part=p${id % 3} id=${id}i ${timeNs}`);
  }
}

function idsOf(lines: string): readonly number[] {
  return [...lines.matchAll(/ id=(\d+)i /g)].map(([, id]) => Number(id)).toSorted((a, b) => a - b);
}

function range(from: number, to: number): readonly number[] {
  return Array.from({ length: to - from }, (_, index) => from + index);
}

const EXPORT = "/api/v1/export?db=d&measurement=m";
const COUNT = "SELECT count(*), count(DISTINCT id) FROM d.m";

suite("data life of several workers", () => {
  test("merges, deletes, expires and exports rows of all shards, also of those that were adopted", async (context) => {
    const dataDirectory = await temporaryDirectory();
    const three = await start(context, dataDirectory, 3);
    await writeIds(three.url, 0, 60);
    three.server.kill("SIGTERM");
    await three.server.ended;

    const { server, url } = await start(context, dataDirectory, 2);
    await writeIds(url, 60, 180);
    for (const _ of range(0, 4)) {
      assert.deepEqual(idsOf(await send(url, "GET", EXPORT)), range(0, 180), "from any worker");
    }
    const jsonl = await send(url, "GET", `${EXPORT}&format=jsonl&start=0&stop=${HOUR_NS}`);
    assert.equal(jsonl.trim().split("\n").length, 60);
    const parquet = await fetch(`${url}${EXPORT}&format=parquet`, {
      headers: { authorization: `Bearer ${TOKEN}` },
    });
    assert.equal((await parquet.text()).slice(0, 4), "PAR1");

    const merged = JSON.parse(await send(url, "POST", "/api/v1/compaction")) as {
      workers: { shards: { compactions: number }[] }[];
    };
    const shards = merged.workers.map((worker) => worker.shards);
    assert.deepEqual(new Set(shards.map((each) => each.length)), new Set([1, 2]));
    for (const { compactions } of shards.flat()) assert.ok(compactions > 0);
    assert.deepEqual(await queryRows(url, TOKEN, COUNT), [[180, 180]]);

    const stop = (HOUR_NS * 3n) / 2n;
    const deleted = JSON.parse(
      await send(url, "DELETE", `/api/v1/databases/d/measurements/m?start=${HOUR_NS}&stop=${stop}`),
    ) as { deleted_rows: number };
    assert.equal(deleted.deleted_rows, 30);
    const left = [...range(0, 60), ...range(90, 180)];
    assert.deepEqual(idsOf(await send(url, "GET", EXPORT)), left);

    const rules = JSON.stringify({ rules: [{ database: "d", keep_days: 1 }] });
    await send(url, "PUT", "/api/v1/retention", rules);
    const dry = await send(url, "POST", "/api/v1/retention/run?dry_run=true");
    assert.equal((JSON.parse(dry) as { workers: object[] }).workers.length, 2);
    assert.deepEqual(idsOf(await send(url, "GET", EXPORT)), left);
    await send(url, "POST", "/api/v1/retention/run");
    assert.deepEqual(await queryRows(url, TOKEN, COUNT), [[0, 0]]);
    const metrics = await send(url, "GET", "/metrics");
    const rows = [...metrics.matchAll(/^walnut_retention_rows_total\{worker="\d"\} (\d+)$/gm)];
    assert.equal(
      rows.reduce((sum, [, count]) => sum + Number(count), 0),
      150,
    );

    server.kill("SIGTERM");
    assert.deepEqual(await server.ended, { code: 0, signal: null }, server.stderr);
    const again = await start(context, dataDirectory, 1);
    assert.deepEqual(await queryRows(again.url, TOKEN, COUNT), [[0, 0]]);
  });

  test("an export whose worker is killed in the middle is cut, and asked again it is complete", async (context) => {
    const dataDirectory = await temporaryDirectory();
    const { server, url } = await start(context, dataDirectory, 2);
    const rows = 60_000;
    const text = "x".repeat(400);
    for (let from = 0; from < rows; from += 5_000) {
      const lines = range(from, from + 5_000).map((id) => `m id=${id}i,t="${text}" ${id}`);
      await send(url, "POST", "/api/v2/write?bucket=d", lines.join("\n"));
    }
    // Kept alive: of an answer that says "close", fetch takes a part for the whole.
    const headers = { authorization: `Bearer ${TOKEN}` };
    const response = await fetch(url + EXPORT, { headers });
    const reader = response.body?.getReader();
    assert.ok(reader !== undefined);
    // Far from the end: the rest waits until somebody reads it.
    await reader.read();
    const workers = /workers ([\d, ]+)/.exec(server.stdout)?.[1]?.split(", ").map(Number) ?? [];
    assert.equal(workers.length, 2);
    for (const worker of workers) process.kill(worker, "SIGKILL");
    await assert.rejects(async () => {
      while (!(await reader.read()).done);
    });
    let complete: Response;
    do
      complete = await fetch(url + EXPORT, { headers }).catch(
        () => new Response("", { status: 503 }),
      );
    while (complete.status === 503);
    const lines = await complete.text();
    assert.equal(complete.headers.get("x-walnut-rows"), String(rows));
    assert.equal(lines.split("\n").length - 1, rows);
    server.kill("SIGTERM");
    assert.deepEqual(await server.ended, { code: 0, signal: null }, server.stderr);
  });
});
