import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { ServerError } from "../../src/errors.ts";
import type { IngestBatch } from "../../src/ingest/table-batch.ts";
import { SchemaRegistry } from "../../src/store/schema-registry.ts";
import { MAX_TIMESTAMP_NS, MIN_TIMESTAMP_NS } from "../../src/store/timestamp-range.ts";
import { batch, table, type ColumnSpec } from "./store-fixture.ts";

function request(columns: Readonly<Record<string, ColumnSpec>>, name = "db.cpu"): IngestBatch {
  return batch(table(name, [1n], columns));
}

/** A registry whose table db.cpu has one column of each type. */
function registryOf(columns: Readonly<Record<string, ColumnSpec>>): SchemaRegistry {
  const registry = new SchemaRegistry();
  for (const one of registry.admit(request(columns)).tables) registry.commit(one);
  return registry;
}

function refusal(registry: SchemaRegistry, found: IngestBatch): ServerError {
  try {
    registry.admit(found);
  } catch (error) {
    assert.ok(error instanceof ServerError);
    return error;
  }
  assert.fail("admitted");
}

suite("SchemaRegistry", () => {
  test("refuses another type and says which table, column, found and expected type", () => {
    const registry = registryOf({ load: ["float", [1]], host: ["tag", ["a"]] });
    const error = refusal(registry, request({ load: ["string", ["high"]] }));
    assert.equal(error.code, "SERVER_TYPE_CONFLICT");
    assert.deepEqual(error.details, {
      database: "db",
      measurement: "cpu",
      column: "load",
      found: "string",
      expected: "float",
    });
    for (const type of ["float", "integer", "unsigned", "boolean"] as const) {
      assert.equal(refusal(registry, request({ host: [type, [1]] })).code, "SERVER_TYPE_CONFLICT");
    }
    // Another table is another matter.
    registry.admit(request({ load: ["string", ["high"]] }, "db.mem"));
  });

  test("takes integers into a float column when each is exact, and nulls whatever they hide", () => {
    const registry = registryOf({ load: ["float", [1]] });
    for (const type of ["integer", "unsigned"] as const) {
      const big = 2n ** 60n;
      const times = [1n, 2n, 3n];
      const { tables } = registry.admit(
        batch(table("db.cpu", times, { load: [type, [7n, null, big]] })),
      );
      const [column] = tables[0]?.columns ?? [];
      assert.ok(column?.type === "float");
      assert.deepEqual([...column.values], [7, 0, Number(big)]);
      assert.deepEqual([...(column.validity ?? [])], [0b101]);
    }
    const inexact = refusal(registry, request({ load: ["integer", [2n ** 53n + 1n]] }));
    assert.equal(inexact.code, "SERVER_TYPE_CONFLICT");
    assert.match(inexact.message, /9007199254740993/);
    // The other way round a fraction would be lost.
    const integers = registryOf({ load: ["integer", [1]] });
    assert.equal(refusal(integers, request({ load: ["float", [1]] })).code, "SERVER_TYPE_CONFLICT");
    assert.equal(
      refusal(integers, request({ load: ["unsigned", [1]] })).code,
      "SERVER_TYPE_CONFLICT",
    );
  });

  test("takes tags for strings and strings for tags; the first kind stays", () => {
    const registry = registryOf({ host: ["tag", ["a"]] });
    const admitted = registry.admit(request({ host: ["string", ["b"]] }));
    for (const one of admitted.tables) registry.commit(one);
    assert.deepEqual(registry.schema("db\0cpu"), [{ name: "host", type: "tag" }]);
  });

  test("refuses names that SQL does not tell apart, in the table and inside one batch", () => {
    const registry = registryOf({ Host: ["tag", ["a"]] });
    const error = refusal(registry, request({ host: ["tag", ["a"]] }));
    assert.equal(error.code, "SERVER_TYPE_CONFLICT");
    assert.match(error.message, /"host".*"Host"/);
    const both = request({ x: ["tag", ["a"]], X: ["tag", ["a"]] });
    assert.equal(refusal(new SchemaRegistry(), both).code, "SERVER_TYPE_CONFLICT");
    // Only ASCII case is the same to SQL.
    new SchemaRegistry().admit(request({ é: ["float", [1]], É: ["float", [1]] }));
  });

  test("refuses names and times that could be written and not read", () => {
    const registry = new SchemaRegistry();
    const cases: readonly (readonly [IngestBatch, string])[] = [
      [request({ time: ["float", [1]] }), "SERVER_TYPE_CONFLICT"],
      [request({ Time: ["tag", ["x"]] }), "SERVER_TYPE_CONFLICT"],
      [request({ "": ["float", [1]] }), "SERVER_INVALID_REQUEST"],
      [request({ "a\0b": ["float", [1]] }), "SERVER_INVALID_REQUEST"],
      [request({ "a\ud800": ["float", [1]] }), "SERVER_INVALID_REQUEST"],
      [request({ a: ["float", [1]] }, "db."), "SERVER_INVALID_REQUEST"],
      [request({ a: ["float", [1]] }, ".cpu"), "SERVER_INVALID_REQUEST"],
      [request({ a: ["float", [1]] }, "Information_Schema.cpu"), "SERVER_INVALID_REQUEST"],
      [request({ a: ["float", [1]] }, "pg_catalog.cpu"), "SERVER_INVALID_REQUEST"],
    ];
    for (const [found, code] of cases) assert.equal(refusal(registry, found).code, code);
    const times = [
      [MIN_TIMESTAMP_NS, true],
      [MIN_TIMESTAMP_NS - 1n, false],
      [MAX_TIMESTAMP_NS, true],
      [MAX_TIMESTAMP_NS + 1n, false],
      [-(2n ** 63n), false],
      [0n, true],
      [-1n, true],
    ] as const;
    for (const [time, isValid] of times) {
      const found = batch(table("db.cpu", [0n, time], { a: ["float", [1, 2]] }));
      if (isValid) registry.admit(found);
      else assert.equal(refusal(registry, found).code, "SERVER_INVALID_REQUEST", String(time));
    }
  });

  test("reserves what a batch introduces until it is inserted or abandoned", () => {
    const registry = new SchemaRegistry();
    const first = registry.admit(request({ a: ["float", [1]] }));
    const second = registry.admit(request({ a: ["float", [2]] }));
    assert.equal(refusal(registry, request({ a: ["tag", ["x"]] })).code, "SERVER_TYPE_CONFLICT");
    assert.deepEqual(registry.schema("db\0cpu"), [], "reserved columns are not in the table");
    registry.abandon(first);
    assert.equal(refusal(registry, request({ a: ["tag", ["x"]] })).code, "SERVER_TYPE_CONFLICT");
    registry.abandon(second);
    const third = registry.admit(request({ a: ["tag", ["x"]] }));
    for (const one of third.tables) registry.commit(one);
    assert.deepEqual(registry.schema("db\0cpu"), [{ name: "a", type: "tag" }]);
    // Too late to abandon: the column stays.
    registry.abandon(third);
    assert.equal(refusal(registry, request({ a: ["float", [1]] })).code, "SERVER_TYPE_CONFLICT");
  });

  test("refuses a batch as a whole, without a trace", () => {
    const registry = registryOf({ a: ["float", [1]] });
    const mixed = batch(
      table("db.new", [1n], { fresh: ["integer", [1]] }),
      table("db.cpu", [1n], { other: ["integer", [1]], a: ["string", ["x"]] }),
    );
    assert.equal(refusal(registry, mixed).code, "SERVER_TYPE_CONFLICT");
    registry.admit(request({ fresh: ["string", ["x"]] }, "db.new"));
    registry.admit(request({ other: ["string", ["x"]] }));
  });

  test("recognises a log that was never admitted", () => {
    const registry = registryOf({ a: ["float", [1]] });
    const [stranger] = request({ a: ["string", ["x"]] }).tables;
    assert.ok(stranger !== undefined);
    assert.throws(() => registry.commit(stranger), { code: "SERVER_STORAGE_CORRUPT" });
  });
});
