/** House rules on imports: layers of the engine, packages among each other, declared dependencies. */
import assert from "node:assert/strict";
import { builtinModules } from "node:module";
import { suite, test } from "node:test";
import { assertNoComplaints } from "./complaints.ts";
import { importComplaint, isBrowserSource } from "./import-rules.ts";
import { readText, typeScriptFiles } from "./repository-files.ts";
import { moduleReferences, withoutComments } from "./source-text.ts";

suite("imports", () => {
  test("keep to the boundaries of layers and packages", () => {
    const complaints = typeScriptFiles.flatMap((file) =>
      moduleReferences(readText(file)).flatMap(({ specifier, lineNumber, kind }) => {
        const complaint = importComplaint(file, specifier, kind);
        return complaint === undefined ? [] : [`${file}:${lineNumber}: ${specifier}: ${complaint}`];
      }),
    );
    assertNoComplaints(complaints);
  });

  test("name only packages that package.json declares", () => {
    const complaints = typeScriptFiles.flatMap((file) => {
      const declared = declaredFor(file);
      return moduleReferences(readText(file))
        .map(({ specifier }) => packageNameOf(specifier))
        .filter((name) => name !== undefined && !declared.has(name))
        .map((name) => `${file}: ${name} is not declared`);
    });
    assertNoComplaints(complaints);
  });

  test("name built-in modules with node: in front", () => {
    // Newer versions of Node also list the modules that exist only with the prefix.
    const builtins = new Set(builtinModules.filter((name) => !name.startsWith("node:")));
    const complaints = typeScriptFiles.flatMap((file) =>
      moduleReferences(readText(file))
        .filter(({ specifier }) => builtins.has(specifier))
        .map(({ specifier }) => `${file}: ${specifier}`),
    );
    assertNoComplaints(complaints);
  });
});

suite("import rules", () => {
  const frame = "packages/wal/src/format/frame.ts";
  const cases = [
    { file: frame, specifier: "../errors.ts" },
    { file: frame, specifier: "./checksum.ts" },
    { file: frame, specifier: "node:zlib" },
    { file: frame, specifier: "node:fs", complaint: "layer format may not use node:fs" },
    { file: frame, specifier: "../segment/x.ts", complaint: "layer format may not use segment" },
    { file: frame, specifier: "ws", complaint: "the engine has no dependencies" },
    { file: frame, specifier: "../../../cli/src/x.ts", complaint: "reaches into another package" },
    { file: frame, specifier: "../../test/x.ts", complaint: "sources import only sources" },
    { file: frame, specifier: "@walnut/server", complaint: "wal may not use server" },
    { file: "packages/wal/src/storage/node-storage.ts", specifier: "node:fs" },
    {
      file: "packages/wal/src/storage/replace-file.ts",
      specifier: "node:fs",
      complaint: "layer storage may not use node:fs",
    },
    {
      file: "packages/wal/src/segment/x.ts",
      specifier: "../storage/node-storage.ts",
      complaint: "layer segment may not use storage/node",
    },
    {
      file: "packages/wal/src/segment/x.ts",
      specifier: "../commit/x.ts",
      complaint: "layer segment may not use commit",
    },
    { file: "packages/wal/src/wal.ts", specifier: "./log/x.ts" },
    {
      file: "packages/wal/src/wal.ts",
      specifier: "./storage/node-storage.ts",
      complaint: "layer surface may not use storage/node",
    },
    {
      file: "packages/wal/src/log/x.ts",
      specifier: "../options.ts",
      complaint: "layer log may not use surface",
    },
    { file: "packages/wal/src/open-wal.ts", specifier: "./storage/node-storage.ts" },
    {
      file: "packages/server/src/x.ts",
      specifier: "@walnut/testkit",
      complaint: "the testkit is for tests only",
    },
    {
      file: "packages/server/test/x.test.ts",
      specifier: "@walnut/wal/src/index.ts",
      complaint: "reaches behind another package's index",
    },
    { file: "packages/server/test/x.test.ts", specifier: "@walnut/testkit" },
    { file: "packages/server/bench/x.ts", specifier: "../../wal/bench/table.ts" },
    {
      file: "packages/server/bench/x.ts",
      specifier: "../../spool/bench/x.ts",
      complaint: "reaches into another package",
    },
    { file: "packages/server/src/x.ts", specifier: "@walnut/wal" },
    { file: "packages/console/src/app/x.tsx", specifier: "./y.tsx" },
    { file: "packages/console/src/app/x.tsx", specifier: "preact" },
    {
      file: "packages/console/src/app/x.tsx",
      specifier: "node:path",
      complaint: "browsers have no Node",
    },
    {
      file: "packages/console/src/app/x.tsx",
      specifier: "../x.ts",
      complaint: "browser and server are apart",
    },
    {
      file: "packages/console/src/index.ts",
      specifier: "./app/x.ts",
      complaint: "browser and server are apart",
    },
  ];
  for (const { file, specifier, complaint } of cases) {
    test(`${complaint === undefined ? "allow" : "refuse"} ${specifier} in ${file}`, () => {
      assert.equal(importComplaint(file, specifier, "value"), complaint);
    });
  }

  test("allow the types of a layer whose values are handed over", () => {
    assert.equal(
      importComplaint("packages/wal/src/segment/x.ts", "../commit/x.ts", "type"),
      undefined,
    );
  });

  test("allow the console's page the types of what it is answered, and only those", () => {
    const page = "packages/console/src/app/x.tsx";
    assert.equal(importComplaint(page, "../overview.ts", "type"), undefined);
    assert.equal(
      importComplaint("packages/console/src/index.ts", "./app/x.ts", "type"),
      "browser and server are apart",
    );
  });

  test("allow optional packages where they are loaded on demand", () => {
    const file = "packages/wal/src/codec/codecs.ts";
    assert.equal(importComplaint(file, "snappy", "dynamic"), undefined);
    assert.equal(importComplaint(file, "snappy", "value"), "the engine has no dependencies");
  });
});

suite("module references", () => {
  test("finds every form of import and skips comments and strings", () => {
    const source = [
      'import "./side-effect.ts";',
      'import { a, type B } from "./values.ts";',
      'import { type C } from "./types-1.ts";',
      'import type { D } from "./types-2.ts";',
      'import {\n  e,\n} from "./lines.ts";',
      'export { f } from "./again.ts";',
      '// import { no } from "./comment.ts";',
      '/* import { no } from "./block.ts"; */',
      'const text = "// not a comment"; const g = await import("./late.ts");',
      'const pattern = /[/"]/; const h = "import(\\"./string.ts\\")";',
    ].join("\n");
    assert.deepEqual(
      moduleReferences(source).map(({ specifier, kind }) => `${specifier} ${kind}`),
      [
        "./side-effect.ts value",
        "./values.ts value",
        "./types-1.ts type",
        "./types-2.ts type",
        "./lines.ts value",
        "./again.ts value",
        "./late.ts dynamic",
      ],
    );
  });

  test("keeps lines in place when comments go", () => {
    assert.equal(withoutComments("a /* b\nc */ d // e"), "a     \n     d     ");
  });
});

/** What this file may name: for sources what users get installed, for the rest also what we develop with. */
function declaredFor(file: string): ReadonlySet<string> {
  const root = JSON.parse(readText("package.json"));
  const [, packageName, folder] = /^packages\/([^/]+)\/([^/]+)\//.exec(file) ?? [];
  if (packageName === undefined) return new Set(Object.keys(root.devDependencies));
  const own = JSON.parse(readText(`packages/${packageName}/package.json`));
  const forUsers = { [own.name]: "", ...own.dependencies, ...own.peerDependencies };
  if (folder === "src" && !isBrowserSource(file)) return new Set(Object.keys(forUsers));
  return new Set(Object.keys({ ...forUsers, ...own.devDependencies, ...root.devDependencies }));
}

/** The package of a bare specifier; `undefined` for a path and for a built-in module. */
function packageNameOf(specifier: string): string | undefined {
  if (specifier.startsWith(".") || specifier.startsWith("node:")) return undefined;
  return /^(@[^/]+\/[^/]+|[^/]+)/.exec(specifier)?.[1];
}
