import assert from "node:assert/strict";
import { chmod, readdir, readFile, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { suite, test } from "node:test";
import { loadAccessToken, removeLocalToken } from "../src/access-token.ts";
import { ServerError } from "../src/errors.ts";
import type { ServerLogger } from "../src/server-options.ts";
import { temporaryDirectory } from "./temporary-directory.ts";

function recordingLogger(): { readonly logger: ServerLogger; readonly lines: string[] } {
  const lines: string[] = [];
  const add = (line: string): void => void lines.push(line);
  return { logger: { info: add, warn: add, error: add }, lines };
}

suite("loadAccessToken", () => {
  test("makes a token of 32 random bytes on the first run, in a file for the owner only", async () => {
    const directory = await temporaryDirectory();
    const { logger, lines } = recordingLogger();
    const made = await loadAccessToken({
      directory,
      token: undefined,
      hasStoredAdmin: false,
      logger,
    });
    assert.ok(made.source === "created");
    assert.match(made.token, /^[A-Za-z0-9_-]{43}$/);
    assert.equal(await readFile(join(directory, "token"), "utf8"), `${made.token}\n`);
    assert.equal((await stat(join(directory, "token"))).mode & 0o777, 0o600);
    assert.deepEqual(await readdir(directory), ["token"], "no temporary file stays");
    assert.deepEqual(lines, []);
  });

  test("finds the same token on the next run", async () => {
    const directory = await temporaryDirectory();
    const { logger } = recordingLogger();
    const made = await loadAccessToken({
      directory,
      token: undefined,
      hasStoredAdmin: false,
      logger,
    });
    assert.ok(made.source === "created");
    const found = await loadAccessToken({
      directory,
      token: undefined,
      hasStoredAdmin: false,
      logger,
    });
    assert.deepEqual(found, { source: "file", token: made.token, path: made.path });
  });

  test("gives two processes that start together one token", async () => {
    const directory = await temporaryDirectory();
    const { logger } = recordingLogger();
    const both = await Promise.all([
      loadAccessToken({ directory, token: undefined, hasStoredAdmin: false, logger }),
      loadAccessToken({ directory, token: undefined, hasStoredAdmin: false, logger }),
    ]);
    const texts = both.map((token) => ("token" in token ? token.token : undefined));
    assert.notEqual(texts[0], undefined);
    assert.equal(texts[0], texts[1]);
  });

  test("makes none where a stored token can administer, and reads one that is there", async () => {
    const directory = await temporaryDirectory();
    const { logger } = recordingLogger();
    const options = { directory, token: undefined, hasStoredAdmin: true, logger };
    assert.deepEqual(await loadAccessToken(options), { source: "stored" });
    assert.deepEqual(await readdir(directory), []);
    await writeFile(join(directory, "token"), "mine\n");
    assert.equal((await loadAccessToken(options)).source, "file");
    assert.equal(await removeLocalToken(directory), true);
    assert.equal(await removeLocalToken(directory), false);
    assert.deepEqual(await loadAccessToken(options), { source: "stored" });
  });

  test("prefers a given token and stores nothing", async () => {
    const directory = await temporaryDirectory();
    const { logger } = recordingLogger();
    const given = await loadAccessToken({
      directory,
      token: "mine",
      hasStoredAdmin: false,
      logger,
    });
    assert.deepEqual(given, { source: "option", token: "mine" });
    assert.deepEqual(await readdir(directory), []);
  });

  test("refuses a file without a token instead of making a new one", async () => {
    const directory = await temporaryDirectory();
    const { logger } = recordingLogger();
    for (const content of ["", "\n", "two words\n"]) {
      await writeFile(join(directory, "token"), content);
      await assert.rejects(
        loadAccessToken({ directory, token: undefined, hasStoredAdmin: false, logger }),
        (error: unknown) => error instanceof ServerError && error.code === "SERVER_INVALID_OPTION",
      );
    }
  });

  test("warns, without the token, when others can read the file", async () => {
    const directory = await temporaryDirectory();
    const { logger, lines } = recordingLogger();
    await writeFile(join(directory, "token"), "my-secret\n");
    await chmod(join(directory, "token"), 0o644);
    await loadAccessToken({ directory, token: undefined, hasStoredAdmin: false, logger });
    assert.equal(lines.length, 1);
    assert.equal(lines[0]?.includes("my-secret"), false);
  });
});
