/**
 * The exported names of every published package equal a committed list, so that a change of the public surface is
 * seen and reviewed. `UPDATE=1 npm test -- tidy/exports` rewrites the list.
 */
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { suite, test } from "node:test";
import { packageFolders } from "../find-files.mjs";
import { ROOT } from "../setup.mjs";
import { readText } from "./repository-files.ts";
import { withoutComments } from "./source-text.ts";

const SNAPSHOT_FILE = "tools/exports.snapshot.json";

suite("exports", () => {
  const found = Object.fromEntries(
    packageFolders()
      .filter((folder) => JSON.parse(readText(`packages/${folder}/package.json`)).private !== true)
      .map((folder) => [
        `@walnut/${folder}`,
        exportedNames(readText(`packages/${folder}/src/index.ts`)),
      ]),
  );

  test("equal tools/exports.snapshot.json", () => {
    if (process.env["UPDATE"] === "1") {
      writeFileSync(join(ROOT, SNAPSHOT_FILE), `${JSON.stringify(found, undefined, 2)}\n`);
    }
    assert.deepEqual(found, JSON.parse(readText(SNAPSHOT_FILE) || "{}"));
  });
});

suite("exported names", () => {
  test("are read from every form that an index may use", () => {
    const source = [
      'export { b, type A } from "./x.ts";',
      'export type {\n  C,\n  D as E,\n} from "./y.ts";',
      "export const f = 1;",
      "export function g(): void {}",
      "// export { no };",
    ].join("\n");
    assert.deepEqual(exportedNames(source), ["b", "f", "g", "type A", "type C", "type E"]);
  });
});

/** Names in alphabetical order, types marked. */
function exportedNames(source: string): string[] {
  const text = withoutComments(source);
  const lists = [...text.matchAll(/^export\s+(type\s+)?\{([^}]*)\}/gm)].flatMap(
    ([, typeKeyword = "", list = ""]) =>
      list
        .split(",")
        .map((entry) => entry.trim())
        .filter((entry) => entry !== "")
        .map((entry) => (typeKeyword === "" ? entry : `type ${entry}`))
        .map((entry) => entry.replace(/(\w+) as (\w+)$/, "$2")),
  );
  const declarations = [
    ...text.matchAll(/^export\s+(?:async\s+)?(?:const|let|function\*?|class)\s+(\w+)/gm),
  ].map(([, name = ""]) => name);
  const types = [...text.matchAll(/^export\s+(?:interface|type)\s+(\w+)/gm)].map(
    ([, name = ""]) => `type ${name}`,
  );
  return [...lists, ...declarations, ...types].sort();
}
