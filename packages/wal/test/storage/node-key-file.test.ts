/** Key files on the real disk: who may have access to them. */
import assert from "node:assert/strict";
import { chmod, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, suite, test } from "node:test";
import { readKeyFile } from "../../src/storage/node-key-file.ts";

suite("readKeyFile", () => {
  let directory = "";
  let path = "";
  before(async () => {
    directory = await mkdtemp(join(tmpdir(), "walnut-keys-"));
    path = join(directory, "keys");
    await writeFile(path, "1:abc\n");
  });
  after(async () => {
    await rm(directory, { recursive: true });
  });

  const skip = process.platform === "win32" ? "Windows has access lists instead of modes" : false;
  for (const mode of [0o600, 0o400, 0o640, 0o440]) {
    test(`reads a file of mode ${mode.toString(8)}`, { skip }, async () => {
      await chmod(path, mode);
      assert.equal(await readKeyFile(path), "1:abc\n");
    });
  }

  for (const mode of [0o644, 0o604, 0o660, 0o602, 0o777]) {
    test(`refuses a file of mode ${mode.toString(8)}`, { skip }, async () => {
      await chmod(path, mode);
      await assert.rejects(readKeyFile(path), /chmod 600/);
    });
  }

  test("refuses what is no file, what is not there, and what is far too large", async () => {
    await assert.rejects(readKeyFile(directory));
    await assert.rejects(readKeyFile(join(directory, "none")), { code: "ENOENT" });
    const large = join(directory, "large");
    await writeFile(large, new Uint8Array(1024 * 1024 + 1), { mode: 0o600 });
    await assert.rejects(readKeyFile(large));
  });
});
