/** House rules on the repository as a whole: nothing of one machine in it, packages alike, lock file whole. */
import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { packageFolders } from "../find-files.mjs";
import { assertNoComplaints } from "./complaints.ts";
import { readText, repositoryFiles } from "./repository-files.ts";

const BINARY = /\.(wal|parquet|png|jpg|gz|bin)$/;

/** Optional native packages that the registry used for the lock file had no checksum for. */
const WITHOUT_INTEGRITY = /^node_modules\/@duckdb\/node-bindings-/;

const root = JSON.parse(readText("package.json"));
const lock = JSON.parse(readText("package-lock.json"));
const packages = packageFolders().map((folder) => ({
  folder,
  ...JSON.parse(readText(`packages/${folder}/package.json`)),
}));

suite("repository", () => {
  test("has no path of one machine and no registry address in any file", () => {
    // Put together at run time, so that this file does not find itself.
    const words = [
      ["/wo", "rk/"],
      ["/ro", "ot/"],
      ["/tmp/wal", "nut"],
      ["registry.npm", "js"],
    ];
    const forbidden = words.map((parts) => parts.join(""));
    assertNoComplaints(
      repositoryFiles
        .filter((file) => !BINARY.test(file))
        .flatMap((file) => {
          const text = readText(file);
          return forbidden.filter((word) => text.includes(word)).map((word) => `${file}: ${word}`);
        }),
    );
  });

  test("has a licence", () => {
    assert.match(readText("LICENSE"), /Apache License\s+Version 2\.0, January 2004/);
  });

  test("has a lock file that does not say where packages come from", () => {
    assertNoComplaints(
      lockEntries().flatMap(([path, { resolved }]) =>
        typeof resolved === "string" && resolved.includes(":") ? [`${path}: ${resolved}`] : [],
      ),
    );
  });

  test("has a lock file with a checksum for every package", () => {
    assertNoComplaints(
      lockEntries()
        .filter(([path, entry]) => path.includes("node_modules/") && entry.link !== true)
        .filter(([path, entry]) => entry.integrity === undefined && !WITHOUT_INTEGRITY.test(path))
        .map(([path]) => path),
    );
  });
});

suite("packages", () => {
  test("share version, licence, module system and Node range with the root", () => {
    for (const { name, version, license, type, engines } of packages) {
      assert.deepEqual(
        { name, version, license, type, engines },
        {
          name,
          version: root.version,
          license: root.license,
          type: "module",
          engines: root.engines,
        },
      );
    }
  });

  test("are all workspaces and all part of the build", () => {
    const paths = packages.map(({ folder }) => `packages/${folder}`).sort();
    const build = JSON.parse(readText("tsconfig.build.json"));
    const workspaces: string[] = root.workspaces;
    assert.deepEqual(workspaces.toSorted(), paths);
    const references: string[] = build.references.map(({ path }: { path: string }) => path);
    assert.deepEqual(references.toSorted(), paths);
  });

  test("offer their sources under the condition that tests use", () => {
    for (const { name, exports } of packages) {
      assert.deepEqual(
        { name, first: Object.entries(exports["."])[0] },
        { name, first: ["@walnut/source", "./src/index.ts"] },
      );
    }
  });

  test("depend on exact versions, except for what the user brings", () => {
    assertNoComplaints(
      [root, ...packages].flatMap(({ name, dependencies, devDependencies }) =>
        Object.entries({ ...dependencies, ...devDependencies })
          .filter(([, range]) => !/^\d+\.\d+\.\d+(-[\w.]+)?$/.test(String(range)))
          .map(([dependency, range]) => `${name}: ${dependency} ${String(range)}`),
      ),
    );
  });

  test("of the engine: no dependency, and every peer optional", () => {
    const {
      dependencies = {},
      peerDependencies,
      peerDependenciesMeta,
    } = packages.find(({ folder }) => folder === "wal") as Record<
      string,
      Record<string, { optional?: boolean }>
    >;
    assert.deepEqual(dependencies, {});
    assertNoComplaints(
      Object.keys(peerDependencies ?? {}).filter(
        (name) => peerDependenciesMeta?.[name]?.optional !== true,
      ),
    );
  });
});

interface LockEntry {
  readonly resolved?: string;
  readonly integrity?: string;
  readonly link?: boolean;
}

function lockEntries(): [string, LockEntry][] {
  return Object.entries(lock.packages);
}
