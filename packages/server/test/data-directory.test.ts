import assert from "node:assert/strict";
import { mkdir, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { suite, test } from "node:test";
import { prepareDataDirectory } from "../src/data-directory.ts";
import { ServerError } from "../src/errors.ts";
import { temporaryDirectory } from "./temporary-directory.ts";

suite("prepareDataDirectory", () => {
  test("makes the directory and its parents for the owner only", async () => {
    const root = await temporaryDirectory();
    const path = await prepareDataDirectory(join(root, "a", "b"));
    assert.equal(path, join(root, "a", "b"));
    assert.equal((await stat(path)).mode & 0o777, 0o700);
    assert.equal((await stat(join(root, "a"))).mode & 0o777, 0o700);
  });

  test("leaves an existing directory as it is", async () => {
    const root = await temporaryDirectory();
    await mkdir(join(root, "data"), { mode: 0o750 });
    await prepareDataDirectory(join(root, "data"));
    assert.equal((await stat(join(root, "data"))).mode & 0o777, 0o750);
  });

  test("refuses a file, and a directory below a file", async () => {
    const root = await temporaryDirectory();
    await writeFile(join(root, "file"), "");
    for (const path of [join(root, "file"), join(root, "file", "below")]) {
      await assert.rejects(
        prepareDataDirectory(path),
        (error: unknown) => error instanceof ServerError && error.code === "SERVER_INVALID_OPTION",
      );
    }
  });
});
