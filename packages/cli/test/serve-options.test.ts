import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { SERVER_OPTION_TABLE, ServerError, variableOf } from "@walnut/server";
import { readServeOptions, unknownVariables } from "../src/serve-options.ts";

function isInvalidOption(error: unknown): boolean {
  return error instanceof ServerError && error.code === "SERVER_INVALID_OPTION";
}

suite("readServeOptions", () => {
  test("reads every kind of option from flags", () => {
    const flags = { port: "9000", host: "::1", publicMetrics: "false", durability: "async" };
    assert.deepEqual(readServeOptions(flags, {}), {
      port: 9_000,
      host: "::1",
      publicMetrics: false,
      durability: "async",
    });
  });

  test("reads every option from its variable", () => {
    for (const spec of SERVER_OPTION_TABLE) {
      const text = spec.kind === "integer" ? "7" : spec.kind === "boolean" ? "true" : "text";
      const options = readServeOptions({}, { [variableOf(spec)]: text });
      assert.deepEqual(Object.keys(options), [spec.name]);
    }
  });

  test("prefers the flag to the variable, and takes an empty variable for unset", () => {
    const environment = { WALNUT_PORT: "1", WALNUT_HOST: "", WALNUT_DATA_DIR: "/d" };
    assert.deepEqual(readServeOptions({ port: "2" }, environment), {
      port: 2,
      dataDirectory: "/d",
    });
  });

  test("refuses text that is no number and no boolean", () => {
    for (const text of ["", "x", "1.5", "-1", "1e3", "0x10", " 1", "99999999999999999"]) {
      assert.throws(() => readServeOptions({ port: text }, {}), isInvalidOption, text);
    }
    assert.throws(() => readServeOptions({ publicMetrics: "yes" }, {}), isInvalidOption);
  });

  test("does not repeat a token in a message", () => {
    const options = readServeOptions({}, { WALNUT_TOKEN: "secret" });
    assert.deepEqual(options, { token: "secret" });
  });
});

suite("unknownVariables", () => {
  test("finds variables that look like ours and are not", () => {
    const environment = { WALNUT_PORT: "1", WALNUT_PROT: "1", HOME: "/", WALNUT_DATADIR: "x" };
    assert.deepEqual(unknownVariables(environment), ["WALNUT_DATADIR", "WALNUT_PROT"]);
  });
});
