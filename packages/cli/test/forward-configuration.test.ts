/** The configuration of `walnut forward`: one loader and one file with `walnut serve`, names of other agents, what is wrong. */
import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { suite, test, type TestContext } from "node:test";
import { ServerError } from "@walnut/server";
import { loadForwardConfiguration } from "../src/forward-configuration.ts";
import { FORWARD_OPTION_TABLE } from "../src/forward-options.ts";
import { loadServeConfiguration } from "../src/serve-configuration.ts";

const NO_FLAGS = { config: undefined, options: {} };
const TO = { WALNUT_FORWARD_TO: "http://db:8000" };

async function fileWith(context: TestContext, text: string): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "walnut-forward-"));
  context.after(() => rm(folder, { recursive: true }));
  const path = join(folder, "walnut.toml");
  await writeFile(path, text, { mode: 0o600 });
  return path;
}

suite("configuration of walnut forward", () => {
  test("has the path of the spool from [forward.wal], beside the server's sections", async (context) => {
    const text =
      '[server]\nport = 1\n[forward]\nto = "http://a"\n[forward.wal]\n  path = "/mnt/wal-ramdisk"\n';
    const config = await fileWith(context, text);
    const { agent } = await loadForwardConfiguration({ config, options: {} }, {});
    assert.equal(agent.spool.directory, "/mnt/wal-ramdisk");
    assert.equal(agent.to, "http://a");
    assert.equal(agent.listen, "127.0.0.1:9529");
    const serve = await loadServeConfiguration({ config, options: {} }, TO);
    assert.deepEqual([serve.problems, serve.warnings], [[], []]);
  });

  for (const variable of ["WALNUT_FORWARD_WAL_PATH", "ENV_DATAWAY_WAL_PATH"]) {
    test(`has it from ${variable}`, async () => {
      const variables = { ...TO, [variable]: "/var/lib/walnut/ramdisk" };
      const { agent } = await loadForwardConfiguration(NO_FLAGS, variables);
      assert.equal(agent.spool.directory, "/var/lib/walnut/ramdisk");
    });
  }

  test("takes capacity in GiB and categories that must not drop, as other agents name them", async () => {
    const { agent } = await loadForwardConfiguration(NO_FLAGS, {
      ...TO,
      ENV_DATAWAY_WAL_CAPACITY: "0.5",
      ENV_DATAWAY_WAL_NO_DROP_CATEGORIES: "logging, security",
    });
    assert.equal(agent.spool.maxBytesPerCategory, 512 * 1024 * 1024);
    const kept = agent.spool.categories?.flatMap((one) =>
      typeof one !== "string" && one.whenFull === "never-drop" ? [one.name] : [],
    );
    assert.deepEqual(kept, ["logging", "security"]);
  });

  test("lets flags win", async () => {
    const options = { to: "http://flag", walPath: "/flag", categories: "a,b" };
    const { agent } = await loadForwardConfiguration({ config: undefined, options }, TO);
    assert.deepEqual([agent.to, agent.spool.directory], ["http://flag", "/flag"]);
    assert.deepEqual(agent.spool.categories, [{ name: "a" }, { name: "b" }]);
  });

  const wrong: readonly (readonly [string, Record<string, string>])[] = [
    ["forward.to", {}],
    ["forward.workers", { ...TO, WALNUT_FORWARD_WORKERS: "many" }],
    ["forward.wal.when_full", { ...TO, WALNUT_FORWARD_WAL_WHEN_FULL: "explode" }],
    ["forward.ca_file", { ...TO, WALNUT_FORWARD_CA_FILE: "/nowhere/ca.pem" }],
    ["forward.wal.no_drop_categories", { ...TO, WALNUT_FORWARD_WAL_NO_DROP_CATEGORIES: "loging" }],
  ];
  for (const [option, variables] of wrong) {
    test(`names ${option} when it is wrong`, async () => {
      await assert.rejects(loadForwardConfiguration(NO_FLAGS, variables), (error) => {
        assert.ok(error instanceof ServerError);
        assert.deepEqual([error.code, error.details["option"]], ["SERVER_INVALID_OPTION", option]);
        return true;
      });
    });
  }

  test("refuses keys that nobody knows, and warns of variables", async (context) => {
    const config = await fileWith(context, "[forward]\npth = 1\n");
    await assert.rejects(
      loadForwardConfiguration({ config, options: {} }, TO),
      (error) => error instanceof ServerError && error.code === "SERVER_INVALID_OPTION",
    );
    const { warnings } = await loadForwardConfiguration(NO_FLAGS, {
      ...TO,
      WALNUT_FORWARD_PTH: "1",
    });
    assert.equal(warnings.length, 1);
  });

  test("has one name for one thing", () => {
    for (const key of ["toml", "flag", "variable"] as const) {
      const names = FORWARD_OPTION_TABLE.map((row) => row[key]);
      assert.equal(new Set(names).size, names.length);
    }
    assert.ok(FORWARD_OPTION_TABLE.every((row) => row.variable?.startsWith("WALNUT_FORWARD_")));
  });
});
