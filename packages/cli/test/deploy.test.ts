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
          readonly command: readonly string[];
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

suite("deploy/walnut-forward.yaml", () => {
  test(
    "is a DaemonSet whose spool is on the node",
    { skip: whyNot("kubectl", "version", "--client") },
    () => {
      // Reads the manifest without a cluster, and refuses what is no DaemonSet.
      const words = ["annotate", "--local", "-f", MANIFEST, "walnut/checked=yes", "-o", "json"];
      const { status, stdout, stderr } = spawnSync("kubectl", words, { encoding: "utf8" });
      assert.equal(status, 0, stderr);
      const { kind, spec } = JSON.parse(stdout) as Manifest;
      assert.equal(kind, "DaemonSet");
      assert.deepEqual(spec.selector.matchLabels, spec.template.metadata.labels);
      const [container] = spec.template.spec.containers;
      assert.deepEqual(container?.command, ["walnut", "forward"]);
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
