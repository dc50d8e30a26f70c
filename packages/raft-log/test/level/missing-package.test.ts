import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { suite, test } from "node:test";

/** A machine on which classic-level was never installed. */
const WITHOUT_CLASSIC_LEVEL = `
export async function resolve(specifier, context, next) {
  if (specifier !== "classic-level") return await next(specifier, context);
  throw Object.assign(new Error("Cannot find package 'classic-level'"), { code: "ERR_MODULE_NOT_FOUND" });
}`;

const dataUrl = (text: string): string => `data:text/javascript,${encodeURIComponent(text)}`;

const REGISTER = `import { register } from "node:module"; register(${JSON.stringify(dataUrl(WITHOUT_CLASSIC_LEVEL))});`;

const PROGRAM = `
import { openRaftLog } from "@walnut/raft-log";
try {
  await openRaftLog({ storageRootDirectory: process.argv[1], clusterId: 1, peerId: 1, backend: "level" });
  console.log("opened");
} catch (error) {
  console.log(error.code + "|" + error.message);
}`;

suite("the backend level without its package", () => {
  test("is RAFT_INVALID_OPTION, and says what to install", () => {
    const directory = mkdtempSync(join(tmpdir(), "walnut-raft-"));
    try {
      const { stdout, stderr } = spawnSync(
        process.execPath,
        [
          "--conditions=@walnut/source",
          "--import",
          "tsx",
          "--import",
          dataUrl(REGISTER),
          "--input-type=module",
          "--eval",
          PROGRAM,
          directory,
        ],
        { encoding: "utf8", cwd: import.meta.dirname },
      );
      assert.match(stdout, /^RAFT_INVALID_OPTION\|.*npm install classic-level/, stderr);
    } finally {
      rmSync(directory, { recursive: true });
    }
  });
});
