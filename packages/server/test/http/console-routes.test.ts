/** The console's files and the overview, from a real server on a loopback port. */
import assert from "node:assert/strict";
import { request } from "node:http";
import { suite, test, type TestContext } from "node:test";
import { pathToFileURL } from "node:url";
import { gunzipSync } from "node:zlib";
import { ByteBudget } from "../../src/byte-budget.ts";
import { readConsoleFiles } from "../../src/http/console-files.ts";
import { chooseEncoding, consoleRoutes } from "../../src/http/console-routes.ts";
import { OVERVIEW_ANSWER } from "../../src/http/overview-schemas.ts";
import { ServerError } from "../../src/errors.ts";
import type { Exchange } from "../../src/http/exchange.ts";
import { overviewRoutes } from "../../src/http/overview-routes.ts";
import { TableCounters } from "../../src/overview/table-counters.ts";
import { resolveServerOptions } from "../../src/resolve-server-options.ts";
import { ServerMetrics } from "../../src/server-metrics.ts";
import { ServerState } from "../../src/server-state.ts";
import { openServer } from "../../src/server.ts";
import type { WalnutServer } from "../../src/walnut-server.ts";
import { SingleWorker } from "../../src/workers/worker-group.ts";
import { temporaryDirectory } from "../temporary-directory.ts";

const TOKEN = "test-token";
const AUTHORIZATION = { authorization: `Bearer ${TOKEN}` };

async function startServer(context: TestContext): Promise<WalnutServer> {
  const dataDirectory = await temporaryDirectory();
  const server = await openServer({ port: 0, token: TOKEN, dataDirectory });
  context.after(() => server.close());
  await server.ready;
  return server;
}

interface RawAnswer {
  readonly status: number;
  readonly headers: NodeJS.Dict<string | string[]>;
  readonly body: Buffer;
}

/** Unlike fetch: decompresses nothing and adds no headers. */
function get(
  url: string,
  headers: Record<string, string> = {},
  method = "GET",
): Promise<RawAnswer> {
  return new Promise((resolve, reject) => {
    const sent = request(url, { headers, method }, (response) => {
      const chunks: Buffer[] = [];
      response.on("data", (chunk: Buffer) => chunks.push(chunk));
      response.on("end", () => {
        const { statusCode = 0, headers: received } = response;
        resolve({ status: statusCode, headers: received, body: Buffer.concat(chunks) });
      });
    });
    sent.on("error", reject);
    sent.end();
  });
}

suite("console files", () => {
  test("the page needs no token, may run nothing but its own script, and is asked for anew", async (context) => {
    const server = await startServer(context);
    const { status, headers, body } = await get(`${server.url}/`);
    assert.equal(status, 200);
    assert.equal(headers["content-type"], "text/html; charset=utf-8");
    assert.equal(headers["cache-control"], "no-cache");
    assert.equal(headers["x-content-type-options"], "nosniff");
    const policy = String(headers["content-security-policy"]);
    assert.match(policy, /default-src 'none'/);
    assert.doesNotMatch(policy, /unsafe|https?:|\*/);
    assert.match(body.toString(), /<div id="root">/);
    assert.doesNotMatch(body.toString(), new RegExp(TOKEN));
  });

  test("files carry a hash in their name and are kept for ever, compressed for who takes it", async (context) => {
    const server = await startServer(context);
    for (const file of readConsoleFiles().filter(({ isImmutable }) => isImmutable)) {
      const url = server.url + file.path;
      const plain = await get(url);
      assert.match(String(plain.headers["cache-control"]), /immutable/);
      assert.equal(plain.headers["content-encoding"], undefined);
      assert.equal(plain.headers["vary"], "Accept-Encoding");
      const packed = await get(url, { "accept-encoding": "gzip" });
      assert.equal(packed.headers["content-encoding"], "gzip");
      assert.deepEqual(gunzipSync(packed.body), plain.body);
      const best = await get(url, { "accept-encoding": "gzip, deflate, br" });
      assert.equal(best.headers["content-encoding"], "br");
      const tags = [plain, packed, best].map(({ headers }) => headers["etag"]);
      assert.equal(new Set(tags).size, 3);
    }
  });

  test("what the browser has is not sent again, and HEAD has no body", async (context) => {
    const server = await startServer(context);
    const { headers } = await get(`${server.url}/`);
    const tag = String(headers["etag"]);
    const again = await get(`${server.url}/`, { "if-none-match": `"other", W/${tag}` });
    assert.deepEqual([again.status, again.body.byteLength], [304, 0]);
    assert.equal((await get(`${server.url}/`, { "if-none-match": '"other"' })).status, 200);
    const head = await get(`${server.url}/`, {}, "HEAD");
    assert.deepEqual([head.status, head.body.byteLength], [200, 0]);
  });

  test("without a built console there is a route that says how to build it", () => {
    const missing = readConsoleFiles(pathToFileURL("/nowhere/"));
    assert.deepEqual(missing, []);
    const [route] = consoleRoutes(missing);
    assert.equal(route?.path, "/");
    assert.throws(() => void route.handle(undefined as never), { code: "SERVER_NOT_FOUND" });
  });

  test("the smallest form that a client takes is chosen", () => {
    const cases = [
      [undefined, "identity"],
      ["", "identity"],
      ["gzip;q=1.0, br;q=0", "gzip"],
      ["GZIP , Br", "br"],
      ["deflate, *", "identity"],
    ] as const;
    for (const [accepted, expected] of cases) assert.equal(chooseEncoding(accepted), expected);
  });
});

suite("/api/v1/overview", () => {
  test("needs a token", async (context) => {
    const server = await startServer(context);
    assert.equal((await get(`${server.url}/api/v1/overview`)).status, 401);
  });

  test("tells what came in, where the log is, and what is stored", async (context) => {
    const server = await startServer(context);
    const body = "cpu v=1 1\ncpu v=2 2\nmem v=3 3\n";
    const init = { method: "POST", headers: AUTHORIZATION };
    await fetch(`${server.url}/write?db=demo`, { ...init, body });
    await fetch(`${server.url}/write?db=demo`, { ...init, body: "cpu v=" });
    const answer = await get(`${server.url}/api/v1/overview`, AUTHORIZATION);
    assert.equal(answer.status, 200);
    assert.equal(answer.headers["cache-control"], "no-store");
    const overview = JSON.parse(answer.body.toString());
    OVERVIEW_ANSWER.parse(overview);
    assert.deepEqual([overview.status, overview.durability], ["ready", "fdatasync"]);
    const names = overview.tables.map((table: { measurement: string; rows: number }) => [
      table.measurement,
      table.rows,
    ]);
    assert.deepEqual(names, [
      ["cpu", 2],
      ["mem", 1],
    ]);
    const [worker] = overview.workers;
    assert.equal(overview.workers.length, 1);
    assert.equal(worker.processId, process.pid);
    assert.deepEqual(
      [worker.requests.writes, worker.requests.rows, worker.requests.bytes],
      [1, 3, Buffer.byteLength(body)],
    );
    assert.deepEqual(worker.requests.errors, { SERVER_INVALID_LINE: 1 });
    assert.equal(worker.logs[0].positions.durableLsn, 1);
    assert.deepEqual(
      worker.logs[0].cursors.map(({ name }: { name: string }) => name),
      ["parquet"],
    );
    assert.ok(worker.logs[0].freeBytes > 0);
    assert.ok(worker.logs[0].syncMs.count >= 1);
    assert.equal(worker.store.tables, 2);
    assert.equal(worker.recovery.tornTailBytes, 0);
    assert.deepEqual(worker.findings, []);
    // Files stay local, and no agent is configured.
    assert.deepEqual([worker.store.uploads, overview.forwarder], [null, null]);
  });

  test("lists as many tables as are asked for, and sums the others", async (context) => {
    const server = await startServer(context);
    await fetch(`${server.url}/write?db=demo`, {
      method: "POST",
      headers: AUTHORIZATION,
      body: "a v=1\nb v=1\nc v=1",
    });
    const answer = await get(`${server.url}/api/v1/overview?tables=1`, AUTHORIZATION);
    const { tables, others } = JSON.parse(answer.body.toString());
    assert.deepEqual([tables.length, others.tables, others.rows], [1, 2, 2]);
    for (const wrong of ["x", "-1", "1001", "1.5"]) {
      const path = `/api/v1/overview?tables=${wrong}`;
      assert.equal((await get(server.url + path, AUTHORIZATION)).status, 400, wrong);
    }
    const refused = await get(`${server.url}/api/v1/overview?tables=x`, AUTHORIZATION);
    assert.deepEqual(
      [refused.status, refused.headers["x-walnut-error"]],
      [400, "SERVER_INVALID_REQUEST"],
    );
  });

  test("answers while the log is recovered, and names workers that do not answer", async () => {
    const state = new ServerState({ startedAtMs: 1_000, monotonicMs: () => 0 });
    state.advance({
      phase: "replay",
      segmentsDone: 3,
      segmentsTotal: 4,
      bytesDone: 9_000,
      bytesTotal: 10_000,
      records: 20,
      rows: 500,
    });
    const group = new SingleWorker();
    const silent = {
      worker: 2,
      kind: "failed",
      error: new ServerError("SERVER_NOT_READY", "no answer"),
    } as const;
    const [route] = overviewRoutes({
      group: {
        worker: 1,
        workers: 2,
        answer: (question, give) => group.answer(question, give),
        askAll: async (question, input) => [...(await group.askAll(question, input)), silent],
      },
      options: resolveServerOptions({}),
      state,
      storage: () => undefined,
      budget: new ByteBudget(1),
      activeRequests: () => 1,
      requestCounts: () => new ServerMetrics().requestCounts(),
      tableCounters: new TableCounters(() => 0),
      forwarder: undefined,
      nowMs: () => 2_000,
    });
    let text = "";
    await route?.handle({
      parameters: new URLSearchParams(),
      json: (_: number, body: string) => (text = body),
    } as unknown as Exchange);
    const overview = JSON.parse(text);
    OVERVIEW_ANSWER.parse(overview);
    const [worker] = overview.workers;
    assert.deepEqual([worker.phase, worker.progress.bytesDone], ["recovering", 9_000]);
    assert.deepEqual([worker.logs, worker.store], [[], null]);
    assert.deepEqual(overview.silent, [{ worker: 2, reason: "no answer" }]);
  });
});
