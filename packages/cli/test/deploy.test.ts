/** The files of deploy/ for `walnut forward`: systemd and Kubernetes read them, and what they set exists. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { suite, test } from "node:test";
import { fileURLToPath } from "node:url";
import { FORWARD_OPTION_TABLE } from "../src/forward-options.ts";
import { CONFIGURATION_VARIABLE } from "../src/serve-configuration.ts";

const UNIT = fileURLToPath(new URL("../../../deploy/walnut-forward.service", import.meta.url));
const MANIFEST = fileURLToPath(new URL("../../../deploy/walnut-forward.yaml", import.meta.url));
const DOCKERFILE = fileURLToPath(new URL("../../../deploy/Dockerfile", import.meta.url));
const IMAGE = fileURLToPath(new URL("../../../deploy/Dockerfile", import.meta.url));
const VARIABLES = [CONFIGURATION_VARIABLE, ...FORWARD_OPTION_TABLE.map(({ variable }) => variable)];

function whyNot(program: string, ...words: readonly string[]): string | false {
  return spawnSync(program, words).status === 0 ? false : `${program} is not there`;
}

suite("deploy/walnut-forward.service", () => {
  test("sets only variables that exist, and starts the agent", () => {
    const text = readFileSync(UNIT, "utf8");
    const names = [...text.matchAll(/^Environment=(\w+)=/gm)].map(([, name]) => name);
    assert.ok(names.length > 0 && names.every((name) => VARIABLES.includes(name)));
    assert.match(text, /^ExecStart=.* walnut forward$/m);
    // A variable would win over the path in the configuration, and the server's own directory is not shared.
    assert.ok(!names.includes("WALNUT_FORWARD_WAL_PATH"));
    assert.match(text, /^StateDirectory=walnut-forward$/m);
  });

  test("is what systemd accepts", { skip: whyNot("systemd-analyze", "--version") }, (context) => {
    const folder = mkdtempSync(join(tmpdir(), "walnut-unit-"));
    context.after(() => rmSync(folder, { recursive: true }));
    const copy = join(folder, "walnut-forward.service");
    writeFileSync(copy, readFileSync(UNIT));
    const { status, stderr } = spawnSync("systemd-analyze", ["verify", copy], { encoding: "utf8" });
    assert.deepEqual([status, stderr], [0, ""]);
  });
});

interface Manifest {
  readonly kind: string;
  readonly spec: {
    readonly selector: { readonly matchLabels: object };
    readonly template: {
      readonly metadata: { readonly labels: object };
      readonly spec: {
        readonly initContainers: readonly { readonly command: readonly string[] }[];
        readonly containers: readonly {
          readonly command?: readonly string[];
          readonly args: readonly string[];
          readonly env: readonly { readonly name: string; readonly value?: string }[];
          readonly volumeMounts: readonly { readonly name: string; readonly mountPath: string }[];
        }[];
        readonly volumes: readonly {
          readonly name: string;
          readonly hostPath: { readonly path: string };
        }[];
      };
    };
  };
}

/** What `kubectl` prints as JSON. */
function kubectl(...words: readonly string[]): unknown {
  const { status, stdout, stderr } = spawnSync("kubectl", [...words, "-o", "json"], {
    encoding: "utf8",
  });
  assert.equal(status, 0, stderr);
  return JSON.parse(stdout) as unknown;
}

/** Paths of what `expected` has and `found` has not, or has otherwise. */
function missingIn(found: unknown, expected: unknown, path = ""): readonly string[] {
  if (typeof expected !== "object" || expected === null) return found === expected ? [] : [path];
  if (typeof found !== "object" || found === null) return [path];
  const parts = found as Readonly<Record<string, unknown>>;
  return Object.entries(expected).flatMap(([name, value]) =>
    missingIn(parts[name], value, path === "" ? name : `${path}.${name}`),
  );
}

suite("deploy/walnut-forward.yaml", () => {
  test(
    "is a DaemonSet whose spool is on the node",
    { skip: whyNot("kubectl", "version", "--client") },
    () => {
      // As it is written, and as a DaemonSet: what is misspelled is not there any more.
      const written = kubectl("annotate", "--local", "-f", MANIFEST, "walnut/checked=yes");
      const typed = kubectl("set", "env", "--local", "-f", MANIFEST, "CHECKED=yes");
      assert.deepEqual(missingIn(typed, written), ["metadata.annotations"]);
      const { kind, spec } = written as Manifest;
      assert.equal(kind, "DaemonSet");
      assert.deepEqual(spec.selector.matchLabels, spec.template.metadata.labels);
      const [container] = spec.template.spec.containers;
      // The image knows how to start the command line, and its PATH does not.
      assert.deepEqual([container?.command, container?.args], [undefined, ["forward"]]);
      assert.match(readFileSync(IMAGE, "utf8"), /^ENTRYPOINT \["node", ".*\/launch.cjs"\]$/m);
      assert.ok(container?.env.every(({ name }) => VARIABLES.includes(name)));
      const path = container?.env.find(({ name }) => name === "WALNUT_FORWARD_WAL_PATH")?.value;
      const mount = container?.volumeMounts[0];
      assert.ok(path?.startsWith(`${mount?.mountPath}/`));
      // The user of the image owns the spool, and has the command.
      const [init] = spec.template.spec.initContainers;
      const image = readFileSync(DOCKERFILE, "utf8");
      const user = /^USER (\d+):(\d+)$/m.exec(image);
      const owner = ["install", "-d", "-o", user?.[1], "-g", user?.[2], "-m", "0700", path];
      assert.deepEqual(init?.command, owner);
      assert.match(image, / \/usr\/local\/bin\/walnut$/m);
      const volume = spec.template.spec.volumes.find(({ name }) => name === mount?.name);
      assert.equal(volume?.hostPath.path, "/var/lib/walnut");
    },
  );
});
