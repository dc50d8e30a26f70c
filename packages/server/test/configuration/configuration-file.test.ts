import assert from "node:assert/strict";
import { chmod, mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { suite, test } from "node:test";
import {
  parseConfigurationFile,
  readConfigurationFile,
} from "../../src/configuration/configuration-file.ts";
import { ServerError } from "../../src/errors.ts";
import { temporaryDirectory } from "../temporary-directory.ts";

function isInvalid(error: unknown): boolean {
  return error instanceof ServerError && error.code === "SERVER_INVALID_OPTION";
}

suite("parseConfigurationFile", () => {
  test("gives keys with their sections, values and lines", () => {
    const text = '\uFEFFtop = 1\n\n["a"]\nb.c = "x" # remark\n[a.d]\n\n  e = [1,\n 2]\n';
    assert.deepEqual(parseConfigurationFile("f", text), [
      { key: "top", value: 1, line: 1 },
      { key: "a.b.c", value: "x", line: 4 },
      { key: "a.d.e", value: [1, 2], line: 7 },
    ]);
  });

  test("does not take lines inside of long text for keys", () => {
    const text = '[a]\nb = """\nc = 1\n[d]\n"""\ne = 2\n';
    assert.deepEqual(
      parseConfigurationFile("f", text).map(({ key, line }) => [key, line]),
      [
        ["a.b", 2],
        ["a.e", 6],
      ],
    );
  });

  test("says where it is no TOML, without the text, which may be a secret", () => {
    for (const text of ["[auth]\ntoken = hush\n", "[auth]\ntoken = 'hush\n", "a = 1\na = 'hush'"]) {
      assert.throws(
        () => parseConfigurationFile("f.toml", text),
        (error: unknown) =>
          isInvalid(error) &&
          error instanceof Error &&
          error.message.includes("f.toml:2:") &&
          !error.message.includes("hush") &&
          error.cause === undefined,
        text,
      );
    }
  });

  test("refuses numbers that would lose digits", () => {
    assert.throws(() => parseConfigurationFile("f", "a = 9007199254740993"), isInvalid);
  });
});

suite("readConfigurationFile", () => {
  test("takes a missing file for none only where that is allowed", async () => {
    const path = join(await temporaryDirectory(), "walnut.toml");
    assert.equal(await readConfigurationFile(path, { isOptional: true }), undefined);
    await assert.rejects(readConfigurationFile(path, { isOptional: false }), isInvalid);
    await mkdir(path);
    await assert.rejects(readConfigurationFile(path, { isOptional: true }), isInvalid);
  });

  test("tells whether others can read it", async () => {
    const path = join(await temporaryDirectory(), "walnut.toml");
    await writeFile(path, "");
    for (const [mode, expected] of [
      [0o600, false],
      [0o640, true],
    ] as const) {
      await chmod(path, mode);
      const file = await readConfigurationFile(path, { isOptional: true });
      assert.equal(file?.isReadableByOthers, expected);
    }
  });
});
