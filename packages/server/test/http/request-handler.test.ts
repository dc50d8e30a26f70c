/** The dispatcher, the body reader and the authenticator behind a real port, with routes made for the test. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { request as httpRequest, type IncomingMessage } from "node:http";
import { connect, createServer as createNetServer, type AddressInfo } from "node:net";
import { suite, test, type TestContext } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import type { AccessRight } from "../../src/access/access-right.ts";
import { ByteBudget } from "../../src/byte-budget.ts";
import { ServerError } from "../../src/errors.ts";
import { Authenticator } from "../../src/http/authentication.ts";
import { adoptHttp, listenHttp } from "../../src/http/http-server.ts";
import { answerQuery } from "../../src/http/query-answer.ts";
import { checkDeclaredLength, readBody } from "../../src/http/request-body.ts";
import { RequestIds } from "../../src/http/request-id.ts";
import { ClientShares } from "../../src/limits/client-shares.ts";
import { RequestHandler } from "../../src/http/request-handler.ts";
import { Router, type Route } from "../../src/http/router.ts";
import { resolveServerOptions } from "../../src/resolve-server-options.ts";
import type { ServerOptions } from "../../src/server-options.ts";
import { ServerState } from "../../src/server-state.ts";

const TOKEN = "correct-horse";
/** Known only after a look at the files. */
const NEW_TOKEN = "made-just-now";
const MAX_BODY_BYTES = 2_000;

const LIMITS = {
  maxRequests: 4,
  clientMaxRequests: 3,
  clientMaxInFlightBytes: 2_500,
  clientBytesPerSecond: 0,
};

/** More than the sockets of both ends hold. */
const LARGE_ANSWER_BYTES = 32 * 1024 * 1024; // 32 MiB

interface Harness {
  readonly port: number;
  readonly url: string;
  readonly state: ServerState;
  readonly handler: RequestHandler;
  readonly budget: ByteBudget;
  readonly observed: string[];
  readonly errors: string[];
  /** Lets the routes that wait go on. */
  release(): void;
}

async function startHarness(
  context: TestContext,
  options: ServerOptions = {},
  rights: readonly AccessRight[] = ["read", "write", "admin"],
): Promise<Harness> {
  const authenticator = new Authenticator({
    recognise: (token) =>
      token === TOKEN ? { id: "id", name: "test", rights, isShared: false } : undefined,
    recogniseFresh: (token) =>
      Promise.resolve(
        token === NEW_TOKEN ? { id: "new", name: "new", rights, isShared: false } : undefined,
      ),
  });
  const state = new ServerState({ startedAtMs: 0, monotonicMs: () => 0 });
  const budget = new ByteBudget(3_000);
  const observed: string[] = [];
  const errors: string[] = [];
  const waiting: (() => void)[] = [];
  const routes: Route[] = [
    route("echo", "POST", "write", "ready", async (exchange) => {
      const lease = budget.lease(exchange.share);
      try {
        const limits = { maxBytes: MAX_BODY_BYTES, lease };
        checkDeclaredLength(exchange.request, limits);
        exchange.continueBody();
        const body = await readBody(exchange.request, limits);
        if (body !== undefined) exchange.json(200, JSON.stringify(Buffer.from(body).toString()));
      } finally {
        lease.release();
      }
    }),
    route("open", "GET", "public", "always", (exchange) => exchange.json(200, "1")),
    route("held", "GET", "read", "always", async (exchange) => {
      await new Promise<void>((resolve) => waiting.push(resolve));
      exchange.noContent();
    }),
    route("query", "GET", "public", "always", async (exchange) => {
      const answers = new ByteBudget(100);
      await answerQuery(exchange, { answers }, async (signal) => {
        await once(signal, "abort");
        return "1";
      });
    }),
    route("read", "GET", "read", "always", (exchange) => exchange.json(200, "1")),
    route("admin", "GET", "admin", "always", (exchange) => exchange.json(200, "1")),
    route("slow_admin", "GET", "admin", "always", async (exchange) => {
      await new Promise<void>((resolve) => waiting.push(resolve));
      exchange.noContent();
    }),
    route("large", "GET", "public", "always", (exchange) =>
      exchange.json(200, "1".repeat(LARGE_ANSWER_BYTES)),
    ),
    route("wait", "GET", "public", "ready", async (exchange) => {
      await new Promise<void>((resolve) => waiting.push(resolve));
      exchange.noContent();
    }),
    route("broken", "GET", "public", "always", () => {
      throw new Error("secret detail");
    }),
    route("conflict", "GET", "public", "always", () => {
      throw new ServerError("SERVER_TYPE_CONFLICT", "no", { details: { line: 3 } });
    }),
  ];
  const handler = new RequestHandler({
    router: new Router(routes),
    authenticator,
    clients: new ClientShares(LIMITS, () => 0),
    state,
    observer: {
      observeRequest: (name, status) => void observed.push(`${name} ${status}`),
      observeError: (code) => void errors.push(code),
    },
    logger: {
      info() {},
      warn() {},
      error: (line, fields) => void errors.push(`${line} ${JSON.stringify(fields)}`),
    },
    recoveryGate: undefined,
    requestIds: new RequestIds("test"),
    monotonicMs: () => 0,
    maxDiscardBytes: 100_000,
  });
  const listener = await listenHttp(resolveServerOptions({ ...options, port: 0 }), handler);
  context.after(() => listener.close(0));
  const release = (): void => waiting.splice(0).forEach((resolve) => resolve());
  const { port } = listener;
  const url = `http://127.0.0.1:${port}`;
  return { port, url, state, handler, budget, observed, errors, release };
}

function route(
  name: string,
  method: Route["method"],
  access: Route["access"],
  availability: Route["availability"],
  handle: Route["handle"],
): Route {
  return { name, path: `/${name}`, method, access, availability, handle };
}

function post(
  harness: Harness,
  body: string,
  headers: Readonly<Record<string, string>> = { authorization: `Bearer ${TOKEN}` },
): Promise<Response> {
  return fetch(`${harness.url}/echo`, { method: "POST", body, headers });
}

async function codeOf(response: Response): Promise<string> {
  const body = (await response.json()) as { code: string };
  return body.code;
}

/** Sends bytes as they are and returns everything that comes back until the connection ends. */
function exchangeRaw(
  port: number,
  text: string,
  { andEnds = false }: { readonly andEnds?: boolean } = {},
): Promise<string> {
  return new Promise((resolve, reject) => {
    let received = "";
    const socket = connect({ port, host: "127.0.0.1", allowHalfOpen: andEnds }, () => {
      if (andEnds) socket.end(text);
      else socket.write(text);
    });
    socket.on("data", (chunk) => (received += chunk.toString()));
    socket.on("end", () => resolve(received));
    socket.on("error", reject);
  });
}

suite("RequestHandler", () => {
  test("cuts a connection without a byte on it, and gives administration the time it takes", async (context) => {
    const timeouts = { headersTimeoutMs: 100, requestTimeoutMs: 100, queryTimeoutMs: 10 };
    const harness = await startHarness(context, timeouts);
    const headers = { authorization: `Bearer ${TOKEN}` };
    const slow = fetch(`${harness.url}/slow_admin`, { headers });
    // The one that began later is cut for its silence; the other one was silent for longer.
    await assert.rejects(fetch(`${harness.url}/held`, { headers }));
    harness.release();
    assert.equal((await slow).status, 204);
  });

  test("answers 404 for unknown paths and 405 with Allow for wrong methods", async (context) => {
    const harness = await startHarness(context);
    const missing = await fetch(`${harness.url}/nothing?p=${TOKEN}`);
    assert.equal(missing.status, 404);
    assert.equal(await codeOf(missing), "SERVER_NOT_FOUND");
    const wrong = await fetch(`${harness.url}/echo`);
    assert.equal(wrong.status, 405);
    assert.equal(wrong.headers.get("allow"), "POST");
    assert.equal(await codeOf(wrong), "SERVER_METHOD_NOT_ALLOWED");
    assert.deepEqual(harness.observed, ["unknown 404", "unknown 405"]);
  });

  test("accepts the token in every form clients use", async (context) => {
    const harness = await startHarness(context);
    harness.state.becomeReady();
    const basic = Buffer.from(`anyone:${TOKEN}`).toString("base64");
    for (const authorization of [
      `Bearer ${TOKEN}`,
      `bearer  ${TOKEN}`,
      `Token ${TOKEN}`,
      `Basic ${basic}`,
      `Bearer ${NEW_TOKEN}`,
    ]) {
      const response = await post(harness, "x", { authorization });
      assert.equal(response.status, 200, authorization);
    }
    const bare = { method: "POST", body: "x" };
    const byKey = await fetch(`${harness.url}/echo`, { ...bare, headers: { "x-api-key": TOKEN } });
    assert.equal(byKey.status, 200);
    assert.equal((await fetch(`${harness.url}/echo?u=a&p=${TOKEN}`, bare)).status, 200);
  });

  test("refuses wrong and missing tokens, and a wrong header is not saved by a right parameter", async (context) => {
    const harness = await startHarness(context);
    harness.state.becomeReady();
    const wrong = [
      { authorization: `Bearer ${TOKEN}x` },
      { authorization: `Bearer ${TOKEN.slice(0, -1)}` },
      { authorization: `Bearer ${TOKEN.toUpperCase()}` },
      { authorization: TOKEN },
      { authorization: `Digest ${TOKEN}` },
      { authorization: `Basic ${Buffer.from(TOKEN).toString("base64")}` },
      { authorization: "Bearer " },
    ];
    for (const headers of wrong) {
      const path = `${harness.url}/echo?p=${TOKEN}`;
      const response = await fetch(path, { method: "POST", body: "x", headers });
      assert.equal(response.status, 401, JSON.stringify(headers));
      assert.notEqual(response.headers.get("www-authenticate"), null);
      assert.equal(await codeOf(response), "SERVER_UNAUTHORIZED");
    }
    assert.equal((await fetch(`${harness.url}/echo`, { method: "POST", body: "x" })).status, 401);
  });

  test("answers 403 with the right that is missing, before the body; admin has every right", async (context) => {
    const harness = await startHarness(context, {}, ["write"]);
    harness.state.becomeReady();
    assert.equal((await post(harness, "x")).status, 200);
    const headers = { authorization: `Bearer ${TOKEN}` };
    for (const needed of ["read", "admin"]) {
      const refused = await fetch(`${harness.url}/${needed}`, { headers });
      assert.equal(refused.status, 403);
      const body = (await refused.json()) as { code: string; details: Record<string, unknown> };
      assert.equal(body.code, "SERVER_FORBIDDEN");
      assert.deepEqual(body.details, { token: "id", rights: "write", needed });
    }
    const admin = await startHarness(context, {}, ["admin"]);
    for (const path of ["read", "admin"]) {
      assert.equal((await fetch(`${admin.url}/${path}`, { headers })).status, 200);
    }
  });

  test("refuses what needs readiness until recovery has ended, with progress and Retry-After", async (context) => {
    const harness = await startHarness(context);
    const segments = { segmentsDone: 0, segmentsTotal: 2 };
    const bytes = { bytesDone: 30, bytesTotal: 400 };
    harness.state.advance({ phase: "replay", ...segments, ...bytes, records: 3, rows: 9 });
    const early = await post(harness, "x");
    assert.equal(early.status, 503);
    assert.equal(early.headers.get("retry-after"), "1");
    const body = (await early.json()) as { code: string; details: Record<string, unknown> };
    assert.equal(body.code, "SERVER_NOT_READY");
    assert.deepEqual(body.details, {
      phase: "recovering",
      step: "replay",
      ...bytes,
      retryAfterSeconds: 1,
    });
    assert.equal((await fetch(`${harness.url}/open`)).status, 200);
    harness.state.becomeReady();
    assert.equal((await post(harness, "x")).status, 200);
  });

  test("a client at its limit of requests gets 429 with Retry-After, and others and administration are served", async (context) => {
    const harness = await startHarness(context);
    const by = (path: string, token: string): Promise<Response> =>
      fetch(`${harness.url}/${path}`, { headers: { authorization: `Bearer ${token}` } });
    const held = [1, 2, 3].map(() => by("held", TOKEN));
    while (harness.handler.activeRequests < 3) await new Promise(setImmediate);
    const refused = await by("read", TOKEN);
    assert.equal(refused.status, 429);
    assert.equal(refused.headers.get("retry-after"), "1");
    const body = (await refused.json()) as { code: string; details: Record<string, unknown> };
    assert.equal(body.code, "SERVER_CLIENT_OVER_LIMIT");
    assert.equal(body.details["limit"], "clientMaxRequests");
    assert.equal((await by("read", NEW_TOKEN)).status, 200);
    assert.equal((await by("admin", TOKEN)).status, 200);
    assert.equal((await fetch(`${harness.url}/open`)).status, 200);

    held.push(by("held", NEW_TOKEN));
    while (harness.handler.activeRequests < 4) await new Promise(setImmediate);
    const full = await by("read", NEW_TOKEN);
    assert.deepEqual([full.status, await codeOf(full)], [503, "SERVER_OVERLOADED"]);
    harness.release();
    assert.deepEqual(
      await Promise.all(held.map(async (answer) => (await answer).status)),
      [204, 204, 204, 204],
    );
    assert.equal((await by("read", TOKEN)).status, 200);
  });

  test("a stop refuses new requests, closes their connections and waits for those in flight", async (context) => {
    const harness = await startHarness(context);
    harness.state.becomeReady();
    const inFlight = fetch(`${harness.url}/wait`);
    while (harness.handler.activeRequests === 0) await new Promise(setImmediate);
    harness.state.beginStop();
    const late = await post(harness, "x");
    assert.equal(late.status, 503);
    assert.equal(late.headers.get("connection"), "close");
    let isDrained = false;
    const drained = harness.handler.drained().then(() => (isDrained = true));
    assert.equal(isDrained, false);
    harness.release();
    assert.equal((await inFlight).status, 204);
    await drained;
  });

  test("hides our own mistakes from clients and logs them", async (context) => {
    const harness = await startHarness(context);
    const response = await fetch(`${harness.url}/broken`);
    assert.equal(response.status, 500);
    const text = await response.text();
    assert.equal(text.includes("secret detail"), false);
    assert.equal(JSON.parse(text).code, "SERVER_INTERNAL");
    assert.equal(
      harness.errors.some((line) => line.includes("secret detail")),
      true,
    );
  });

  test("writes code, sentence and details, in the members InfluxDB clients read", async (context) => {
    const harness = await startHarness(context);
    const headers = { "x-request-id": "mine-1" };
    const response = await fetch(`${harness.url}/conflict`, { headers });
    assert.equal(response.status, 400);
    assert.deepEqual(await response.json(), {
      success: false,
      error: "no",
      message: "no",
      code: "SERVER_TYPE_CONFLICT",
      details: { line: 3 },
      requestId: "mine-1",
    });
  });

  test("names every request in its answer, a client's own name where it gave one", async (context) => {
    const harness = await startHarness(context);
    harness.state.becomeReady();
    const ids = [];
    for (const path of ["/open", "/admin", "/nothing", "/broken", "/large"]) {
      const response = await fetch(harness.url + path);
      ids.push(response.headers.get("x-request-id"));
      await response.arrayBuffer();
    }
    ids.push((await post(harness, "x")).headers.get("x-request-id"));
    assert.equal(new Set(ids).size, ids.length);
    for (const id of ids) assert.match(id ?? "", /^test-/);
    const headers = { "x-request-id": "mine/2" };
    const response = await fetch(`${harness.url}/broken`, { headers });
    assert.equal(response.headers.get("x-request-id"), "mine/2");
    assert.ok(harness.errors.some((line) => line.includes('"requestId":"mine/2"')));
  });

  test("answers HEAD without a body", async (context) => {
    const harness = await startHarness(context);
    const response = await fetch(`${harness.url}/open`, { method: "HEAD" });
    assert.equal(response.status, 200);
    assert.equal(await response.text(), "");
  });
});

suite("readBody", () => {
  test("returns bodies of every size up to the limit and refuses one byte more", async (context) => {
    const harness = await startHarness(context);
    harness.state.becomeReady();
    for (const size of [0, 1, MAX_BODY_BYTES - 1, MAX_BODY_BYTES]) {
      const response = await post(harness, "x".repeat(size));
      assert.equal(((await response.json()) as string).length, size);
    }
    const large = await post(harness, "x".repeat(MAX_BODY_BYTES + 1));
    assert.equal(large.status, 413);
    assert.equal(await codeOf(large), "SERVER_TOO_LARGE");
    assert.equal(harness.budget.usedBytes, 0);
  });

  test("counts chunked bodies as they arrive", async (context) => {
    const harness = await startHarness(context);
    harness.state.becomeReady();
    async function send(chunks: readonly string[]): Promise<{ status: number; text: string }> {
      const response = await new Promise<IncomingMessage>((resolve, reject) => {
        const request = httpRequest(
          { port: harness.port, path: "/echo", method: "POST", headers: { "x-api-key": TOKEN } },
          resolve,
        );
        request.on("error", reject);
        for (const chunk of chunks) request.write(chunk);
        request.end();
      });
      let text = "";
      for await (const chunk of response) text += String(chunk);
      return { status: response.statusCode ?? 0, text };
    }
    assert.deepEqual(await send(["one,", "two,", "three"]), {
      status: 200,
      text: '"one,two,three"',
    });
    assert.equal((await send(["x".repeat(MAX_BODY_BYTES), "y"])).status, 413);
    assert.equal(harness.budget.usedBytes, 0);
  });

  test("refuses when the shared budget is spent, and serves again when it is back", async (context) => {
    const harness = await startHarness(context);
    harness.state.becomeReady();
    const other = harness.budget.lease();
    other.growTo(2_500);
    const refused = await post(harness, "x".repeat(501));
    assert.equal(refused.status, 503);
    assert.equal(refused.headers.get("retry-after"), "1");
    assert.equal(await codeOf(refused), "SERVER_OVERLOADED");
    assert.equal((await post(harness, "x".repeat(500))).status, 200);
    other.release();
    assert.equal((await post(harness, "x".repeat(501))).status, 200);
    assert.equal(harness.budget.usedBytes, 0);
  });

  test("gives the budget back when the client goes away in the middle", async (context) => {
    const harness = await startHarness(context);
    harness.state.becomeReady();
    const socket = connect(harness.port, "127.0.0.1");
    socket.write(`POST /echo?p=${TOKEN} HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\nhalf`);
    while (harness.budget.usedBytes === 0) await new Promise(setImmediate);
    socket.destroy();
    while (harness.handler.activeRequests > 0) await new Promise(setImmediate);
    assert.equal(harness.budget.usedBytes, 0);
  });

  test("refuses by declared length without asking a waiting client for its body", async (context) => {
    const harness = await startHarness(context);
    harness.state.becomeReady();
    const head = (length: number): string =>
      `POST /echo?p=${TOKEN} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n` +
      `Expect: 100-continue\r\nContent-Length: ${length}\r\n\r\n`;
    const refused = await exchangeRaw(harness.port, head(1_000_000));
    assert.match(refused, /^HTTP\/1\.1 413 /);
    const accepted = await exchangeRaw(harness.port, `${head(2)}hi`);
    assert.match(accepted, /^HTTP\/1\.1 100 Continue\r\n\r\nHTTP\/1\.1 200 OK/);
  });
});

suite("a client that shuts down its sending side", () => {
  const HELD = `GET /held?p=${TOKEN} HTTP/1.1\r\nHost: x\r\n\r\n`;

  test("is answered, on a connection from the port and on one that another process accepted", async (context) => {
    const harness = await startHarness(context);
    const adopter = await adoptHttp(resolveServerOptions({}), harness.handler);
    const port = createNetServer((socket) => adopter.adopt(socket));
    await new Promise<void>((resolve) => port.listen(0, "127.0.0.1", resolve));
    context.after(async () => {
      port.close();
      await adopter.close(0);
    });
    const { port: handedOver } = port.address() as AddressInfo;
    for (const number of [harness.port, handedOver]) {
      const answer = exchangeRaw(number, HELD, { andEnds: true });
      while (harness.handler.activeRequests === 0) await new Promise(setImmediate);
      // The end comes right behind the request; the answer comes after both.
      await delay(50);
      harness.release();
      assert.match(await answer, /^HTTP\/1\.1 204 /);
      while (harness.handler.activeRequests > 0) await new Promise(setImmediate);
    }
  });

  test("is cut where its going ends the work, until it is answered", async (context) => {
    const harness = await startHarness(context);
    const answer = exchangeRaw(harness.port, HELD.replace("/held", "/query"), { andEnds: true });
    assert.equal(await answer, "");
    while (harness.handler.activeRequests > 0) await new Promise(setImmediate);
  });
});

suite("listenHttp", () => {
  test("names a port that is taken", async (context) => {
    const harness = await startHarness(context);
    await assert.rejects(
      listenHttp(resolveServerOptions({ port: harness.port }), harness.handler),
      (error: unknown) => error instanceof ServerError && error.code === "SERVER_LISTEN_FAILED",
    );
  });

  test("ends requests whose headers or body never finish", async (context) => {
    const harness = await startHarness(context, { headersTimeoutMs: 100, requestTimeoutMs: 100 });
    harness.state.becomeReady();
    const slowHead = await exchangeRaw(harness.port, "POST /echo HTTP/1.1\r\nHost: x\r\n");
    assert.match(slowHead, /^HTTP\/1\.1 408 /);
    assertBrokenRequestIsTold(slowHead);
    const head = `POST /echo?p=${TOKEN} HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n`;
    const slowBody = await exchangeRaw(harness.port, `${head}12345`);
    assert.match(slowBody, /^HTTP\/1\.1 408 /);
    assertBrokenRequestIsTold(slowBody);
    assert.equal(harness.budget.usedBytes, 0);
  });

  test("refuses a request head beyond its limit", async (context) => {
    const harness = await startHarness(context, { maxHeaderBytes: 1_024 });
    const head = `GET /open HTTP/1.1\r\nHost: x\r\nX-Long: ${"x".repeat(2_000)}\r\n\r\n`;
    const answer = await exchangeRaw(harness.port, head);
    assert.match(answer, /^HTTP\/1\.1 431 /);
    assertBrokenRequestIsTold(answer);
    const nonsense = await exchangeRaw(harness.port, "how are you\r\n\r\n");
    assert.match(nonsense, /^HTTP\/1\.1 400 /);
    assertBrokenRequestIsTold(nonsense);
  });

  test("cuts off a client that does not take its answer", async (context) => {
    const limits = { headersTimeoutMs: 100, requestTimeoutMs: 100, queryTimeoutMs: 100 };
    const harness = await startHarness(context, limits);
    const socket = connect(harness.port, "127.0.0.1");
    context.after(() => socket.destroy());
    let closed = false;
    socket.on("error", () => undefined);
    socket.on("close", () => (closed = true));
    socket.write("GET /large HTTP/1.1\r\nHost: x\r\n\r\n");
    await once(socket, "readable");
    // Nothing is read while the server's patience runs out; then what is in the sockets, and the end.
    await new Promise((resolve) => setTimeout(resolve, 1_500));
    let receivedBytes = 0;
    socket.on("data", (chunk: Buffer) => (receivedBytes += chunk.byteLength));
    while (!closed) await new Promise(setImmediate);
    assert.ok(receivedBytes < LARGE_ANSWER_BYTES, `${receivedBytes} bytes`);
  });

  test("ends connections that never send anything", async (context) => {
    const harness = await startHarness(context, { headersTimeoutMs: 100, requestTimeoutMs: 100 });
    const answer = await exchangeRaw(harness.port, "");
    assert.match(answer, /^(HTTP\/1\.1 408 |$)/);
  });

  for (const option of ["maxConnections", "clientMaxConnections"]) {
    test(`closes connections beyond ${option} at once and serves the others`, async (context) => {
      await assertConnectionLimit(context, { [option]: 3 });
    });
  }
});

/** Code and id, in headers and body, as with every error. */
function assertBrokenRequestIsTold(answer: string): void {
  const [head = "", body = ""] = answer.split("\r\n\r\n");
  assert.match(head, /^X-Walnut-Error: SERVER_INVALID_REQUEST$/m);
  const { code, requestId } = JSON.parse(body) as { code: string; requestId: string };
  assert.equal(code, "SERVER_INVALID_REQUEST");
  assert.ok(head.includes(`X-Request-Id: ${requestId}`), head);
}

async function assertConnectionLimit(context: TestContext, options: ServerOptions): Promise<void> {
  const harness = await startHarness(context, options);
  const open = await Promise.all(
    Array.from({ length: 3 }, async () => {
      const socket = connect(harness.port, "127.0.0.1");
      context.after(() => socket.destroy());
      await once(socket, "connect");
      socket.write("GET /open HTTP/1.1\r\nHost: x\r\n\r\n");
      await once(socket, "data");
      return socket;
    }),
  );
  const request = "GET /open HTTP/1.1\r\nHost: x\r\n\r\n";
  // A reset, when the request was on its way already.
  const refused = await exchangeRaw(harness.port, request).catch(() => "");
  assert.equal(refused, "");
  const [first] = open;
  assert.ok(first !== undefined);
  first.write("GET /open HTTP/1.1\r\nHost: x\r\n\r\n");
  const [answer] = await once(first, "data");
  assert.match(String(answer), /^HTTP\/1\.1 200 /);
  // A connection that ends makes room for the next.
  first.destroy();
  let again = "";
  while (again === "")
    again = await exchangeRaw(harness.port, request.replace("x", "x\r\nConnection: close")).catch(
      () => "",
    );
  assert.match(again, /^HTTP\/1\.1 200 /);
}
