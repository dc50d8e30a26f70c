import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { ServerError } from "../../src/errors.ts";
import type { IngestBatch } from "../../src/ingest/table-batch.ts";
import { SchemaRegistry } from "../../src/store/schema-registry.ts";
import { openServer } from "../../src/server.ts";
import { temporaryDirectory } from "../temporary-directory.ts";
import { batch, table } from "./store-fixture.ts";

const LIMITS = { maxTables: 2, maxTableColumns: 3 };

function request(measurement: string, ...fields: readonly string[]): IngestBatch {
  const columns = fields.map((name) => [name, ["float", [1]]] as const);
  return batch(table(`db.${measurement}`, [1n], Object.fromEntries(columns)));
}

function take(registry: SchemaRegistry, found: IngestBatch): void {
  for (const one of registry.admit(found).tables) registry.commit(one);
}

function refusedBy(limit: string): (error: unknown) => boolean {
  return (error) =>
    error instanceof ServerError &&
    error.code === "SERVER_SCHEMA_LIMIT" &&
    error.details["limit"] === limit;
}

suite("schema limits", () => {
  test("refuse a table too many, leave no trace of it, and take rows for those that exist", () => {
    const registry = new SchemaRegistry(LIMITS);
    take(registry, request("a", "x"));
    take(registry, request("b", "x"));
    assert.throws(() => registry.admit(request("c", "x")), refusedBy("maxTables"));
    assert.throws(() => registry.admit(request("c", "x")), refusedBy("maxTables"));
    take(registry, request("a", "x", "y"));
  });

  test("count tables and columns that are only reserved, until they are abandoned", () => {
    const registry = new SchemaRegistry(LIMITS);
    take(registry, request("a", "x"));
    const reserved = registry.admit(request("b", "x", "y"));
    assert.throws(() => registry.admit(request("c", "x")), refusedBy("maxTables"));
    assert.throws(() => registry.admit(request("b", "z", "w")), refusedBy("maxTableColumns"));
    registry.abandon(reserved);
    take(registry, request("c", "x"));
  });

  test("refuse a column too many, and take those that the table has, in any part", () => {
    const registry = new SchemaRegistry(LIMITS);
    take(registry, request("a", "x", "y", "z"));
    assert.throws(() => registry.admit(request("a", "w")), refusedBy("maxTableColumns"));
    assert.throws(
      () => registry.admit(request("b", "1", "2", "3", "4")),
      refusedBy("maxTableColumns"),
    );
    take(registry, request("a", "z"));
    take(registry, request("b", "1", "2", "3"));
  });

  test("answer 400 over HTTP, and a restart with smaller limits keeps what is there", async (context) => {
    const dataDirectory = await temporaryDirectory();
    const options = { port: 0, token: "the-token-of-this-test", dataDirectory };
    const write = async (url: string, body: string): Promise<string | null> => {
      const headers = { authorization: `Bearer ${options.token}` };
      const response = await fetch(`${url}/write?db=d`, { method: "POST", headers, body });
      return response.headers.get("x-walnut-error");
    };
    const first = await openServer({ ...options, maxTables: 2 });
    await first.ready;
    assert.equal(await write(first.url, "a v=1\nb v=1"), null);
    assert.equal(await write(first.url, "a v=1\nc v=1"), "SERVER_SCHEMA_LIMIT");
    await first.close();
    const second = await openServer({ ...options, maxTables: 1 });
    context.after(() => second.close());
    await second.ready;
    assert.equal(await write(second.url, "a v=2\nb v=2"), null);
    assert.equal(await write(second.url, "c v=1"), "SERVER_SCHEMA_LIMIT");
  });
});
