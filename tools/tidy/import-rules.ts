/**
 * Who may import what: the layers inside the engine and the packages among each other.
 *
 * Pure: a file and a specifier in, a complaint or nothing out. The tables are the rule; STYLE.md explains
 * it. To change a boundary, change its row here and say why in the row.
 */
import { posix } from "node:path";
import type { ReferenceKind } from "./source-text.ts";

/** One layer of `packages/wal/src`: what it may name besides its own files. */
interface Layer {
  /** Other layers, and single files where a whole layer would be too much. */
  readonly uses: readonly string[];
  /** Layers of which it may know the types, because their plain values are handed to it. */
  readonly usesTypesOf?: readonly string[];
  readonly builtins?: readonly string[];
  /** Packages that are loaded when they are installed, by `import()` only. */
  readonly optionalPackages?: readonly string[];
}

/**
 * From the bottom up. `storage/node-*` is a layer of its own: the only one that knows the operating system.
 * `commit` knows nothing of segments: it gets a function that writes and syncs.
 */
const WAL_LAYERS: Readonly<Record<string, Layer>> = {
  errors: { uses: [] },
  observe: { uses: [], builtins: ["node:diagnostics_channel"] },
  format: { uses: ["errors"], builtins: ["node:zlib"] },
  codec: {
    uses: ["errors"],
    builtins: ["node:zlib"],
    optionalPackages: ["lz4-napi", "snappy", "@cloudpss/zstd"],
  },
  encryption: { uses: ["errors", "format"], builtins: ["node:crypto"] },
  storage: { uses: ["errors"] },
  "storage/node": {
    uses: ["storage", "errors"],
    builtins: ["node:fs", "node:fs/promises", "node:path", "node:net", "node:os"],
    optionalPackages: ["fs-native-extensions"],
  },
  commit: { uses: ["errors"] },
  // Stands in front of a commit and asks whether there is room; knows neither files nor the system.
  capacity: { uses: ["errors"], usesTypesOf: ["commit"] },
  // A filled commit buffer is the value that commit hands to segment to be written.
  segment: {
    uses: ["errors", "format", "codec", "storage"],
    usesTypesOf: ["commit", "encryption"],
  },
  recovery: { uses: ["errors", "format", "segment", "storage"] },
  // The plan of recovery is the value from which a log starts.
  log: {
    uses: ["errors", "format", "codec", "encryption", "segment", "storage"],
    usesTypesOf: ["commit", "observe", "recovery", "capacity"],
  },
  // A log as files that are linked and copied; opens nothing.
  backup: { uses: ["errors", "format", "storage"], usesTypesOf: ["log"] },
  // Looks at a log from outside, beside the process that writes it: an entry of its own, so it brings its disk.
  inspect: {
    uses: [
      "errors",
      "format",
      "codec",
      "encryption",
      "storage",
      "storage/node",
      "segment",
      "recovery",
      "log",
    ],
  },
  // What an operator does to a log that is somebody else's: an entry of its own, so it brings disk and clock as opening does.
  repair: {
    uses: ["errors", "format", "storage", "recovery", "inspect", "backup", "surface"],
    usesTypesOf: ["environment"],
  },
  // The files beside the folders: the public class, its options, cursor and status. Nothing below knows them.
  surface: {
    uses: [
      "errors",
      "format",
      "codec",
      "encryption",
      "storage",
      "commit",
      "capacity",
      "backup",
      "segment",
      "recovery",
      "log",
    ],
    usesTypesOf: ["environment", "observe"],
  },
};

/** Composition root, what it brings in (storage, clocks, randomness) and public surface: they see everything. */
const UNBOUNDED_WAL_FILES: readonly string[] = ["open-wal.ts", "environment.ts", "index.ts"];

/** Packages of ours that the sources of a package may import. */
const PACKAGE_USES: Readonly<Record<string, readonly string[]>> = {
  wal: [],
  testkit: ["wal"],
  "raft-log": ["wal"],
  series: ["wal"],
  spool: ["wal"],
  console: [],
  // Of the console only the path of its built files, and the types of what it is answered.
  server: ["wal", "console"],
  cli: ["wal", "raft-log", "series", "spool", "server"],
};

/**
 * The part of the console that runs in browsers. The build bundles what it imports, so its libraries are
 * devDependencies and it has nothing of Node.
 */
const BROWSER_SOURCES = "packages/console/src/app/";

/** True for sources that are bundled for browsers. */
export function isBrowserSource(file: string): boolean {
  return file.startsWith(BROWSER_SOURCES);
}

/** Floors and tables of the engine's benchmarks, which those of other packages use: they are part of no package. */
const SHARED_BENCH = "packages/wal/bench/";

/** Says what is wrong when `file` imports `specifier`, or `undefined` when nothing is. */
export function importComplaint(
  file: string,
  specifier: string,
  kind: ReferenceKind,
): string | undefined {
  const own = /^packages\/([^/]+)\/([^/]+)\/(.+)$/.exec(file);
  if (own === null) return undefined;
  const [, packageName = "", folder = "", path = ""] = own;
  if (isBrowserSource(file) && specifier.startsWith("node:")) return "browsers have no Node";
  if (specifier.startsWith(".")) {
    const target = posix.join(posix.dirname(file), specifier);
    if (folder === "bench" && target.startsWith(SHARED_BENCH)) return undefined;
    if (!target.startsWith(`packages/${packageName}/`)) return "reaches into another package";
    if (folder !== "src") return undefined;
    const targetPath = target.slice(`packages/${packageName}/src/`.length);
    if (!target.startsWith(`packages/${packageName}/src/`)) return "sources import only sources";
    if (isBrowserSource(target) !== isBrowserSource(file)) {
      // Types of what the server answers are the same on both sides, and gone when the page is built.
      const isAnswer = isBrowserSource(file) && kind === "type";
      return isAnswer ? undefined : "browser and server are apart";
    }
    return packageName === "wal" ? layerComplaint(path, targetPath, kind) : undefined;
  }
  const packageComplaint = ourPackageComplaint(packageName, folder, specifier);
  if (packageComplaint !== undefined) return packageComplaint;
  if (packageName === "wal" && folder === "src") return outsideComplaint(path, specifier, kind);
  return undefined;
}

function ourPackageComplaint(
  packageName: string,
  folder: string,
  specifier: string,
): string | undefined {
  const [, target, deepPath] = /^@walnut\/([^/]+)(\/.*)?$/.exec(specifier) ?? [];
  if (target === undefined) return undefined;
  if (deepPath !== undefined) return "reaches behind another package's index";
  if (target === packageName) {
    return folder === "src" ? "sources import their own package by relative path" : undefined;
  }
  if (target === "testkit") {
    return folder === "test" ? undefined : "the testkit is for tests only";
  }
  if (folder !== "src") return undefined;
  const allowed = PACKAGE_USES[packageName];
  if (allowed === undefined) return `package ${packageName} has no row in the table of packages`;
  return allowed.includes(target) ? undefined : `${packageName} may not use ${target}`;
}

function layerComplaint(path: string, targetPath: string, kind: ReferenceKind): string | undefined {
  if (UNBOUNDED_WAL_FILES.includes(path)) return undefined;
  const layerName = layerOf(path);
  const targetLayer = layerOf(targetPath);
  if (layerName === targetLayer) return undefined;
  const layer = WAL_LAYERS[layerName];
  if (layer === undefined) return `layer ${layerName} has no row in the table of layers`;
  if (layer.uses.includes(targetLayer)) return undefined;
  if (kind === "type" && layer.usesTypesOf?.includes(targetLayer) === true) return undefined;
  return `layer ${layerName} may not use ${targetLayer}`;
}

function outsideComplaint(
  path: string,
  specifier: string,
  kind: ReferenceKind,
): string | undefined {
  const layer = WAL_LAYERS[layerOf(path)];
  if (!specifier.startsWith("node:")) {
    if (kind === "dynamic" && layer?.optionalPackages?.includes(specifier) === true)
      return undefined;
    return "the engine has no dependencies";
  }
  const isAllowed = UNBOUNDED_WAL_FILES.includes(path)
    ? !specifier.startsWith("node:fs")
    : layer?.builtins?.includes(specifier) === true;
  return isAllowed ? undefined : `layer ${layerOf(path)} may not use ${specifier}`;
}

/** `format/frame.ts` is of layer `format`; `wal.ts` and its neighbours are the `surface`. */
function layerOf(path: string): string {
  if (/^storage\/node-[^/]+$/.test(path)) return "storage/node";
  if (path.includes("/")) return path.slice(0, path.indexOf("/"));
  return path === "errors.ts" || path === "environment.ts" ? path.replace(".ts", "") : "surface";
}
