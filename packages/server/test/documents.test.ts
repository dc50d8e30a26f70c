/** Keeps docs/configuration.md, docs/metrics.md and docs/http-api.md true to the code. */
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { suite, test } from "node:test";
import { SERVER_ERROR_STATUS } from "../src/errors.ts";
import { SERVER_OPTION_TABLE, type ServerOptionSpec } from "../src/server-option-table.ts";
import { DEFAULT_SERVER_OPTIONS } from "../src/server-options.ts";
import { openServer } from "../src/server.ts";
import { temporaryDirectory } from "./temporary-directory.ts";

async function readDocument(name: string): Promise<string> {
  return readFile(new URL(`../../../docs/${name}`, import.meta.url), "utf8");
}

function number(value: number): string {
  return value.toLocaleString("en-US");
}

/** The row of the table in docs/configuration.md. */
function configurationRow(spec: ServerOptionSpec): string {
  const variable = `WALNUT_${spec.flag.replaceAll("-", "_").toUpperCase()}`;
  const value = spec.name === "token" ? "made on the first run" : DEFAULT_SERVER_OPTIONS[spec.name];
  const standard = typeof value === "number" ? number(value) : String(value);
  const cells = [
    `\`${spec.name}\``,
    `\`--${spec.flag}\``,
    `\`${variable}\``,
    standard,
    rangeOf(spec),
    spec.kind === "integer" ? spec.unit : "",
  ];
  return `| ${cells.join(" | ")} |`;
}

function rangeOf(spec: ServerOptionSpec): string {
  switch (spec.kind) {
    case "integer":
      return `${number(spec.min)} to ${number(spec.max)}`;
    case "choice":
      return spec.choices.join(", ");
    case "boolean":
      return "true, false";
    case "secret":
      return "1 to 1,024 printable ASCII characters, no spaces";
    case "text":
      return "not empty";
  }
}

suite("docs/configuration.md", () => {
  test("has the row of every option", async () => {
    const text = await readDocument("configuration.md");
    const missing = SERVER_OPTION_TABLE.map(configurationRow).filter((row) => !text.includes(row));
    assert.deepEqual(missing, []);
  });
});

suite("docs/metrics.md", () => {
  test("has the row of every metric and no other", async (context) => {
    const server = await openServer({ port: 0, dataDirectory: await temporaryDirectory() });
    context.after(() => server.close());
    await server.ready;
    const exposition = await (await fetch(`${server.url}/metrics`)).text();
    const rows = [...exposition.matchAll(/^# HELP (\S+) (.*)\n# TYPE \S+ (\S+)$/gm)].map(
      ([, name, help, type]) => `| \`${name}\` | ${type} | ${help} |`,
    );
    const documented = (await readDocument("metrics.md"))
      .split("\n")
      .filter((line) => /^\| `walnut_\w+` \| (counter|gauge|histogram) \|/.test(line));
    assert.deepEqual(documented.toSorted(), rows.toSorted());
  });
});

suite("docs/http-api.md", () => {
  test("names every code that can be an answer", async () => {
    const text = await readDocument("http-api.md");
    const startOnly = new Set([
      "SERVER_INVALID_OPTION",
      "SERVER_LISTEN_FAILED",
      "SERVER_FLUSH_FAILED",
    ]);
    for (const code of Object.keys(SERVER_ERROR_STATUS)) {
      if (!startOnly.has(code)) assert.ok(text.includes(`\`${code}\``), code);
    }
  });
});
