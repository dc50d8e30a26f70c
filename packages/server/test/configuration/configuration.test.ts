import assert from "node:assert/strict";
import { suite, test } from "node:test";
import {
  parseConfigurationFile,
  type ConfigurationFile,
} from "../../src/configuration/configuration-file.ts";
import {
  givenValues,
  originText,
  resolveConfiguration,
  unknownVariables,
  type Configuration,
} from "../../src/configuration/configuration.ts";
import { variableOf, type OptionSpec } from "../../src/options/option-row.ts";
import { SERVER_OPTION_TABLE } from "../../src/server-option-table.ts";

function fileOf(text: string): ConfigurationFile {
  const entries = parseConfigurationFile("walnut.toml", text);
  return { path: "walnut.toml", entries, isReadableByOthers: false };
}

function resolve(
  toml: string,
  others: {
    readonly variables?: Record<string, string>;
    readonly flags?: Record<string, string>;
  } = {},
): Configuration {
  return resolveConfiguration({
    table: SERVER_OPTION_TABLE,
    file: fileOf(toml),
    variables: others.variables ?? {},
    flags: others.flags ?? {},
  });
}

function valuesOf(configuration: Configuration): unknown {
  assert.deepEqual(configuration.problems, []);
  return givenValues(configuration.settings);
}

function placesOf({ problems }: Configuration): readonly string[] {
  return problems.map(({ place, key }) => `${place} ${key}`);
}

suite("resolveConfiguration", () => {
  test("reads the log's section as users of other systems have it", () => {
    const toml = `
      [wal]
      enabled = true
      sync_mode = "fdatasync"    # recommended
      max_size_mb = 100          # rotate at 100 MB
      max_age_seconds = 3600`;
    assert.deepEqual(valuesOf(resolve(toml)), {
      walEnabled: true,
      durability: "fdatasync",
      segmentSizeBytes: 100 * 1_024 * 1_024,
      segmentMaxAgeMs: 3_600_000,
    });
  });

  test("reads the variables of other systems", () => {
    const variables = {
      WAL_ENABLED: "false",
      WAL_SYNC_MODE: "async",
      WAL_MAX_SIZE_MB: "0.5",
      WAL_MAX_AGE_SECONDS: "60",
    };
    assert.deepEqual(valuesOf(resolve("", { variables })), {
      walEnabled: false,
      durability: "async",
      segmentSizeBytes: 524_288,
      segmentMaxAgeMs: 60_000,
    });
  });

  test("prefers the flag to the variable, the variable to the file, the file to the default", () => {
    const toml = "[server]\nport = 1\nhost = 'a'\n[flush]\nrows = 5\n";
    const configuration = resolve(toml, {
      variables: { WALNUT_PORT: "2", WALNUT_HOST: "b", WALNUT_FLUSH_AGE_MS: "" },
      flags: { port: "3" },
    });
    assert.deepEqual(valuesOf(configuration), { port: 3, host: "b", flushRows: 5 });
    const origins = new Map(
      configuration.settings.map(({ spec, origin }) => [spec.name, originText(origin)]),
    );
    assert.equal(origins.get("port"), "--port");
    assert.equal(origins.get("host"), "WALNUT_HOST");
    assert.equal(origins.get("flushRows"), "walnut.toml:5");
    assert.equal(origins.get("flushAgeMs"), "default");
  });

  test("reads every option from its variable, its flag and its key", () => {
    for (const spec of SERVER_OPTION_TABLE) {
      const [text, toml] = example(spec);
      const file = `${spec.toml} = ${toml}`;
      const expected = resolve(file);
      assert.deepEqual(Object.keys(valuesOf(expected) as object), [spec.name]);
      const fromVariable = resolve("", { variables: { [variableOf(spec)]: text } });
      assert.deepEqual(valuesOf(fromVariable), valuesOf(expected));
      assert.deepEqual(valuesOf(resolve("", { flags: { [spec.name]: text } })), valuesOf(expected));
    }
  });

  test("names every wrong key at once, with its line", () => {
    const toml = `
[server]
prot = 8000
port = "8000"

[wal]
sync_mode = "sometimes"
max_size_mb = 5000

[wall]
enabled = true

[empty]
`;
    const configuration = resolve(toml, { variables: { WALNUT_FLUSH_ROWS: "many" } });
    assert.deepEqual(placesOf(configuration), [
      "WALNUT_FLUSH_ROWS flush.rows",
      "walnut.toml:3 server.prot",
      "walnut.toml:4 server.port",
      "walnut.toml:7 wal.sync_mode",
      "walnut.toml:8 wal.max_size_mb",
      "walnut.toml:11 wall.enabled",
      "walnut.toml:13 empty",
    ]);
    const texts = configuration.problems.map(({ message }) => message);
    assert.match(texts[1] ?? "", /8000.*nearest: server\.port/);
    assert.match(texts[3] ?? "", /one of fsync, fdatasync/);
    assert.match(texts[4] ?? "", /0\.0625 to 1,024/);
    assert.match(texts[5] ?? "", /nearest: wal\.enabled/);
  });

  test("refuses text that is no number, no boolean, and numbers out of range", () => {
    for (const text of ["x", "1.5", "-1", "1e3", "0x10", " 1", "99999999999999999", "65536"]) {
      assert.equal(resolve("", { flags: { port: text } }).problems.length, 1, text);
    }
    assert.equal(resolve("", { flags: { publicMetrics: "yes" } }).problems.length, 1);
    assert.equal(resolve("", { flags: { host: "" } }).problems.length, 1);
    assert.equal(resolve("[server]\nport = 1979-05-27\nhost = [1]").problems.length, 2);
  });

  test("refuses one option by two names in one place, and takes the better place of two", () => {
    const twice = "[wal]\nmax_size_mb = 1\nsegment_size_bytes = 1048576\n";
    assert.deepEqual(placesOf(resolve(twice)), ["walnut.toml:2 wal.max_size_mb"]);
    const variables = { WAL_MAX_SIZE_MB: "2" };
    assert.deepEqual(valuesOf(resolve("wal.segment_size_bytes = 1048576", { variables })), {
      segmentSizeBytes: 2_097_152,
    });
  });

  test("never repeats a secret, right or wrong, nor what may be one under a wrong name", () => {
    const secrets = [
      "[auth]\ntoken = 'two words hush'",
      "[auth]\ntokne = 'hush'",
      "password = 'hush'",
    ];
    for (const toml of secrets) {
      const { problems } = resolve(toml);
      assert.equal(problems.length, 1, toml);
      assert.doesNotMatch(JSON.stringify(problems), /hush/);
    }
    const { problems } = resolve("", { variables: { WALNUT_TOKEN: "two words hush" } });
    assert.doesNotMatch(JSON.stringify(problems), /hush/);
  });

  test("works for any table", () => {
    const table: readonly OptionSpec<"target">[] = [
      { name: "target", kind: "text", toml: "forward.to.url", flag: "to", summary: "where to" },
    ];
    const file = fileOf("[forward.to]\nurl = 'x'\n");
    const { settings, problems } = resolveConfiguration({ table, file, variables: {}, flags: {} });
    assert.deepEqual(problems, []);
    assert.deepEqual(givenValues(settings), { target: "x" });
  });
});

suite("unknownVariables", () => {
  test("finds variables that look like ours and are not", () => {
    const variables = { WALNUT_PORT: "1", WALNUT_PROT: "1", HOME: "/", WALNUT_CONFIG: "x" };
    const options = { prefix: "WALNUT_", others: ["WALNUT_CONFIG"] };
    assert.deepEqual(unknownVariables(SERVER_OPTION_TABLE, variables, options), ["WALNUT_PROT"]);
  });
});

/** A value that the option may have, as text and as TOML. */
function example(spec: OptionSpec): readonly [text: string, toml: string] {
  switch (spec.kind) {
    case "integer":
      return [String(spec.min), String(spec.min)];
    case "boolean":
      return ["true", "true"];
    case "choice":
      return [spec.choices[0] ?? "", JSON.stringify(spec.choices[0])];
    case "text":
    case "secret":
      return ["abc", '"abc"'];
  }
}
