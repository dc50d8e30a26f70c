/** The document against the server that serves it: nothing missing, nothing that is not there, answers as described. */
import assert from "node:assert/strict";
import { suite, test, type TestContext } from "node:test";
import { pack } from "msgpackr";
import { SERVER_ERROR_STATUS, type ServerErrorCode } from "../../../src/errors.ts";
import {
  ERROR_ANSWER,
  OPERATIONS,
  UNDESCRIBED,
} from "../../../src/http/openapi/openapi-document.ts";
import { openServer } from "../../../src/server.ts";
import type { WalnutServer } from "../../../src/walnut-server.ts";
import { temporaryDirectory } from "../../temporary-directory.ts";

const TOKEN = "test-token";

interface DocumentedOperation {
  readonly operationId: string;
  readonly "x-walnut-route": string;
  readonly "x-walnut-right": string;
  readonly summary: string;
  readonly responses: Readonly<Record<string, { readonly description: string }>>;
}

interface ApiDocument {
  readonly openapi: string;
  readonly paths: Readonly<Record<string, Readonly<Record<string, DocumentedOperation>>>>;
}

async function start(context: TestContext): Promise<WalnutServer> {
  const dataDirectory = await temporaryDirectory();
  const server = await openServer({ port: 0, token: TOKEN, dataDirectory, flushAgeMs: 3_600_000 });
  context.after(() => server.close());
  await server.ready;
  return server;
}

async function readDocument(server: WalnutServer): Promise<ApiDocument> {
  const response = await fetch(`${server.url}/api/v1/openapi.json`);
  assert.equal(response.status, 200);
  return (await response.json()) as ApiDocument;
}

function operationsOf(document: ApiDocument): readonly (DocumentedOperation & {
  readonly method: string;
  readonly path: string;
})[] {
  return Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({ ...operation, method, path })),
  );
}

suite("the OpenAPI document", () => {
  test("describes every route, and no route that is not there", async (context) => {
    const documented = operationsOf(await readDocument(await start(context)));
    const undescribed = documented.filter(({ summary }) => summary === UNDESCRIBED.summary);
    assert.deepEqual(
      undescribed.map(({ method, path }) => `${method} ${path}`),
      [],
      "add an operation under src/http/openapi/",
    );
    const names = new Set(documented.map((operation) => operation["x-walnut-route"]));
    assert.deepEqual(
      Object.keys(OPERATIONS).filter((name) => !names.has(name)),
      [],
      "operations without a route",
    );
    const ids = documented.map(({ operationId }) => operationId);
    assert.equal(new Set(ids).size, ids.length);
  });

  test("is true: each path and method is answered, and only with the right that it names", async (context) => {
    const server = await start(context);
    for (const operation of operationsOf(await readDocument(server))) {
      const { method, path } = operation;
      const url = server.url + path.replaceAll(/\{\w+\}/g, "x");
      const response = await fetch(url, { method: method.toUpperCase() });
      await response.arrayBuffer();
      const what = `${method} ${path}`;
      if (operation["x-walnut-right"] !== "public") assert.equal(response.status, 401, what);
      else if (path === "/") assert.ok([200, 404].includes(response.status), what);
      else assert.ok([200, 204].includes(response.status), what);
    }
  });

  test("names each error with its status", async (context) => {
    for (const operation of operationsOf(await readDocument(await start(context)))) {
      for (const [status, { description }] of Object.entries(operation.responses)) {
        for (const code of description.match(/SERVER_[A-Z_]+/g) ?? []) {
          assert.equal(SERVER_ERROR_STATUS[code as ServerErrorCode], Number(status), code);
        }
      }
    }
  });
});

/** Requests that succeed, in an order that makes them meaningful. */
const REQUESTS: readonly (readonly [string, string, (string | Uint8Array)?])[] = [
  ["write_v1", "POST /write?db=d&precision=s", "m,host=a v=1 1"],
  ["write_v2", "POST /api/v2/write?bucket=d", "m,host=a v=2 2"],
  ["write_line_protocol", "POST /api/v1/write/line-protocol", "m v=3 3"],
  [
    "write_messagepack",
    "POST /api/v1/write/msgpack",
    pack({ m: "n", columns: { time: [1_700_000_000_000], v: [1] } }),
  ],
  ["write_collectd", "POST /api/v1/collectd?db=d", "[]"],
  ["query", "POST /api/v1/query", '{"sql":"SELECT * FROM d.m"}'],
  ["influx_query", "GET /query?q=SHOW%20DATABASES"],
  ["ping", "GET /ping"],
  ["ping", "GET /ping?verbose=true"],
  ["health", "GET /health"],
  ["ready", "GET /ready"],
  ["metrics", "GET /metrics"],
  ["openapi", "GET /api/v1/openapi.json"],
  ["overview", "GET /api/v1/overview?tables=3"],
  ["token_list", "GET /api/v1/tokens"],
  ["token_create", "POST /api/v1/tokens", '{"name":"t","rights":["read"]}'],
  ["wal_status", "GET /api/v1/wal/status"],
  ["wal_stats", "GET /api/v1/wal/stats"],
  ["wal_files", "GET /api/v1/wal/files"],
  ["wal_health", "GET /api/v1/wal/health"],
  ["wal_recovery", "GET /api/v1/wal/recovery"],
  ["wal_cursors", "GET /api/v1/wal/cursors"],
  ["wal_rotate", "POST /api/v1/wal/rotate"],
  ["wal_flush", "POST /api/v1/wal/flush"],
  ["wal_verify", "POST /api/v1/wal/verify"],
  ["wal_cleanup", "POST /api/v1/wal/cleanup?dry_run=true&max_age_hours=1.5"],
  ["compaction", "GET /api/v1/compaction"],
  ["compact", "POST /api/v1/compaction"],
  ["retention_set", "PUT /api/v1/retention", '{"rules":[{"database":"old","keep_days":30}]}'],
  ["retention", "GET /api/v1/retention"],
  ["retention_run", "POST /api/v1/retention/run?dry_run=true"],
  ["export", "GET /api/v1/export?db=d&measurement=m"],
  ["export", "GET /api/v1/export?db=d&measurement=m&format=csv"],
  ["delete_measurement", "DELETE /api/v1/databases/d/measurements/m?stop=2"],
  [
    "delete_v2",
    "POST /api/v2/delete?bucket=d",
    '{"start":"1970-01-01T00:00:00Z","stop":"1970-01-02T00:00:00Z"}',
  ],
];

suite("answers of a running server", () => {
  test("have a status and a shape that the document names", async (context) => {
    const server = await start(context);
    for (const [name, request, body] of REQUESTS) {
      const [method = "", target = ""] = request.split(" ");
      const response = await fetch(server.url + target, {
        method,
        headers: { authorization: `Bearer ${TOKEN}` },
        ...(body === undefined ? {} : { body }),
      });
      const text = await response.text();
      const answer = OPERATIONS[name]?.answers.find(({ status }) => status === response.status);
      assert.ok(answer, `${request} ${response.status} ${text}`);
      const type = response.headers.get("content-type") ?? "";
      const content = answer.contents?.find((each) => type.startsWith(each.type));
      if (answer.contents === undefined) assert.equal(text, "", request);
      else assert.ok(content, `${request} ${type}`);
      const parsed = content?.schema?.safeParse(JSON.parse(text));
      assert.ok(parsed?.success !== false, `${request}: ${parsed?.error?.message} in ${text}`);
    }
    const asked = new Set(REQUESTS.map(([name]) => name));
    // Static files; a body that is compressed by snappy is in prometheus-routes.test.ts; a token by its id in token-routes.test.ts.
    const elsewhere = new Set(["console", "write_prometheus", "token_revoke"]);
    const missing = Object.keys(OPERATIONS).filter((name) => !asked.has(name));
    assert.deepEqual(missing.toSorted(), [...elsewhere].toSorted());
  });

  const refused: readonly (readonly [string, string, ServerErrorCode, (string | Uint8Array)?])[] = [
    ["write_v1", "POST /write?db=d", "SERVER_INVALID_LINE", "m v"],
    ["write_v1", "POST /write", "SERVER_INVALID_REQUEST", "m v=1"],
    ["write_messagepack", "POST /api/v1/write/msgpack", "SERVER_INVALID_MESSAGEPACK", "x"],
    ["query", "POST /api/v1/query", "SERVER_INVALID_QUERY", '{"sql":"DROP TABLE x"}'],
    ["query", "POST /api/v1/query", "SERVER_INVALID_REQUEST", "{"],
    ["token_revoke", "DELETE /api/v1/tokens?id=0123456789ab", "SERVER_NOT_FOUND"],
    ["token_create", "POST /api/v1/tokens", "SERVER_INVALID_REQUEST", "{}"],
    ["delete_v2", "POST /api/v2/delete?bucket=d", "SERVER_INVALID_REQUEST", "{}"],
    ["overview", "GET /api/v1/overview?tables=x", "SERVER_INVALID_REQUEST"],
    ["wal_cleanup", "POST /api/wal/cleanup?dry_run=1", "SERVER_INVALID_REQUEST"],
  ];
  for (const [name, request, code, body] of refused) {
    test(`${request} is refused as documented: ${code}`, async (context) => {
      const server = await start(context);
      const [method = "", target = ""] = request.split(" ");
      const response = await fetch(server.url + target, {
        method,
        headers: { authorization: `Bearer ${TOKEN}` },
        ...(body === undefined ? {} : { body }),
      });
      const answer = (await response.json()) as { code: string };
      ERROR_ANSWER.parse(answer);
      assert.equal(answer.code, code);
      const documented = operationsOf(await readDocument(server)).find(
        (operation) => operation["x-walnut-route"] === name,
      );
      assert.ok(documented?.responses[response.status]?.description.includes(code));
    });
  }
});
