/** Tokens over HTTP, and what their rights allow, on a real server. */
import assert from "node:assert/strict";
import { suite, test, type TestContext } from "node:test";
import { openServer } from "../../src/server.ts";
import type { WalnutServer } from "../../src/walnut-server.ts";
import { temporaryDirectory } from "../temporary-directory.ts";

const ADMIN = "the-token-of-the-configuration";

interface Started {
  readonly server: WalnutServer;
  readonly lines: string[];
}

async function start(context: TestContext): Promise<Started> {
  const lines: string[] = [];
  const add = (line: string): void => void lines.push(line);
  const logger = { info: add, warn: add, error: add };
  const dataDirectory = await temporaryDirectory();
  const server = await openServer({ port: 0, token: ADMIN, dataDirectory, logger });
  context.after(() => server.close());
  await server.ready;
  return { server, lines };
}

interface Answer {
  readonly status: number;
  readonly body: Record<string, unknown>;
  readonly headers: Headers;
}

async function call(
  { server }: Started,
  method: string,
  path: string,
  { token = ADMIN, body }: { readonly token?: string; readonly body?: string } = {},
): Promise<Answer> {
  const init = { method, headers: { authorization: `Bearer ${token}` } };
  const response = await fetch(server.url + path, body === undefined ? init : { ...init, body });
  const text = await response.text();
  const parsed = text === "" ? {} : (JSON.parse(text) as Record<string, unknown>);
  return { status: response.status, body: parsed, headers: response.headers };
}

async function create(started: Started, rights: readonly string[]): Promise<string> {
  const body = JSON.stringify({ name: rights.join("+"), rights });
  const answer = await call(started, "POST", "/api/v1/tokens", { body });
  assert.equal(answer.status, 201, JSON.stringify(answer.body));
  return String(answer.body["token"]);
}

suite("/api/v1/tokens", () => {
  test("makes, lists and revokes; a new token works and a revoked one fails with the next request", async (context) => {
    const started = await start(context);
    const body = '{"name":"x","rights":["write","read"],"expires_in_seconds":60}';
    const made = await call(started, "POST", "/api/v1/tokens", { body });
    assert.equal(made.status, 201);
    assert.equal(made.headers.get("cache-control"), "no-store");
    const { token, success, ...shown } = made.body;
    assert.equal(success, true);
    assert.deepEqual(Object.keys(shown), [
      "id",
      "name",
      "rights",
      "created",
      "expires",
      "last_four",
    ]);
    assert.deepEqual(shown["rights"], ["read", "write"]);
    const text = String(token);
    assert.equal(shown["last_four"], text.slice(-4));

    const listed = await call(started, "GET", "/api/v1/tokens");
    const option = { id: "option", name: "option", rights: ["read", "write", "admin"] };
    const hidden = { created: null, expires: null, last_four: null };
    assert.deepEqual(listed.body["tokens"], [{ ...option, ...hidden }, shown]);
    assert.equal((await call(started, "GET", "/api/wal/status", { token: text })).status, 200);

    const revoked = await call(started, "DELETE", `/api/v1/tokens?id=${String(shown["id"])}`);
    assert.deepEqual(revoked.body, { success: true, revoked: shown });
    assert.equal((await call(started, "GET", "/api/wal/status", { token: text })).status, 401);
  });

  test("each right opens its routes and no other; admin opens all", async (context) => {
    const started = await start(context);
    const routes = {
      read: ["GET", "/api/wal/status", undefined],
      write: ["POST", "/write?db=a", "m v=1 1"],
      admin: ["GET", "/api/v1/tokens", undefined],
    } as const;
    for (const right of ["read", "write", "admin"] as const) {
      const token = await create(started, [right]);
      for (const needed of ["read", "write", "admin"] as const) {
        const [method, path, body] = routes[needed];
        const answer = await call(
          started,
          method,
          path,
          body === undefined ? { token } : { token, body },
        );
        const isAllowed = right === needed || right === "admin";
        assert.equal(answer.status < 300, isAllowed, `${right} on ${needed}: ${answer.status}`);
        if (!isAllowed) assert.equal(answer.body["code"], "SERVER_FORBIDDEN");
      }
    }
  });

  test("refuses bodies and ids that make no sense", async (context) => {
    const started = await start(context);
    for (const body of ["", "{", "[]", '{"name":"x"}', '{"name":"x","rights":["root"]}']) {
      const answer = await call(started, "POST", "/api/v1/tokens", { body });
      assert.equal(answer.body["code"], "SERVER_INVALID_REQUEST", body);
    }
    const codeOf = async (query: string): Promise<unknown> =>
      (await call(started, "DELETE", `/api/v1/tokens${query}`)).body["code"];
    assert.equal(await codeOf(""), "SERVER_INVALID_REQUEST");
    assert.equal(await codeOf("?id=option"), "SERVER_INVALID_REQUEST");
    assert.equal(await codeOf("?id=local"), "SERVER_NOT_FOUND");
    assert.equal(await codeOf("?id=000000000000"), "SERVER_NOT_FOUND");
  });

  test("a token is in no log line, error or metric, whatever is done with it", async (context) => {
    const started = await start(context);
    const token = await create(started, ["write"]);
    const seen: string[] = [];
    const paths = ["/write?db=a", `/write?db=a&p=${token}`, `/nothing?p=${token}`, "/api/v1/query"];
    for (const path of paths) {
      const answer = await call(started, "POST", path, { token, body: "m v=oops 1" });
      seen.push(JSON.stringify(answer.body), JSON.stringify([...answer.headers]));
    }
    seen.push(JSON.stringify((await call(started, "GET", "/api/v1/tokens")).body));
    seen.push(await (await fetch(`${started.server.url}/metrics`)).text(), ...started.lines);
    const secret = token.slice(-43);
    assert.deepEqual(
      seen.filter((text) => text.includes(secret) || text.includes(ADMIN)),
      [],
    );
  });
});
