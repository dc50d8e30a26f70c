/** The agent over HTTP: what producers send is spooled when answered, and what is wrong is told. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { connect, type Socket } from "node:net";
import { suite, test, type TestContext } from "node:test";
import { gzipSync } from "node:zlib";
import {
  isSpoolError,
  openForwardAgent,
  type ForwardAgent,
  type ForwardAgentOptions,
} from "@walnut/spool";
import { PlainUpstream, until } from "../forward/plain-upstream.ts";
import { temporaryDirectory } from "../temporary-directory.ts";

const LIMIT_BYTES = 10_000;

async function open(
  context: TestContext,
  options: Partial<ForwardAgentOptions> = {},
): Promise<ForwardAgent> {
  const agent = await openForwardAgent({
    spool: {
      directory: temporaryDirectory(context),
      categories: ["logging", "metric"],
      maxItemBytes: LIMIT_BYTES,
    },
    listen: "127.0.0.1:0",
    to: "http://127.0.0.1:1",
    protocol: "category",
    lingerMs: 1,
    ...options,
  });
  context.after(() => agent.close());
  return agent;
}

async function post(
  agent: ForwardAgent,
  path: string,
  body: string | Uint8Array<ArrayBuffer>,
  headers: Record<string, string> = {},
): Promise<{ readonly status: number; readonly answer: Record<string, unknown> }> {
  const response = await fetch(agent.url + path, { method: "POST", body, headers });
  const text = await response.text();
  return { status: response.status, answer: text === "" ? {} : JSON.parse(text) };
}

async function get(agent: ForwardAgent, path: string): Promise<Record<string, unknown>> {
  // Every answer that is asked for here is an object.
  return (await (await fetch(agent.url + path)).json()) as Record<string, unknown>;
}

suite("the agent", { timeout: 300_000 }, () => {
  test("spools what is written to a category and as line protocol, and ships it", async (context) => {
    const upstream = await PlainUpstream.start(context);
    const agent = await open(context, { to: upstream.url });
    assert.equal(
      (await post(agent, "/v1/write/logging?precision=s&token=t", "log v=1")).status,
      204,
    );
    assert.equal((await post(agent, "/write?db=demo&u=me&p=secret", "cpu v=1")).status, 204);
    const zipped = { "content-encoding": "gzip" };
    assert.equal(
      (await post(agent, "/api/v2/write?bucket=b", gzipSync("cpu v=2"), zipped)).status,
      204,
    );
    const json = { "content-type": "application/json" };
    assert.equal((await post(agent, "/v1/write/logging", "{}", json)).status, 204);
    assert.deepEqual((await post(agent, "/v1/forward/drain", "")).answer, {
      is_drained: true,
      left: 0,
    });
    assert.deepEqual(
      upstream.stored.map(({ path, lines }) => `${path} ${lines.join()}`).toSorted(),
      [
        "/v1/write/logging {}",
        "/v1/write/logging?precision=s log v=1",
        "/v1/write/metric?bucket=b cpu v=2",
        "/v1/write/metric?db=demo cpu v=1",
      ],
    );
  });

  test("tells what is wrong with a request, by code", async (context) => {
    const agent = await open(context);
    const cases = [
      ["/v1/write/loging", "x", {}, 404, "SPOOL_UNKNOWN_CATEGORY"],
      ["/v1/write/%zz", "x", {}, 404, "SPOOL_UNKNOWN_CATEGORY"],
      ["/elsewhere", "x", {}, 404, "SPOOL_NOT_FOUND"],
      ["/v1/write/logging", "", {}, 400, "SPOOL_INVALID_REQUEST"],
      ["/v1/write/logging", "x", { "content-encoding": "br" }, 400, "SPOOL_INVALID_REQUEST"],
      ["/v1/write/logging", "x", { "content-encoding": "gzip" }, 400, "SPOOL_INVALID_REQUEST"],
      ["/v1/write/logging", "x".repeat(LIMIT_BYTES + 1), {}, 413, "SPOOL_ITEM_TOO_LARGE"],
      ["/v1/forward/drain?timeout_ms=soon", "", {}, 400, "SPOOL_INVALID_REQUEST"],
      ["/v1/forward/dead-letters/7/redrive", "", {}, 404, "SPOOL_NOT_FOUND"],
      ["/v1/forward/dead-letters/x/redrive", "", {}, 400, "SPOOL_INVALID_REQUEST"],
      ["/v1/forward/pause", "", { origin: "http://evil.example" }, 401, "SPOOL_UNAUTHORIZED"],
    ] as const;
    for (const [path, body, headers, status, code] of cases) {
      const found = await post(agent, path, body, headers);
      assert.deepEqual([path, found.status, found.answer["code"]], [path, status, code]);
    }
    const bomb = gzipSync("x".repeat(LIMIT_BYTES * 50));
    const found = await post(agent, "/v1/write/logging", bomb, { "content-encoding": "gzip" });
    assert.equal(found.answer["code"], "SPOOL_ITEM_TOO_LARGE");
    assert.equal(agent.forwarder.depth, 0);
  });

  test("answers 503 when it is full, and takes writes again when there is room", async (context) => {
    const upstream = await PlainUpstream.start(context);
    const agent = await open(context, {
      to: upstream.url,
      spool: {
        directory: temporaryDirectory(context),
        categories: ["logging", "metric"],
        maxItemBytes: LIMIT_BYTES,
        segmentSizeBytes: 16 * 1024,
        maxTotalBytes: 256 * 1024,
        reserveFreeBytes: 0,
      },
    });
    await post(agent, "/v1/forward/pause", "");
    const body = "x".repeat(4_000);
    let taken = 0;
    let last = await post(agent, "/v1/write/logging", body);
    for (; last.status === 204; last = await post(agent, "/v1/write/logging", body)) taken += 1;
    assert.deepEqual([last.status, last.answer["code"]], [503, "WAL_NO_SPACE"]);
    // A flood of one category leaves the other what it is guaranteed.
    assert.equal((await post(agent, "/v1/write/metric", body)).status, 204);
    await post(agent, "/v1/forward/resume", "");
    await until(() => agent.forwarder.depth === 0);
    assert.equal(upstream.lines("logging").length, taken);
    await until(async () => (await post(agent, "/v1/write/logging", body)).status === 204);
  });

  test("wants its token, but for health and metrics", async (context) => {
    const agent = await open(context, { listenToken: "open-sesame" });
    const { status, answer } = await post(agent, "/v1/write/logging", "x");
    assert.deepEqual([status, answer["code"]], [401, "SPOOL_UNAUTHORIZED"]);
    for (const authorization of ["Bearer open-sesame", "Token open-sesame"]) {
      assert.equal((await post(agent, "/v1/write/logging", "x", { authorization })).status, 204);
    }
    const authorization = "Bearer open-sesam";
    assert.equal((await post(agent, "/v1/write/logging", "x", { authorization })).status, 401);
    assert.deepEqual(await get(agent, "/health"), { status: "ok" });
  });

  test("shows status, metrics and dead letters, and sends one again", async (context) => {
    const upstream = await PlainUpstream.start(context);
    upstream.misbehave = (_, response) => {
      response.writeHead(400).end("no");
      return true;
    };
    const agent = await open(context, { to: `${upstream.url}/?token=secret` });
    await post(agent, "/v1/write/logging", "poison");
    await until(() => agent.forwarder.deadLetters().length === 1);
    const shown = await get(agent, "/v1/forward/status");
    assert.deepEqual(
      [shown["state"], shown["dead_letters"], shown["to"]],
      ["running", 1, upstream.url],
    );
    const metrics = await (await fetch(`${agent.url}/metrics`)).text();
    assert.match(metrics, /^walnut_forward_dead_letters\{category="logging"\} 1$/m);
    assert.match(metrics, /^walnut_forward_put_items_total\{category="logging"\} 1$/m);
    const names = new Set<string>(
      [...metrics.matchAll(/^# TYPE (\w+)/gm)].map(([, name = ""]) => name),
    );
    const document = await readFile(
      new URL("../../../../docs/metrics.md", import.meta.url),
      "utf8",
    );
    const documented = [...document.matchAll(/^\| `(walnut_forward_\w+)`/gm)].map(
      ([, name = ""]) => name,
    );
    assert.deepEqual(documented.toSorted(), [...names].toSorted());
    const [letter] = (await get(agent, "/v1/forward/dead-letters"))["dead_letters"] as {
      readonly id: number;
    }[];
    const path = `/v1/forward/dead-letters/${letter?.id}`;
    assert.equal(await (await fetch(agent.url + path)).text(), "poison");
    upstream.misbehave = () => false;
    const { answer } = await post(agent, `${path}/redrive`, "");
    assert.deepEqual(answer["results"], [{ id: letter?.id, is_stored: true, answer: "204" }]);
    assert.equal((await fetch(agent.url + path, { method: "DELETE" })).status, 404);
  });

  /** A body that has begun and does not end. */
  async function hanging(agent: ForwardAgent, category: string, bytes: number): Promise<Socket> {
    const socket = connect(Number(new URL(agent.url).port), "127.0.0.1");
    const head = `POST /v1/write/${category} HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n`;
    socket.write(`${head}${bytes.toString(16)}\r\n${"x".repeat(bytes)}\r\n`);
    socket.setEncoding("utf8");
    await once(socket, "ready");
    return socket;
  }

  test("refuses more bodies at one time than it has memory for, and leaves each category its share", async (context) => {
    const agent = await open(context);
    // Who has only begun holds next to nothing.
    const idle = await Promise.all(Array.from({ length: 20 }, () => hanging(agent, "logging", 1)));
    assert.equal((await post(agent, "/v1/write/logging", "x".repeat(LIMIT_BYTES))).status, 204);
    // Five bodies that lack nothing but their end, of which three are what there is memory for.
    const full = await Promise.all(
      Array.from({ length: 5 }, () => hanging(agent, "logging", LIMIT_BYTES)),
    );
    const refusal = await Promise.race(
      full.map(async (each) => String((await once(each, "data"))[0])),
    );
    assert.match(refusal, /^HTTP\/1\.1 503 [^]*"SPOOL_OVERLOADED"/);
    const { status, answer } = await post(agent, "/v1/write/logging", "x".repeat(LIMIT_BYTES));
    assert.deepEqual([status, answer["code"]], [503, "SPOOL_OVERLOADED"]);
    assert.equal((await post(agent, "/v1/write/metric", "x".repeat(LIMIT_BYTES))).status, 204);
    for (const each of [...idle, ...full]) each.destroy();
    await until(async () => (await post(agent, "/v1/write/logging", "x")).status === 204);
  });

  test("answers a body that is too long only when it comes, and gzip that lies about its length", async (context) => {
    const agent = await open(context);
    const socket = await hanging(agent, "logging", LIMIT_BYTES + 1);
    const [answer] = (await once(socket, "data")) as [string];
    assert.match(answer, /^HTTP\/1\.1 413 [^]*"SPOOL_ITEM_TOO_LARGE"/);
    const zipped = gzipSync("x".repeat(1_000));
    zipped.writeUInt32LE(1, zipped.byteLength - 4);
    const headers = { "content-encoding": "gzip" };
    const lying = await post(agent, "/v1/write/logging", zipped, headers);
    assert.equal(lying.answer["code"], "SPOOL_INVALID_REQUEST");
    // Two members: the trailer at the end is that of the second one.
    const two = Buffer.concat([gzipSync("x".repeat(1_000)), gzipSync("y")]);
    assert.equal((await post(agent, "/v1/write/logging", two, headers)).status, 204);
  });

  test("tells its log, and not its caller, how it has failed", async (context) => {
    const told: unknown[] = [];
    const agent = await open(context, { onError: (error) => told.push(error) });
    const boom = new Error("boom");
    agent.forwarder.status = () => Promise.reject(boom);
    assert.equal((await get(agent, "/v1/forward/status"))["code"], "SPOOL_INTERNAL");
    assert.deepEqual(told, [boom]);
  });

  for (const listen of ["nowhere", "127.0.0.1:99999", "::1:80"]) {
    test(`does not listen on ${listen}`, async (context) => {
      await assert.rejects(open(context, { listen }), (error) =>
        isSpoolError(error, "SPOOL_INVALID_OPTION"),
      );
    });
  }
});
