/** Keeps docs/configuration.md, docs/metrics.md and docs/http-api.md true to the code. */
import assert from "node:assert/strict";
import { readFile, writeFile } from "node:fs/promises";
import { suite, test } from "node:test";
import { SERVER_ERROR_STATUS } from "../src/errors.ts";
import { variableOf } from "../src/options/option-row.ts";
import { SERVER_OPTION_TABLE, type ServerOptionSpec } from "../src/server-option-table.ts";
import { openServer } from "../src/server.ts";
import { temporaryDirectory } from "./temporary-directory.ts";

function documentUrl(name: string): URL {
  return new URL(`../../../docs/${name}`, import.meta.url);
}

async function readDocument(name: string): Promise<string> {
  return readFile(documentUrl(name), "utf8");
}

function number(value: number): string {
  return value.toLocaleString("en-US");
}

const SECTIONS = [...new Set(SERVER_OPTION_TABLE.map(({ toml }) => sectionOf(toml)))];

function sectionOf(key: string): string {
  return key.slice(0, key.lastIndexOf("."));
}

/** The table of one section, as it stands in docs/configuration.md between two markers. */
function sectionTable(section: string): string {
  const rows = SERVER_OPTION_TABLE.filter(({ toml }) => sectionOf(toml) === section);
  return [
    `<!-- options of [${section}] -->`,
    "| Key | Flag, variable | Default | Range | Meaning |",
    "| --- | --- | --- | --- | --- |",
    ...rows.map(configurationRow),
    "<!-- end of options -->",
  ].join("\n");
}

function configurationRow(spec: ServerOptionSpec): string {
  const { spellings = [] } = spec;
  const spelt = spellings.map(({ toml, variable }) => [toml, variable]).flat();
  const others = spelt.filter((name) => name !== undefined).map((name) => `\`${name}\``);
  const value = spec.defaultText ?? spec.default;
  const cells = [
    `\`${spec.toml.slice(sectionOf(spec.toml).length + 1)}\``,
    `\`--${spec.flag}\`<br>\`${variableOf(spec)}\``,
    typeof value === "number" ? number(value) : String(value),
    rangeOf(spec),
    [spec.summary, ...(others.length === 0 ? [] : [`also ${others.join(", ")}`])].join("; "),
  ];
  return `| ${cells.join(" | ")} |`;
}

function rangeOf(spec: ServerOptionSpec): string {
  switch (spec.kind) {
    case "integer":
      return `${number(spec.min)} to ${number(spec.max)} ${spec.unit}`.trim();
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
  test("has a table of every section, as the options are (UPDATE=1 rewrites it)", async () => {
    const text = await readDocument("configuration.md");
    const found = text.match(/^<!-- options of \[[^]*?<!-- end of options -->$/gm) ?? [];
    const expected = new Map(SECTIONS.map((section) => [section, sectionTable(section)]));
    if (process.env["UPDATE"] === "1") {
      const updated = text.replace(
        /^<!-- options of \[(\S+)\] -->[^]*?<!-- end of options -->$/gm,
        (table, section: string) => expected.get(section) ?? table,
      );
      await writeFile(documentUrl("configuration.md"), updated);
    } else {
      assert.deepEqual(found, [...expected.values()]);
    }
    for (const section of SECTIONS) assert.ok(text.includes(`### \`[${section}]\``), section);
  });
});

/** Groups of docs/metrics.md, by the beginning of a name; the first that fits. */
const METRIC_GROUPS: readonly (readonly [string, RegExp])[] = [
  ["Requests", /^(http|errors|write|in_flight|idempotency)_/],
  ["Log", /^wal_/],
  ["Recovery", /^recovery_/],
  [
    "Tables and Parquet",
    /^(flush|memory|oldest|tables|parquet|compact|removed|freed|retention|deleted)/,
  ],
  ["Object storage", /^(upload|cache|download)/],
  ["Process", /./],
];

/** Units that a name does not end with. */
const METRIC_UNITS: Readonly<Record<string, string>> = {
  phase: "0 or 1",
  wal_poisoned: "0 or 1",
  http_requests_in_flight: "requests",
  wal_buffers_in_use: "buffers",
  workers_unavailable: "workers",
  idempotency_evicted_total: "keys",
  write_dropped_total: "parts",
};

function unitOf(name: string): string {
  const given = METRIC_UNITS[name];
  if (given !== undefined) return given;
  const words = name.replace(/_total$/, "").split("_");
  if (words.includes("seconds")) return "seconds";
  if (words.includes("bytes")) return "bytes";
  const last = words.at(-1) ?? "";
  return last === "lsn" ? "LSN" : last;
}

/** The table of one group, as it stands in docs/metrics.md between two markers. */
function metricTables(exposition: string): ReadonlyMap<string, string> {
  const rows = new Map<string, string[]>(METRIC_GROUPS.map(([group]) => [group, []]));
  for (const [, name = "", help, type] of exposition.matchAll(
    /^# HELP walnut_(\S+) (.*)\n# TYPE \S+ (\S+)$/gm,
  )) {
    const [group = ""] = METRIC_GROUPS.find(([, names]) => names.test(name)) ?? [];
    rows.get(group)?.push(`| \`walnut_${name}\` | ${type} | ${unitOf(name)} | ${help} |`);
  }
  return new Map(
    [...rows].map(([group, lines]) => [
      group,
      [
        `<!-- metrics of ${group} -->`,
        "| Name | Type | Unit | Meaning |",
        "| --- | --- | --- | --- |",
        ...lines,
        "<!-- end of metrics -->",
      ].join("\n"),
    ]),
  );
}

suite("docs/metrics.md", () => {
  test("has a table of every group, as the server exposes them (UPDATE=1 rewrites it)", async (context) => {
    const server = await openServer({ port: 0, dataDirectory: await temporaryDirectory() });
    context.after(() => server.close());
    await server.ready;
    const tables = metricTables(await (await fetch(`${server.url}/metrics`)).text());
    const text = await readDocument("metrics.md");
    if (process.env["UPDATE"] === "1") {
      const updated = text.replace(
        /^<!-- metrics of (.+) -->$[^]*?^<!-- end of metrics -->$/gm,
        (table, group: string) => tables.get(group) ?? table,
      );
      await writeFile(documentUrl("metrics.md"), updated);
    } else {
      const found = text.match(/^<!-- metrics of [^]*?<!-- end of metrics -->$/gm) ?? [];
      assert.deepEqual(found, [...tables.values()]);
    }
  });
});

suite("docs/http-api.md", () => {
  test("names every code that can be an answer", async () => {
    const text = await readDocument("http-api.md");
    const startOnly = new Set([
      "SERVER_INVALID_OPTION",
      "SERVER_LISTEN_FAILED",
      "SERVER_LOG_MISSING",
      "SERVER_WORKER_FAILED",
    ]);
    for (const code of Object.keys(SERVER_ERROR_STATUS)) {
      if (!startOnly.has(code)) assert.ok(text.includes(`\`${code}\``), code);
    }
  });
});
