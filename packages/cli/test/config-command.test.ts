import assert from "node:assert/strict";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { suite, test, type TestContext } from "node:test";
import { stripVTControlCharacters } from "node:util";
import { DEFAULT_SERVER_OPTIONS, SERVER_OPTION_TABLE } from "@walnut/server";
import { EXIT_OK, EXIT_USAGE } from "../src/exit-code.ts";
import { exampleConfiguration } from "../src/config-command.ts";
import { runCli } from "../src/run-cli.ts";
import { RecordedEnvironment } from "./recorded-environment.ts";

async function fileWith(context: TestContext, toml: string): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), "walnut-config-"));
  context.after(() => rm(directory, { recursive: true, force: true }));
  const path = join(directory, "walnut.toml");
  await writeFile(path, toml, { mode: 0o600 });
  return path;
}

async function config(
  words: readonly string[],
  variables: Record<string, string> = {},
): Promise<{ readonly code: number; readonly environment: RecordedEnvironment }> {
  const environment = new RecordedEnvironment({ variables });
  const code = await runCli(["config", ...words], environment);
  return { code, environment };
}

suite("walnut config", () => {
  test("prints every option with its value and where it comes from", async (context) => {
    const path = await fileWith(context, "[wal]\nsync_mode = 'async'\n[auth]\ntoken = 'hush'\n");
    const variables = { WALNUT_CONFIG: path, WALNUT_FLUSH_ROWS: "7" };
    const { code, environment } = await config(["--port", "9000"], variables);
    assert.equal(code, EXIT_OK);
    const rows = environment.out.split("\n");
    for (const { toml } of SERVER_OPTION_TABLE) {
      assert.equal(rows.filter((text) => text.startsWith(`${toml} `)).length, 1, toml);
    }
    function row(key: string): string {
      return rows.find((text) => text.startsWith(`${key} `))?.replaceAll(/ {2,}/g, "|") ?? "";
    }
    assert.equal(row("wal.sync_mode"), `wal.sync_mode|async|${path}:2`);
    assert.equal(row("flush.rows"), "flush.rows|7 rows|WALNUT_FLUSH_ROWS");
    assert.equal(row("server.port"), "server.port|9000|--port");
    assert.equal(row("server.host"), "server.host|127.0.0.1|default");
    assert.equal(row("auth.token"), `auth.token|(hidden)|${path}:4`);
    assert.doesNotMatch(environment.out + environment.err, /hush/);
  });

  test("refuses certificates that serve would refuse, with their key", async (context) => {
    const toml = "[server]\ntls_cert = 'tlsCert.pem'\ntls_key = 'key.pem'\n";
    const path = await fileWith(context, toml);
    const missing = await config(["--check", "--config", path]);
    assert.equal(missing.code, EXIT_USAGE);
    assert.ok(missing.environment.err.includes(`${path}:2: server.tls_cert tlsCert.pem `));
    const empty = await config(["--check", "--config", path, "--tls-cert", "/dev/null"]);
    assert.equal(empty.code, EXIT_USAGE);
  });

  test("fits a terminal and still says where each value is from", async (context) => {
    const path = await fileWith(context, `[storage]\ndata_dir = "/${"long/".repeat(40)}"\n`);
    const environment = new RecordedEnvironment({ isTTY: true, columns: 140 });
    assert.equal(await runCli(["config", "--config", path], environment), EXIT_OK);
    const [, , ...lines] = stripVTControlCharacters(environment.out).trimEnd().split("\n");
    for (const line of lines) {
      assert.ok(line.length <= 140, line);
      assert.match(line, /(from|default|:2)$/);
    }
  });

  test("prints JSON, without secrets", async (context) => {
    const path = await fileWith(context, "[auth]\ntoken = 'hush'\n");
    const { code, environment } = await config(["--json", "--config", path]);
    assert.equal(code, EXIT_OK);
    assert.equal(environment.json.file, path);
    const token = environment.json.settings.find(
      (each: { key: string }) => each.key === "auth.token",
    );
    assert.deepEqual(token, {
      key: "auth.token",
      option: "token",
      value: null,
      isSet: true,
      origin: { kind: "file", path, line: 2 },
    });
    assert.doesNotMatch(environment.out, /hush/);
  });

  test("--check prints nothing when the server would start, and what is wrong when not", async (context) => {
    const good = await config(["--check"]);
    assert.deepEqual([good.code, good.environment.out, good.environment.err], [EXIT_OK, "", ""]);
    const path = await fileWith(context, "[server]\nprot = 1\n[flush]\nrows = 0\n");
    const bad = await config(["--check", "--config", path]);
    assert.equal(bad.code, EXIT_USAGE);
    assert.equal(bad.environment.out, "");
    assert.match(
      bad.environment.err,
      /walnut\.toml:2: server\.prot[^]*walnut\.toml:4: flush\.rows/,
    );
  });

  test("walnut serve does not start with what walnut config calls wrong", async (context) => {
    const path = await fileWith(context, "[server]\nprot = 1\n[flush]\nrows = 0\n");
    const environment = new RecordedEnvironment({ variables: { WALNUT_CONFIG: path } });
    assert.equal(await runCli(["serve"], environment), EXIT_USAGE);
    assert.match(environment.err, /walnut\.toml:2: [^]*walnut\.toml:4: [^]*SERVER_INVALID_OPTION/);
    const missing = new RecordedEnvironment();
    assert.equal(await runCli(["serve", "--config", `${path}.no`], missing), EXIT_USAGE);
  });

  test("finds limits that contradict each other, by the names that the person used", async (context) => {
    const path = await fileWith(context, "[limits]\nmax_in_flight_bytes = 4096\n");
    const { code, environment } = await config(["--config", path]);
    assert.equal(code, EXIT_USAGE);
    assert.match(environment.err, /:2: limits\.max_in_flight_bytes .*limits\.max_body_bytes/);
    assert.doesNotMatch(environment.err, /maxBodyBytes/);
  });

  test("does not guess whether there is a log when two places disagree", async (context) => {
    const off = await fileWith(context, "[wal]\nenabled = false\nsync_mode = 'fsync'\n");
    const one = await config(["--config", off]);
    assert.equal(one.code, EXIT_OK, "one place: not enabled wins");
    assert.match(one.environment.err, /no log is kept/);
    assert.equal((await config(["--config", off, "--durability", "fsync"])).code, EXIT_USAGE);
    assert.equal((await config(["--config", off, "--durability", "off"])).code, EXIT_OK);
    assert.equal((await config(["--config", off], { WAL_ENABLED: "true" })).code, EXIT_OK);
    const on = await fileWith(context, "[wal]\nenabled = true\nsync_mode = 'off'\n");
    assert.equal((await config(["--config", on])).code, EXIT_USAGE);
  });

  test("warns of variables that have no effect and of secrets that others can read", async (context) => {
    const path = await fileWith(context, "[auth]\ntoken = 'hush'\n");
    await writeFile(`${path}.open`, "[auth]\ntoken = 'hush'\n", { mode: 0o644 });
    const { code, environment } = await config(["--config", `${path}.open`], { WALNUT_PROT: "1" });
    assert.equal(code, EXIT_OK);
    assert.match(environment.err, /WALNUT_PROT/);
    assert.match(environment.err, /chmod 600/);
    assert.doesNotMatch((await config(["--config", path])).environment.err, /chmod/);
  });
});

suite("walnut config --example", () => {
  test("is deploy/walnut.toml (UPDATE=1 rewrites it)", async () => {
    const url = new URL("../../../deploy/walnut.toml", import.meta.url);
    const { code, environment } = await config(["--example"]);
    assert.equal(code, EXIT_OK);
    assert.equal(environment.out, exampleConfiguration());
    if (process.env["UPDATE"] === "1") await writeFile(url, environment.out);
    assert.equal(await readFile(url, "utf8"), environment.out);
  });

  test("changes nothing as it stands, and gives the defaults when its keys are put into force", async (context) => {
    const asItStands = await fileWith(context, exampleConfiguration());
    const unchanged = await config(["--json", "--config", asItStands]);
    assert.equal(unchanged.code, EXIT_OK);
    const values = unchanged.environment.json.settings as { origin: { kind: string } }[];
    assert.deepEqual(
      values.filter(({ origin }) => origin.kind !== "default"),
      [],
    );
    // Options without a default have nothing that could be put into force.
    const inForce = exampleConfiguration().replaceAll(
      /^(# (?!without it:).*\n)#([a-z0-9_]+ = )/gm,
      "$1$2",
    );
    const { code, environment } = await config([
      "--json",
      "--config",
      await fileWith(context, inForce),
    ]);
    assert.equal(code, EXIT_OK, environment.err);
    for (const setting of environment.json.settings) {
      const expected =
        DEFAULT_SERVER_OPTIONS[setting.option as keyof typeof DEFAULT_SERVER_OPTIONS];
      assert.equal(setting.origin.kind, expected === undefined ? "default" : "file", setting.key);
      assert.equal(setting.value ?? undefined, expected, setting.key);
    }
  });
});

suite("docs/configuration.md", () => {
  test("has recipes that are accepted as they stand", async (context) => {
    const document = await readFile(
      new URL("../../../docs/configuration.md", import.meta.url),
      "utf8",
    );
    const recipes = [...document.matchAll(/^<!-- recipe: (\w+) -->\n```toml\n([^]*?)^```$/gm)];
    assert.ok(recipes.length >= 5);
    for (const [, name = "", toml = ""] of recipes) {
      const { code, environment } = await config(["--config", await fileWith(context, toml)]);
      assert.equal(code, EXIT_OK, `${name}: ${environment.err}`);
    }
  });

  test("shows mistakes as they are told", async (context) => {
    const toml = '\n[server]\nprot = 8000\n\n\n[wal]\nsync_mode = "sometimes"\n';
    const path = await fileWith(context, toml);
    const { environment } = await config(["--config", path], { WALNUT_FLUSH_ROWS: "many" });
    const document = await readFile(
      new URL("../../../docs/configuration.md", import.meta.url),
      "utf8",
    );
    const lines = environment.err.trimEnd().replaceAll(path, "walnut.toml").split("\n");
    assert.equal(lines.length, 4);
    for (const line of lines) assert.ok(document.includes(line), line);
  });
});
