/** Several workers as they are run: one port, processes that die, a number of workers that changes. */
import assert from "node:assert/strict";
import { rename, rm, stat, writeFile } from "node:fs/promises";
import { createServer, type AddressInfo } from "node:net";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { suite, test, type TestContext } from "node:test";
import { temporaryDirectory } from "../temporary-directory.ts";
import { queryRows, ServerProcess } from "./server-process.ts";

const TOKEN = "workers-test-token";
const UNFLUSHED = ["--flush-age-ms=3600000"];

function start(
  context: TestContext,
  options: { readonly dataDirectory: string; readonly workers: number; readonly flags?: string[] },
): ServerProcess {
  const server = ServerProcess.start({
    dataDirectory: options.dataDirectory,
    variables: { WALNUT_TOKEN: TOKEN },
    flags: ["--workers", String(options.workers), ...(options.flags ?? UNFLUSHED)],
  });
  context.after(() => server.kill("SIGKILL"));
  return server;
}

/** One request on a connection of its own, so that workers take turns. */
async function write(url: string, body: string): Promise<Response> {
  return await fetch(`${url}/write?db=d&p=${TOKEN}`, {
    method: "POST",
    body,
    headers: { connection: "close" },
  });
}

/** Writes rows with these ids, one request each; every answer must be 204. */
async function writeIds(url: string, from: number, to: number): Promise<void> {
  for (let id = from; id < to; id++) {
    const answer = await write(url, `m,part=p${id % 3} id=${id}i ${id + 1}`);
    assert.equal(answer.status, 204, await answer.text());
  }
}

const COUNTS = "SELECT count(*), count(DISTINCT id) FROM d.m";

/** Processes of the workers, from the banner. */
function workerIds(server: ServerProcess): readonly number[] {
  const match = /workers ([\d, ]+)/.exec(server.stdout);
  return (match?.[1] ?? "").split(", ").map(Number);
}

suite("several workers", () => {
  test("share the port, the tables and the types of columns; each query sees every row", async (context) => {
    const dataDirectory = await temporaryDirectory();
    const server = start(context, { dataDirectory, workers: 3 });
    const url = await server.readyUrl();
    for (let id = 0; id < 30; id += 3) {
      await writeIds(url, id, id + 3);
      assert.deepEqual(await queryRows(url, TOKEN, COUNTS), [[id + 3, id + 3]]);
    }
    for (const worker of [1, 2, 3]) {
      const { size } = await stat(join(dataDirectory, `wal/worker-${worker}/000000000001.wal`));
      assert.ok(size > 0);
    }
    await assert.rejects(fetch(`${url}/internal/snapshot`, { method: "POST" }).then(assertOk));
    await assertTypesAgree(url);
    const metrics = await (await fetch(`${url}/metrics`)).text();
    for (const worker of [1, 2, 3]) {
      assert.match(metrics, new RegExp(`^walnut_wal_records_total{worker="${worker}"} [1-9]`, "m"));
    }
    assert.match(metrics, /^walnut_workers_unavailable 0$/m);
    // One table for all of them.
    for (let key = 0; key < 4; key++) {
      const headers = { authorization: `Bearer ${TOKEN}`, "idempotency-key": `key-${key}` };
      const body = `keyed id=${key}i 1`;
      const answer = await fetch(`${url}/write?db=d`, { method: "POST", headers, body });
      assert.equal(answer.status, 204);
    }
    const after = await (await fetch(`${url}/metrics`)).text();
    assert.match(after, /^walnut_idempotency_keys 4$/m);
    assert.match(after, /^walnut_idempotency_evicted_total 0$/m);
    const ready = (await (await fetch(`${url}/ready`)).json()) as { workers: { phase: string }[] };
    assert.deepEqual(
      ready.workers.map(({ phase }) => phase),
      ["ready", "ready", "ready"],
    );
    server.kill("SIGTERM");
    assert.deepEqual(await server.ended, { code: 0, signal: null }, server.stderr);
  });

  test("a worker that is killed is started again; meanwhile others take writes and queries wait", async (context) => {
    // A query waits for the worker, which takes its time on a slow machine.
    const flags = [...UNFLUSHED, "--query-timeout-ms=150000"];
    const dataDirectory = await temporaryDirectory();
    const server = start(context, { dataDirectory, workers: 2, flags });
    const url = await server.readyUrl();
    await writeIds(url, 0, 10);
    const [victim = 0] = workerIds(server);
    process.kill(victim, "SIGKILL");
    let isCounted = false;
    let next = 10;
    const counting = countWhenAnswered(url).finally(() => (isCounted = true));
    while (!isCounted) {
      // A connection that was on its way to the worker that died is cut.
      const answer = await write(url, `m,part=p0 id=${next}i ${next + 1}`).catch(() => undefined);
      if (answer?.status === 204) next++;
    }
    const [[rows = 0, distinct = 0] = []] = (await counting) as number[][];
    assert.equal(rows, distinct);
    assert.ok(rows >= 10, "the rows of the worker that died are there");
    assert.deepEqual(await queryRows(url, TOKEN, COUNTS), [[next, next]]);
    server.kill("SIGTERM");
    assert.deepEqual(await server.ended, { code: 0, signal: null }, server.stderr);
    assert.match(server.stderr, /started again/);
    assert.match(server.stderr, /worker 1 is ready again/);
  });

  test("what is wrong with one of them is told by whichever is asked", async (context) => {
    const dataDirectory = await temporaryDirectory();
    const flags = ["--segment-size-bytes=1048576", "--flush-age-ms=3600000"];
    const server = start(context, { dataDirectory, workers: 2, flags });
    const url = await server.readyUrl();
    const wrote = /^walnut_wal_records_total{worker="2"} [1-9]/m;
    for (let id = 0; ; id += 4) {
      await writeIds(url, id, id + 4);
      if (wrote.test(await (await fetch(`${url}/metrics`)).text())) break;
    }
    // The next segment of worker 2 has no directory to be in.
    const log = join(dataDirectory, "wal/worker-2");
    await rename(log, `${log}-away`);
    await fetch(`${url}/api/wal/rotate?p=${TOKEN}`, { method: "POST" });
    for (let ask = 0; ask < 4; ask++) {
      const health = (await (await fetch(`${url}/health`)).json()) as Record<string, unknown>;
      assert.equal(health["degraded"], true);
      assert.match(String(health["concern"]), /^worker 2: the log refuses writes/);
    }
    server.kill("SIGKILL");
    await server.ended;
  });

  test("changing their number loses nothing and doubles nothing, with rows in every log", async (context) => {
    const dataDirectory = await temporaryDirectory();
    let rows = 0;
    for (const workers of [3, 1, 2]) {
      const server = start(context, { dataDirectory, workers });
      const url = await server.readyUrl();
      assert.deepEqual(
        rows === 0 ? [] : await queryRows(url, TOKEN, COUNTS),
        rows === 0 ? [] : [[rows, rows]],
      );
      await writeIds(url, rows, rows + 12);
      rows += 12;
      assert.deepEqual(await queryRows(url, TOKEN, COUNTS), [[rows, rows]]);
      const conflict = await write(url, "m id=1.5 1");
      assert.equal(conflict.status, 400, "a column has its type in every shard");
      // Cleanly and by force in turn: rows are in Parquet or in the logs.
      server.kill(workers === 1 ? "SIGTERM" : "SIGKILL");
      await server.ended;
    }
  });

  test("the primary killed: its workers end by themselves, and what was answered is there", async (context) => {
    const dataDirectory = await temporaryDirectory();
    const first = start(context, { dataDirectory, workers: 2 });
    const url = await first.readyUrl();
    await writeIds(url, 0, 20);
    const workers = workerIds(first);
    first.kill("SIGKILL");
    // At once: the new workers wait for the logs of the old ones.
    const second = start(context, { dataDirectory, workers: 2 });
    assert.deepEqual(await queryRows(await second.readyUrl(), TOKEN, COUNTS), [[20, 20]]);
    await first.ended; // Its workers hold the same outputs: they have ended, too.
    // Whoever inherits them may not have noticed yet.
    while (workers.some(isRunning)) await delay(10);
    for (const worker of [1, 2]) {
      const line = new RegExp(`worker ${worker} has lost its primary and stops; every row`, "g");
      assert.equal(first.stderr.match(line)?.length, 1, first.stderr);
    }
  });

  test("a worker that cannot be started again and again ends the server, and says why", async (context) => {
    const dataDirectory = await temporaryDirectory();
    const server = start(context, { dataDirectory, workers: 2 });
    const url = await server.readyUrl();
    await writeIds(url, 0, 4);
    const log = join(dataDirectory, "wal/worker-2");
    await rename(log, `${log}-away`);
    await writeFile(log, "not a directory");
    process.kill(workerIds(server)[1] ?? 0, "SIGKILL");
    const query = fetch(`${url}/api/v1/query?p=${TOKEN}`, {
      method: "POST",
      body: JSON.stringify({ sql: COUNTS }),
    }).catch(() => undefined);
    const end = await server.ended;
    assert.equal(end.code, 1);
    assert.ok(server.stderr.includes("SERVER_WORKER_FAILED"), server.stderr);
    assert.notEqual((await query)?.status, 200);

    await rm(log);
    await rename(`${log}-away`, log);
    const again = start(context, { dataDirectory, workers: 2 });
    assert.deepEqual(await queryRows(await again.readyUrl(), TOKEN, COUNTS), [[4, 4]]);
  });

  test("a worker that cannot start ends the start, with the reason and the code for it", async (context) => {
    const dataDirectory = await temporaryDirectory();
    const other = createServer();
    await new Promise<void>((resolve) => other.listen(0, "127.0.0.1", resolve));
    context.after(() => other.close());
    const { port } = other.address() as AddressInfo;
    const taken = start(context, {
      dataDirectory,
      workers: 2,
      flags: ["--port", String(port)],
    });
    assert.equal((await taken.ended).code, 1);
    assert.match(taken.stderr, /SERVER_LISTEN_FAILED/);
  });
});

/** Of concurrent batches that introduce one column with different types, those of one type are taken. */
async function assertTypesAgree(url: string): Promise<void> {
  for (let round = 0; round < 15; round++) {
    const table = `race${round}`;
    const bodies = ["x", "1i", "true", "x", "1i", "true"].map((value, index) =>
      value === "x" ? `${table} v="x" ${index}` : `${table} v=${value} ${index}`,
    );
    const answers = await Promise.all(bodies.map((body) => write(url, body)));
    const accepted = answers.map(({ status }, index) => (status === 204 ? index % 3 : -1));
    const kinds = new Set(accepted.filter((kind) => kind !== -1));
    assert.equal(kinds.size, 1, `accepted ${accepted.join(" ")}`);
    for (const answer of answers) {
      if (answer.status === 204) continue;
      assert.equal(((await answer.json()) as { code: string }).code, "SERVER_TYPE_CONFLICT");
    }
    const [[count] = []] = await queryRows(url, TOKEN, `SELECT count(*) FROM d.${table}`);
    assert.equal(count, 2);
  }
}

/** The count, asked for again while connections are cut or a worker is missing. */
async function countWhenAnswered(url: string): Promise<readonly (readonly unknown[])[]> {
  for (;;) {
    try {
      return await queryRows(url, TOKEN, COUNTS);
    } catch (error) {
      if (!(error instanceof TypeError)) throw error; // What fetch throws for a connection that was cut.
    }
  }
}

function assertOk(answer: Response): void {
  if (!answer.ok) throw new Error(String(answer.status));
}

function isRunning(processId: number): boolean {
  try {
    process.kill(processId, 0);
    return true;
  } catch {
    return false;
  }
}
