/** Exactly once as a client sees it: keys and producers on every write route of a real server, over restarts. */
import assert from "node:assert/strict";
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { suite, test, type TestContext } from "node:test";
import { gzipSync } from "node:zlib";
import { pack } from "msgpackr";
import { compressSync } from "snappy";
import { openServer } from "../../src/server.ts";
import type { WalnutServer } from "../../src/walnut-server.ts";
import type { ServerOptions } from "../../src/server-options.ts";
import { series, writeRequest } from "../ingest/remote-write-writer.ts";
import { queryRows } from "../process/server-process.ts";
import { temporaryDirectory } from "../temporary-directory.ts";

const TOKEN = "exactly-once-token";

async function start(context: TestContext, options: ServerOptions = {}): Promise<WalnutServer> {
  const dataDirectory = options.dataDirectory ?? (await temporaryDirectory());
  const server = await openServer({ port: 0, token: TOKEN, ...options, dataDirectory });
  context.after(() => server.close());
  await server.ready;
  return server;
}

interface Answer {
  readonly status: number;
  readonly code: string | null;
  readonly isReplayed: boolean;
}

async function write(
  server: WalnutServer,
  path: string,
  body: string | Uint8Array,
  headers: Readonly<Record<string, string>>,
): Promise<Answer> {
  const response = await fetch(server.url + path, {
    method: "POST",
    body: typeof body === "string" ? body : new Uint8Array(body),
    headers: { authorization: `Bearer ${TOKEN}`, ...headers },
  });
  await response.arrayBuffer();
  return {
    status: response.status,
    code: response.headers.get("x-walnut-error"),
    isReplayed: response.headers.get("x-walnut-replayed") === "true",
  };
}

const STORED: Answer = { status: 204, code: null, isReplayed: false };
const REPLAYED: Answer = { status: 204, code: null, isReplayed: true };

function refused(status: number, code: string): Answer {
  return { status, code, isReplayed: false };
}

async function counted(server: WalnutServer, table: string): Promise<unknown> {
  return (await queryRows(server.url, TOKEN, `SELECT count(*) FROM ${table}`))[0]?.[0];
}

async function firstLsn(server: WalnutServer): Promise<number> {
  const headers = { authorization: `Bearer ${TOKEN}` };
  const response = await fetch(`${server.url}/api/v1/wal/status`, { headers });
  const { workers } = (await response.json()) as {
    workers: readonly { readonly positions: { readonly firstLsn: number } }[];
  };
  return workers[0]?.positions.firstLsn ?? assert.fail("no worker");
}

function producer(epoch: number, seq: number): Readonly<Record<string, string>> {
  return { "x-walnut-producer": "p", "x-walnut-epoch": `${epoch}`, "x-walnut-seq": `${seq}` };
}

suite("Idempotency-Key", () => {
  test("stores a request once on every write route, and answers the retry like the first time", async (context) => {
    const server = await start(context);
    const remote = compressSync(writeRequest([series({ __name__: "m" }, [1, 1])]));
    const collectd = JSON.stringify([
      {
        values: [1],
        dsnames: ["value"],
        dstypes: ["gauge"],
        time: 1,
        host: "h",
        plugin: "m",
        plugin_instance: "",
        type: "t",
        type_instance: "",
      },
    ]);
    const routes = [
      ["/write?db=a", "m v=1 1", {}, "a.m"],
      ["/api/v2/write?bucket=b", "m v=1 1", {}, "b.m"],
      ["/api/v1/write/line-protocol", "m v=1 1", { "x-walnut-database": "c" }, "c.m"],
      [
        "/api/v1/write/msgpack",
        pack({ m: "m", fields: { v: 1 } }),
        { "x-walnut-database": "d" },
        "d.m",
      ],
      ["/api/v1/write?db=e", remote, { "content-encoding": "snappy" }, "e.m"],
      ["/api/v1/collectd?db=f", collectd, {}, "f.m"],
    ] as const;
    for (const [path, body, headers, table] of routes) {
      const keyed = { ...headers, "idempotency-key": `key-of-${table}` };
      assert.deepEqual(await write(server, path, body, keyed), STORED, path);
      assert.deepEqual(await write(server, path, body, keyed), REPLAYED, path);
      assert.equal(await counted(server, table), 1, path);
    }
    const metrics = await (await fetch(`${server.url}/metrics`)).text();
    assert.match(metrics, /^walnut_write_replays_total 6$/m);
    assert.match(metrics, /^walnut_idempotency_keys 6$/m);
    assert.match(metrics, /^walnut_write_rows_total\{protocol="line_protocol"\} 3$/m);
  });

  test("a retry may be compressed differently; another body, target or precision is refused", async (context) => {
    const server = await start(context);
    const key = { "idempotency-key": "k" };
    assert.deepEqual(await write(server, "/write?db=a&precision=s", "m v=1 1", key), STORED);
    const packed = gzipSync("m v=1 1");
    assert.deepEqual(await write(server, "/write?db=a&precision=s", packed, key), REPLAYED);
    const others = [
      ["/write?db=a&precision=s", "m v=2 1"],
      ["/write?db=b&precision=s", "m v=1 1"],
      ["/write?db=a&precision=ms", "m v=1 1"],
    ] as const;
    for (const [path, body] of others) {
      assert.deepEqual(await write(server, path, body, key), refused(422, "SERVER_KEY_REUSED"));
    }
    assert.equal(await counted(server, "a.m"), 1);
  });

  test("a request that failed is tried anew under its key", async (context) => {
    const server = await start(context);
    const key = { "idempotency-key": "k" };
    await write(server, "/write?db=a", "m v=1i 1", {});
    const conflict = refused(400, "SERVER_TYPE_CONFLICT");
    assert.deepEqual(await write(server, "/write?db=a", 'm v="text" 2', key), conflict);
    assert.deepEqual(await write(server, "/write?db=a", 'm v="text" 2', key), conflict);
    assert.deepEqual(await write(server, "/write?db=a", "m v=2i 2", key), STORED);
    assert.equal(await counted(server, "a.m"), 2);
  });

  test("many retries at once store one row, and all of them succeed", async (context) => {
    const server = await start(context);
    const key = { "idempotency-key": "k" };
    const answers = await Promise.all(
      Array.from({ length: 20 }, () => write(server, "/write?db=a", "m v=1", key)),
    );
    assert.equal(answers.filter((answer) => answer.status === 204).length, 20);
    assert.equal(answers.filter((answer) => !answer.isReplayed).length, 1);
    assert.equal(await counted(server, "a.m"), 1);
  });

  test("a bad key is refused, and requests without rows need none", async (context) => {
    const server = await start(context);
    const bad = await write(server, "/write?db=a", "m v=1", { "idempotency-key": "two words" });
    assert.deepEqual(bad, refused(400, "SERVER_INVALID_REQUEST"));
    for (let round = 0; round < 2; round++) {
      assert.deepEqual(
        await write(server, "/write?db=a", "# nothing", { "idempotency-key": "k" }),
        STORED,
      );
    }
  });

  test("is forgotten when the window is over", async (context) => {
    const server = await start(context, { idempotencyWindowMs: 1_000 });
    const key = { "idempotency-key": "k" };
    // Before the write: how long its answer takes is part of the window.
    const startedMs = performance.now();
    assert.deepEqual(await write(server, "/write?db=a", "m v=1", key), STORED);
    let answer = REPLAYED;
    while (answer.isReplayed && performance.now() - startedMs < 30_000) {
      await new Promise((resolve) => setTimeout(resolve, 50));
      answer = await write(server, "/write?db=a", "m v=1", key);
    }
    assert.deepEqual(answer, STORED);
    assert.ok(performance.now() - startedMs > 900);
  });

  test("beyond the limit the oldest keys go, and are counted", async (context) => {
    const server = await start(context, { idempotencyMaxKeys: 2 });
    for (const key of ["a", "b", "c"]) {
      await write(server, "/write?db=a", `m,k=${key} v=1`, { "idempotency-key": key });
    }
    assert.deepEqual(
      await write(server, "/write?db=a", "m,k=c v=1", { "idempotency-key": "c" }),
      REPLAYED,
    );
    assert.deepEqual(
      await write(server, "/write?db=a", "m,k=a v=1", { "idempotency-key": "a" }),
      STORED,
    );
    const metrics = await (await fetch(`${server.url}/metrics`)).text();
    assert.match(metrics, /^walnut_idempotency_evicted_total 2$/m);
  });
});

suite("producers", () => {
  test("seq advances, may leave gaps, is repeated once only; an old epoch is fenced", async (context) => {
    const server = await start(context);
    const steps = [
      [1, 5, "m v=1 1", STORED],
      [1, 5, "m v=1 1", REPLAYED],
      [1, 5, "m v=2 1", refused(422, "SERVER_KEY_REUSED")],
      [1, 9, "m v=1 2", STORED],
      [1, 5, "m v=1 1", refused(409, "SERVER_SEQUENCE_PASSED")],
      [2, 0, "m v=1 3", STORED],
      [1, 10, "m v=1 4", refused(409, "SERVER_PRODUCER_FENCED")],
      [2, 0, "m v=1 3", REPLAYED],
      [2, 1, "m v=1 4", STORED],
    ] as const;
    for (const [epoch, seq, body, answer] of steps) {
      const found = await write(server, "/write?db=a", body, producer(epoch, seq));
      assert.deepEqual(found, answer, `${epoch}/${seq}`);
    }
    assert.equal(await counted(server, "a.m"), 4);
  });
});

suite("exactly once over restarts", () => {
  for (const durability of ["fdatasync", "async"] as const) {
    test(`level ${durability}: a retry is answered like the first time, also when the log released its record`, async (context) => {
      const dataDirectory = await temporaryDirectory();
      const settings = { dataDirectory, durability, segmentSizeBytes: 65_536 };
      const text = "x".repeat(3_000);
      const body = (id: number): string => `m id=${id}i,text="${text}" ${id}`;
      const send = (server: WalnutServer, id: number): Promise<Answer> =>
        write(server, "/write?db=a", body(id), { "idempotency-key": `${id}` });
      for (let round = 0; round < 3; round++) {
        const server = await start(context, { ...settings, flushRows: 7, flushAgeMs: 20 });
        for (let id = 0; id < round * 50; id++) assert.deepEqual(await send(server, id), REPLAYED);
        for (let id = round * 50; id < round * 50 + 50; id++) {
          assert.deepEqual(await send(server, id), STORED);
          assert.deepEqual(await send(server, id), REPLAYED);
        }
        await write(server, "/write?db=a", "p v=1", producer(1, round + 1));
        await server.close();
      }
      assert.ok((await readdir(join(dataDirectory, "keys", "worker-1"))).length > 0);
      const last = await start(context, settings);
      assert.ok((await firstLsn(last)) > 50, "records of keys have been released");
      assert.equal(await counted(last, "a.m"), 150);
      assert.deepEqual(
        await write(last, "/write?db=a", "p v=1", producer(1, 2)),
        refused(409, "SERVER_SEQUENCE_PASSED"),
      );
      assert.deepEqual(await write(last, "/write?db=a", "p v=1", producer(1, 3)), REPLAYED);
    });
  }

  test("without keys there is no trace of them", async (context) => {
    const dataDirectory = await temporaryDirectory();
    const server = await start(context, { dataDirectory, flushRows: 1 });
    await write(server, "/write?db=a", "m v=1", {});
    await server.close();
    assert.ok(!(await readdir(dataDirectory)).includes("keys"));
  });
});
