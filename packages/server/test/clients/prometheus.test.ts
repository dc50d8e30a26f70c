/** Prometheus with our sample configuration: it scrapes us, and what it scrapes elsewhere it writes to us. */
import assert from "node:assert/strict";
import { copyFile, readFile, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { suite, test, type TestContext } from "node:test";
import { temporaryDirectory } from "../temporary-directory.ts";
import { rowsOf, startServer, TOKEN } from "./client-server.ts";
import { eventually, missingPrograms, run, startProgram, stopProgram } from "./foreign-program.ts";

const SAMPLE = new URL("../../../../deploy/prometheus.yml", import.meta.url);
const ALERTS = new URL("../../../../deploy/alerts.yml", import.meta.url);
const skip = missingPrograms(["prometheus", "promtool"], "prometheus");

const EXPOSITION = `# TYPE demo_gauge gauge
demo_gauge{name="a \\"quoted\\" é",value="clash"} 0.1
demo_gauge{name="b"} -1.7976931348623157e+308
# TYPE demo_nan gauge
demo_nan NaN
demo_inf +Inf
# TYPE demo_seconds histogram
demo_seconds_bucket{le="0.5"} 3
demo_seconds_bucket{le="+Inf"} 4
demo_seconds_sum 1.25
demo_seconds_count 4
`;

/** Something to scrape, with values that never change. */
async function startTarget(context: TestContext): Promise<string> {
  const target = createServer((_, response) => {
    response.writeHead(200, { "content-type": "text/plain; version=0.0.4" });
    response.end(EXPOSITION);
  });
  await new Promise<void>((resolve) => target.listen(0, "127.0.0.1", resolve));
  context.after(() => target.close());
  return `127.0.0.1:${(target.address() as AddressInfo).port}`;
}

suite("Prometheus", { skip }, () => {
  test("remote_write brings every value, and scraping /metrics works", async (context) => {
    const server = await startServer(context);
    const folder = await temporaryDirectory();
    const tokenFile = join(folder, "token");
    await writeFile(tokenFile, TOKEN);
    const sample = (await readFile(SAMPLE, "utf8"))
      .replaceAll("127.0.0.1:8000", `127.0.0.1:${server.port}`)
      .replace("/etc/walnut/token", tokenFile)
      .replace("scrape_interval: 15s", "scrape_interval: 1s")
      .replace("queue_config:", "queue_config:\n      batch_send_deadline: 100ms")
      .replace(
        "scrape_configs:",
        `scrape_configs:\n  - job_name: demo\n    static_configs:\n      - targets: ["${await startTarget(context)}"]`,
      );
    const configuration = join(folder, "prometheus.yml");
    await writeFile(configuration, sample);
    await copyFile(ALERTS, join(folder, "alerts.yml"));
    const checked = await run("promtool", ["check", "config", configuration]);
    assert.equal(checked.code, 0, checked.stdout + checked.stderr);
    const prometheus = startProgram("prometheus", [
      `--config.file=${configuration}`,
      `--storage.tsdb.path=${join(folder, "data")}`,
      "--web.listen-address=127.0.0.1:0",
    ]);
    context.after(() => stopProgram(prometheus));

    // Two scrapes, with a time of their own each.
    await eventually(async () => {
      const rows = await rowsOf(server, "SELECT count(DISTINCT time) FROM prometheus.demo_gauge");
      return Number(rows?.[0]?.[0] ?? 0) >= 2 ? true : undefined;
    }, "two scrapes");
    const expected = [
      [
        "demo_gauge",
        "name || coalesce(exported_value, '')",
        [
          ['a "quoted" éclash', 0.1],
          ["b", -1.7976931348623157e308],
        ],
      ],
      ["demo_nan", "''", [["", "NaN"]]],
      ["demo_inf", "''", [["", "Infinity"]]],
      [
        "demo_seconds_bucket",
        "le",
        [
          ["+Inf", 4],
          ["0.5", 3],
        ],
      ],
      ["demo_seconds_sum", "''", [["", 1.25]]],
      ["demo_seconds_count", "''", [["", 4]]],
    ] as const;
    for (const [metric, labels, rows] of expected) {
      const sql = `SELECT DISTINCT ${labels} AS label, value FROM prometheus.${metric} WHERE job = 'demo' ORDER BY 1`;
      assert.deepEqual(await rowsOf(server, sql), rows, metric);
    }
    const doubled = "SELECT name, time FROM prometheus.demo_gauge GROUP BY ALL HAVING count(*) > 1";
    assert.deepEqual(await rowsOf(server, doubled), []);
    await eventually(async () => {
      const sql = "SELECT max(value) FROM prometheus.up WHERE job = 'walnut'";
      return (await rowsOf(server, sql))?.[0]?.[0] === 1 ? true : undefined;
    }, "a scrape of /metrics that worked");
    const sql =
      "SELECT count(*) > 0 FROM prometheus.walnut_write_rows_total WHERE protocol = 'remote_write'";
    await eventually(
      async () => ((await rowsOf(server, sql))?.[0]?.[0] === true ? true : undefined),
      sql,
    );
    await stopProgram(prometheus);
  });

  test("promtool has no complaint about /metrics", async (context) => {
    const server = await startServer(context);
    // Metrics with labels are there once something has been counted.
    const headers = { authorization: `Bearer ${TOKEN}` };
    for (const body of ["m v=1", "m v=oops"]) {
      await fetch(`${server.url}/write?db=a`, { method: "POST", body, headers });
    }
    const text = await (await fetch(`${server.url}/metrics`)).text();
    assert.ok(text.includes("walnut_errors_total{"));
    const { code, stdout, stderr } = await run("promtool", ["check", "metrics"], text);
    assert.deepEqual({ code, said: stdout + stderr }, { code: 0, said: "" });
  });
});
