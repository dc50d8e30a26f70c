/** The file finder decides which tests run at all, so it is tested itself. */
import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { findFiles, packageFolders } from "./find-files.mjs";

suite("find-files", () => {
  test("finds this file by its ending", () => {
    assert.ok(findFiles("tools", ".test.ts").includes("tools/find-files.test.ts"));
  });

  test("does not look into dist and node_modules", () => {
    assert.deepEqual(
      findFiles("", ".ts").filter((path) => /(^|\/)(dist|node_modules)\//.test(path)),
      [],
    );
  });

  test("lists the packages", () => {
    assert.ok(packageFolders().includes("wal"));
  });

  test("finds nothing in a folder that is not there", () => {
    assert.deepEqual(findFiles("packages/wal/no-such-folder", ".ts"), []);
  });
});
