/**
 * The samples in deploy/ against the server and against the programs that read them, where those are installed:
 * promtool, systemd-analyze, collectd, and Python's YAML reader.
 */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { suite, test, type TestContext } from "node:test";
import { fileURLToPath } from "node:url";
import { parse as parseToml } from "smol-toml";
import { DEFAULT_SERVER_OPTIONS } from "../src/server-option-table.ts";
import { openServer } from "../src/server.ts";
import { temporaryDirectory } from "./temporary-directory.ts";

const DEPLOY = fileURLToPath(new URL("../../../deploy/", import.meta.url));
const ROOT = fileURLToPath(new URL("../../../", import.meta.url));
const MS_PER_SECOND = 1_000;

async function read(name: string): Promise<string> {
  return await readFile(join(DEPLOY, name), "utf8");
}

/** Runs a program; skips the test where it is not installed. */
function run(
  context: TestContext,
  program: string,
  ...words: readonly string[]
): string | undefined {
  const { error, status, stdout, stderr } = spawnSync(program, words, { encoding: "utf8" });
  if (error !== undefined && "code" in error && error.code === "ENOENT") {
    context.skip(`${program} is not installed here`);
    return undefined;
  }
  assert.equal(status, 0, `${program} ${words.join(" ")}: ${stdout}${stderr}`);
  return stdout;
}

/** Names of the metrics that an expression reads. */
function metricsIn(text: string): readonly string[] {
  const names = [...text.matchAll(/\bwalnut_\w+/g)].map(([name]) => name);
  return names.map((name) => name.replace(/_bucket$/, ""));
}

async function servedMetrics(context: TestContext): Promise<ReadonlySet<string>> {
  const server = await openServer({ port: 0, dataDirectory: await temporaryDirectory() });
  context.after(() => server.close());
  await server.ready;
  const text = await (await fetch(`${server.url}/metrics`)).text();
  return new Set([...text.matchAll(/^# TYPE (\S+)/gm)].map(([, name = ""]) => name));
}

interface Dashboard {
  readonly panels: readonly {
    readonly id: number;
    readonly title: string;
    readonly gridPos: { readonly x: number; readonly w: number };
    readonly targets?: readonly { readonly expr: string }[];
  }[];
}

suite("deploy/grafana/walnut.json", () => {
  test("has panels with ids of their own, which read metrics that exist", async (context) => {
    const text = await read("grafana/walnut.json");
    const { panels } = JSON.parse(text) as Dashboard;
    assert.equal(new Set(panels.map(({ id }) => id)).size, panels.length);
    for (const { title, gridPos } of panels) assert.ok(gridPos.x + gridPos.w <= 24, title);
    const served = await servedMetrics(context);
    const expressions = panels.flatMap(({ targets }) => targets ?? []).map(({ expr }) => expr);
    assert.ok(expressions.length > 20);
    for (const expression of expressions) {
      const names = metricsIn(expression);
      assert.ok(names.length > 0, expression);
      for (const name of names) assert.ok(served.has(name), `${name} in ${expression}`);
    }
    assert.deepEqual(
      metricsIn(text).filter((name) => !served.has(name)),
      [],
    );
  });

  test("has expressions that Prometheus understands", async (context) => {
    const { panels } = JSON.parse(await read("grafana/walnut.json")) as Dashboard;
    const rules = panels
      .flatMap(({ targets }) => targets ?? [])
      // What Grafana fills in before it asks.
      .map(({ expr }) => expr.replaceAll("$__rate_interval", "1m"))
      .map((expr, index) => ({ record: `panel:${index}`, expr }));
    const path = join(await temporaryDirectory(), "panels.yml");
    // JSON is YAML.
    await writeFile(path, JSON.stringify({ groups: [{ name: "panels", rules }] }));
    run(context, "promtool", "check", "rules", path);
  });
});

suite("deploy/alerts.yml", () => {
  test("reads metrics that exist", async (context) => {
    const served = await servedMetrics(context);
    const names = metricsIn(await read("alerts.yml"));
    assert.ok(names.length > 5);
    assert.deepEqual(
      names.filter((name) => !served.has(name)),
      [],
    );
  });

  test("is what Prometheus understands, and each alert has a place in the handbook", async (context) => {
    const handbook = await readFile(join(ROOT, "docs/operations.md"), "utf8");
    for (const [, alert = ""] of (await read("alerts.yml")).matchAll(/- alert: (\w+)/g)) {
      assert.ok(handbook.includes(`\`${alert}\``), alert);
    }
    run(context, "promtool", "check", "rules", join(DEPLOY, "alerts.yml"));
  });
});

suite("deploy/prometheus.yml", () => {
  test("is what Prometheus understands", (context) => {
    const path = join(DEPLOY, "prometheus.yml");
    run(context, "promtool", "check", "config", "--syntax-only", path);
  });
});

suite("deploy/telegraf.conf", () => {
  test("is TOML and writes to a route that is there", async (context) => {
    const text = await read("telegraf.conf");
    const { outputs } = parseToml(text) as unknown as {
      outputs: { influxdb_v2: { bucket: string; organization: string }[] };
    };
    const [output] = outputs.influxdb_v2;
    assert.ok(output);
    const server = await openServer({
      port: 0,
      token: "t",
      dataDirectory: await temporaryDirectory(),
    });
    context.after(() => server.close());
    await server.ready;
    // What Telegraf's output sends.
    const { bucket, organization } = output;
    const answer = await fetch(
      `${server.url}/api/v2/write?bucket=${bucket}&org=${organization}&precision=ns`,
      { method: "POST", body: "cpu v=1 1", headers: { authorization: "Token t" } },
    );
    assert.equal(answer.status, 204);
  });
});

suite("deploy/collectd.conf", () => {
  test("is what collectd understands", (context) => {
    run(context, "collectd", "-t", "-C", join(DEPLOY, "collectd.conf"));
  });
});

suite("deploy/walnut.service", () => {
  test("gives a stop more time than the server takes to drain", async () => {
    const [, seconds = ""] = /^TimeoutStopSec=(\d+)$/m.exec(await read("walnut.service")) ?? [];
    assert.ok(Number(seconds) * MS_PER_SECOND >= 2 * DEFAULT_SERVER_OPTIONS.shutdownTimeoutMs);
  });

  test("is what systemd understands", async (context) => {
    const unit = (await read("walnut.service")).replace("/usr/bin/walnut", process.execPath);
    const path = join(await temporaryDirectory(), "walnut.service");
    await writeFile(path, unit);
    run(context, "systemd-analyze", "verify", path);
  });
});

suite("deploy/Dockerfile", () => {
  test("has stages, a user without rights, a health check, and copies what is there", async () => {
    const text = (await read("Dockerfile")).replaceAll("\\\n", " ");
    const steps = text
      .split("\n")
      .filter((line) => /^[A-Z]+ /.test(line.trim()))
      .map((line) => line.trim());
    const known =
      /^(FROM|WORKDIR|COPY|RUN|ENV|USER|VOLUME|EXPOSE|STOPSIGNAL|HEALTHCHECK|ENTRYPOINT|CMD) /;
    for (const step of steps) assert.match(step, known);
    assert.equal(steps.filter((step) => step.startsWith("FROM ")).length, 2);
    const [user = ""] = steps.filter((step) => step.startsWith("USER "));
    assert.match(user, /^USER [1-9]\d*:[1-9]\d*$/);
    assert.ok(steps.some((step) => /^HEALTHCHECK .* CMD \[.*\/health/.test(step)));
    for (const step of steps.filter((each) => /^(ENTRYPOINT|CMD) /.test(each))) {
      JSON.parse(step.slice(step.indexOf("[")));
    }
    const [entry = ""] = JSON.parse(/^ENTRYPOINT (.*)$/m.exec(text)?.[1] ?? "[]").slice(1);
    const { bin } = JSON.parse(await readFile(join(ROOT, "packages/cli/package.json"), "utf8"));
    assert.equal(entry, join("/app/packages/cli", bin.walnut));
  });
});

interface Manifest {
  readonly kind: string;
  readonly apiVersion: string;
  readonly metadata: { readonly name: string };
  // oxlint-disable-next-line typescript/no-explicit-any -- a tree that others define; the test says what it must hold
  readonly spec: any;
  readonly data?: Readonly<Record<string, string>>;
}

suite("deploy/kubernetes.yaml", () => {
  test("has a StatefulSet with volume, probes and time to stop, and what belongs to it", async (context) => {
    const program =
      "import json, sys, yaml; print(json.dumps(list(yaml.safe_load_all(open(sys.argv[1])))))";
    const hasYaml = spawnSync("python3", ["-c", "import yaml"]).status === 0;
    if (!hasYaml) {
      context.skip("Python's YAML reader is not installed here (Debian: python3-yaml)");
      return;
    }
    const text = run(context, "python3", "-c", program, join(DEPLOY, "kubernetes.yaml"));
    if (text === undefined) return;
    const manifests = JSON.parse(text) as readonly Manifest[];
    function find(kind: string): Manifest {
      return manifests.find((each) => each.kind === kind) ?? assert.fail(kind);
    }
    const { spec } = find("StatefulSet");
    const pod = spec.template.spec;
    const [container] = pod.containers;
    const { labels } = spec.template.metadata;
    assert.deepEqual(spec.selector.matchLabels, labels);
    assert.deepEqual(find("PodDisruptionBudget").spec.selector.matchLabels, labels);
    for (const service of manifests.filter(({ kind }) => kind === "Service")) {
      assert.deepEqual(service.spec.selector, labels);
    }
    const names = manifests.map(({ metadata }) => metadata.name);
    assert.ok(names.includes(spec.serviceName));
    assert.equal(container.livenessProbe.httpGet.path, "/health");
    assert.equal(container.readinessProbe.httpGet.path, "/ready");
    const seconds = pod.terminationGracePeriodSeconds;
    assert.ok(seconds * MS_PER_SECOND >= 2 * DEFAULT_SERVER_OPTIONS.shutdownTimeoutMs);
    assert.equal(pod.securityContext.runAsNonRoot, true);
    const mounts = container.volumeMounts.map(({ name }: { name: string }) => name);
    const volumes = [
      ...pod.volumes,
      ...spec.volumeClaimTemplates.map((each: Manifest) => each.metadata),
    ];
    assert.deepEqual(
      mounts.toSorted(),
      volumes.map(({ name }: { name: string }) => name).toSorted(),
    );
    const toml = find("ConfigMap").data?.["walnut.toml"] ?? "";
    const { storage } = parseToml(toml) as unknown as { storage: { data_dir: string } };
    const [data] = container.volumeMounts;
    assert.equal(storage.data_dir, data.mountPath);
  });
});
