import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { ServerError } from "../src/errors.ts";
import { resolveServerOptions } from "../src/resolve-server-options.ts";
import { variableOf } from "../src/options/option-row.ts";
import { DEFAULT_SERVER_OPTIONS, SERVER_OPTION_TABLE } from "../src/server-option-table.ts";

function refuses(options: Record<string, unknown>, option: string): void {
  assert.throws(
    () => resolveServerOptions(options),
    (error: unknown) =>
      error instanceof ServerError &&
      error.code === "SERVER_INVALID_OPTION" &&
      error.details["option"] === option,
    `expected a refusal that names ${option}`,
  );
}

suite("resolveServerOptions", () => {
  test("fills in every default", () => {
    const resolved = resolveServerOptions({});
    for (const [name, value] of Object.entries(DEFAULT_SERVER_OPTIONS)) {
      assert.equal(resolved[name as keyof typeof resolved], value, name);
    }
    assert.equal(resolved.token, undefined);
    assert.equal(Object.isFrozen(resolved), true);
  });

  test("takes undefined for left out", () => {
    assert.equal(resolveServerOptions({ port: undefined }).port, DEFAULT_SERVER_OPTIONS.port);
  });

  test("refuses unknown keys", () => refuses({ prot: 8000 }, "prot"));

  test("accepts both ends of every range and refuses one step beyond", () => {
    const roomy = { maxInFlightBytes: 2 ** 36, requestTimeoutMs: 3_600_000, headersTimeoutMs: 100 };
    for (const spec of SERVER_OPTION_TABLE) {
      if (spec.kind !== "integer") continue;
      refuses({ [spec.name]: spec.max + 1 }, spec.name);
      refuses({ [spec.name]: spec.min - 1 }, spec.name);
      refuses({ [spec.name]: spec.min + 0.5 }, spec.name);
      refuses({ [spec.name]: String(spec.min) }, spec.name);
      if (/InFlightBytes$|TimeoutMs$/.test(spec.name)) continue; // Related to others.
      assert.equal(resolveServerOptions({ ...roomy, [spec.name]: spec.min })[spec.name], spec.min);
      assert.equal(resolveServerOptions({ ...roomy, [spec.name]: spec.max })[spec.name], spec.max);
    }
  });

  test("refuses what is no choice, no text, no boolean", () => {
    refuses({ durability: "sometimes" }, "durability");
    refuses({ recovery: "salvage" }, "recovery");
    refuses({ host: "" }, "host");
    refuses({ dataDirectory: "" }, "dataDirectory");
    refuses({ publicMetrics: "yes" }, "publicMetrics");
  });

  test("refuses tokens that no header can carry, without repeating them", () => {
    for (const token of ["", "two words", "line\nbreak", "grün", "x".repeat(1_025)]) {
      refuses({ token }, "token");
    }
    assert.throws(
      () => resolveServerOptions({ token: "secret words" }),
      (error: unknown) => error instanceof Error && !error.message.includes("secret"),
    );
    assert.equal(resolveServerOptions({ token: "x".repeat(1_024) }).token?.length, 1_024);
  });

  test("refuses limits that contradict each other", () => {
    refuses(
      { maxBodyBytes: 2_048, maxDecodedBodyBytes: 2_048, maxInFlightBytes: 4_095 },
      "maxInFlightBytes",
    );
    refuses({ requestTimeoutMs: 1_000, headersTimeoutMs: 1_001 }, "headersTimeoutMs");
    const wait = { writesDuringRecovery: "wait", requestTimeoutMs: 20_000 };
    refuses({ ...wait, recoveryWaitMs: 20_000 }, "recoveryWaitMs");
  });
});

suite("wal.enabled", () => {
  test("false is level off, and level off is false", () => {
    const disabled = resolveServerOptions({ walEnabled: false, durability: "fsync" });
    assert.equal(disabled.durability, "off");
    assert.equal(resolveServerOptions({ durability: "off" }).walEnabled, false);
    assert.equal(resolveServerOptions({ walEnabled: true }).durability, "fdatasync");
  });
});

suite("SERVER_OPTION_TABLE", () => {
  test("gives every option a default or says in words what happens without one", () => {
    for (const spec of SERVER_OPTION_TABLE) {
      assert.notEqual(spec.default === undefined, spec.defaultText === undefined, spec.name);
      if (spec.default !== undefined) {
        assert.equal(resolveServerOptions({ [spec.name]: spec.default })[spec.name], spec.default);
      }
    }
    const resolved = resolveServerOptions({});
    const open = SERVER_OPTION_TABLE.filter((spec) => resolved[spec.name] === undefined);
    const expected = SERVER_OPTION_TABLE.filter((spec) => !(spec.name in DEFAULT_SERVER_OPTIONS));
    assert.deepEqual(open, expected);
  });

  test("uses every key, flag and variable once, other spellings included", () => {
    const keys = SERVER_OPTION_TABLE.flatMap(({ toml, spellings = [] }) => [
      toml,
      ...spellings.map((spelling) => spelling.toml),
    ]).filter((key) => key !== undefined);
    assert.deepEqual(keys, [...new Set(keys)]);
    for (const key of keys) assert.match(key, /^[a-z0-9_]+(\.[a-z0-9_]+)+$/);
    const variables = SERVER_OPTION_TABLE.flatMap((spec) => [
      variableOf(spec),
      ...(spec.spellings ?? []).map((spelling) => spelling.variable),
    ]).filter((name) => name !== undefined);
    assert.deepEqual(variables, [...new Set(variables)]);
  });
});
