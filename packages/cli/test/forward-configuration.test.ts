/** The configuration of `walnut forward`: one loader and one file with `walnut serve`, names of other agents, what is wrong. */
import assert from "node:assert/strict";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { suite, test, type TestContext } from "node:test";
import { ServerError } from "@walnut/server";
import { loadForwardConfiguration, loadForwardSettings } from "../src/forward-configuration.ts";
import { FORWARD_OPTION_TABLE } from "../src/forward-options.ts";
import { EXIT_OK, EXIT_USAGE } from "../src/exit-code.ts";
import { loadServeConfiguration, serverOptionsOf } from "../src/serve-configuration.ts";
import { run, type CommandResult } from "./log-fixture.ts";

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

  const shared = [
    { text: "[server]\nport = 1\n", listen: undefined, token: undefined },
    { text: '[forward]\nto = "http://a"\n', listen: "127.0.0.1:9529", token: undefined },
    { text: '[forward.wal]\npath = "/spool"\n', listen: "127.0.0.1:9529", token: undefined },
    {
      text: '[forward]\nlisten = "[::1]:1"\nlisten_token = "hush"\n',
      listen: "[::1]:1",
      token: "hush",
    },
  ];
  for (const { text, listen, token } of shared) {
    test(`tells walnut serve where the agent is: ${String(listen)} of ${JSON.stringify(text)}`, async (context) => {
      const config = await fileWith(context, text);
      const serve = await loadServeConfiguration({ config, options: {} }, {});
      const { forwardListen, forwardListenToken } = serverOptionsOf(serve);
      assert.deepEqual([forwardListen, forwardListenToken], [listen, token]);
    });
  }

  test("lets variables and flags of walnut serve say where the agent is", async (context) => {
    const config = await fileWith(context, '[forward]\nto = "http://a"\n');
    const variables = { WALNUT_FORWARD_LISTEN: "127.0.0.1:2", WALNUT_FORWARD_LISTEN_TOKEN: "hush" };
    const serve = await loadServeConfiguration({ config, options: {} }, variables);
    assert.deepEqual(serverOptionsOf(serve), {
      forwardListen: "127.0.0.1:2",
      forwardListenToken: "hush",
    });
    const options = { forwardListen: "9529" };
    const wrong = await loadServeConfiguration({ config: undefined, options }, {});
    assert.deepEqual(
      wrong.problems.map(({ place, key }) => [place, key]),
      [["--forward-listen", "forward.listen"]],
    );
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
    ["forward.to", { WALNUT_FORWARD_TO: "db:8000" }],
    ["forward.listen", { ...TO, WALNUT_FORWARD_LISTEN: "9529" }],
    ["forward.wal.categories", { ...TO, WALNUT_FORWARD_CATEGORIES: "a,.b" }],
    [
      "forward.wal.guaranteed_bytes",
      {
        ...TO,
        WALNUT_FORWARD_WAL_GUARANTEED_BYTES: "100000",
        WALNUT_FORWARD_WAL_MAX_TOTAL_BYTES: "100000",
      },
    ],
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

  test("takes small limits, of which segments are a part", async () => {
    const { problems } = await loadForwardSettings(NO_FLAGS, {
      ...TO,
      WALNUT_FORWARD_WAL_MAX_BYTES_PER_CATEGORY: "65536",
      WALNUT_FORWARD_WAL_MAX_TOTAL_BYTES: "1048576",
      WALNUT_FORWARD_WAL_MAX_DEAD_LETTER_BYTES: "65536",
    });
    assert.deepEqual(problems, []);
  });

  test("has one name for one thing", () => {
    for (const key of ["toml", "flag", "variable"] as const) {
      const names = FORWARD_OPTION_TABLE.map((row) => row[key]);
      assert.equal(new Set(names).size, names.length);
    }
    assert.ok(FORWARD_OPTION_TABLE.every((row) => row.variable?.startsWith("WALNUT_FORWARD_")));
  });
});

suite("walnut forward config", () => {
  async function config(
    words: readonly string[],
    variables: Record<string, string> = {},
  ): Promise<CommandResult> {
    return await run(["forward", "config", ...words], { variables });
  }

  test("prints every option with its value and where it comes from", async (context) => {
    const text = '[forward]\ntoken = "hush"\n[forward.wal]\npath = "/mnt/wal-ramdisk"\n';
    const path = await fileWith(context, text);
    const variables = { WALNUT_CONFIG: path, ENV_DATAWAY_WAL_WORKERS: "7" };
    const { code, environment } = await config(["--to", "http://db:8000"], variables);
    assert.equal(code, EXIT_OK, environment.err);
    const rows = environment.out.split("\n").map((row) => row.replaceAll(/ {2,}/g, "|"));
    for (const { toml } of FORWARD_OPTION_TABLE) {
      assert.equal(rows.filter((row) => row.startsWith(`${toml}|`)).length, 1, toml);
    }
    for (const row of [
      "forward.to|http://db:8000|--to",
      `forward.token|(hidden)|${path}:2`,
      `forward.wal.path|/mnt/wal-ramdisk|${path}:4`,
      "forward.workers|7|ENV_DATAWAY_WAL_WORKERS",
      "forward.listen|127.0.0.1:9529|default",
    ]) {
      assert.ok(rows.includes(row), row);
    }
    assert.doesNotMatch(environment.out + environment.err, /hush/);
  });

  test("--check names what keeps the agent from starting, by file and line", async (context) => {
    const good = await config(["--check", "--to", "http://db:8000"]);
    assert.deepEqual([good.code, good.environment.out, good.environment.err], [EXIT_OK, "", ""]);
    const path = await fileWith(context, '[forward]\nto = "http://db"\nlisten = "here"\n');
    const bad = await config(["--check", "--config", path]);
    assert.equal(bad.code, EXIT_USAGE);
    assert.ok(bad.environment.err.startsWith(`walnut: ${path}:3: forward.listen must be`));
    const started = await run(["forward", "--config", path]);
    assert.equal(started.code, EXIT_USAGE);
    assert.match(started.environment.err, /:3: forward\.listen[^]*SERVER_INVALID_OPTION/);
    const missing = await config(["--json"]);
    assert.equal(missing.code, EXIT_USAGE);
    assert.equal(missing.environment.json.problems[0].key, "forward.to");
  });

  test("--example is deploy/walnut-forward.toml (UPDATE=1 rewrites it), and gives the defaults", async (context) => {
    const url = new URL("../../../deploy/walnut-forward.toml", import.meta.url);
    const { code, environment } = await config(["--example"]);
    assert.equal(code, EXIT_OK);
    if (process.env["UPDATE"] === "1") await writeFile(url, environment.out);
    assert.equal(await readFile(url, "utf8"), environment.out);
    const inForce = environment.out.replaceAll(
      /^(# (?!without it:).*\n)#([a-z0-9_]+ = )/gm,
      "$1$2",
    );
    for (const [text, kind] of [
      [environment.out, "default"],
      [inForce, "file"],
    ] as const) {
      const { settings } = await loadForwardSettings(
        { config: await fileWith(context, text), options: {} },
        TO,
      );
      for (const { spec, value, origin } of settings) {
        if (spec.name === "to") continue;
        assert.equal(origin.kind, spec.default === undefined ? "default" : kind, spec.toml);
        assert.equal(value, spec.default, spec.toml);
      }
    }
  });

  test("is a part of walnut config where the sections are in its file", async (context) => {
    const text = '[forward]\nlisten = "[::1]:1"\n[forward.wal]\npath = "/mnt/wal-ramdisk"\n';
    const path = await fileWith(context, text);
    const { code, environment } = await run(["config", "--config", path]);
    assert.equal(code, EXIT_OK);
    const rows = environment.out.split("\n").filter((row) => row.startsWith("forward."));
    // Where an agent listens is of interest to both, and told once.
    assert.equal(rows.length, 3);
    assert.match(rows[0] ?? "", /^forward\.listen +\[::1\]:1 +.*:2$/);
    assert.match(rows[1] ?? "", /^forward\.listen_token +\(none\) +default$/);
    assert.match(rows[2] ?? "", /^forward\.wal\.path +\/mnt\/wal-ramdisk +.*:4$/);
  });
});
