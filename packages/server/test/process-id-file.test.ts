import assert from "node:assert/strict";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { suite, test } from "node:test";
import { removeProcessId, writeProcessId } from "../src/process-id-file.ts";
import { openServer } from "../src/server.ts";
import { temporaryDirectory } from "./temporary-directory.ts";

function readNote(directory: string): Promise<string | undefined> {
  return readFile(join(directory, "pid"), "utf8").catch(() => undefined);
}

suite("process id file", () => {
  test("names this process from ready to close", async (context) => {
    const dataDirectory = await temporaryDirectory();
    const server = await openServer({ port: 0, dataDirectory });
    context.after(() => server.close());
    await server.ready;
    assert.equal(await readNote(dataDirectory), `${process.pid}\n`);
    await server.close();
    assert.equal(await readNote(dataDirectory), undefined);
  });

  test("replaces what a process left that was killed", async () => {
    const directory = await temporaryDirectory();
    await writeFile(join(directory, "pid"), "1234567\n");
    await writeProcessId(directory);
    assert.equal(await readNote(directory), `${process.pid}\n`);
  });

  test("is not removed when it names another process, or is not there", async () => {
    const directory = await temporaryDirectory();
    await removeProcessId(directory);
    await writeFile(join(directory, "pid"), "1234567\n");
    await removeProcessId(directory);
    assert.equal(await readNote(directory), "1234567\n");
  });

  test("is not touched by a server that is refused the directory", async (context) => {
    const dataDirectory = await temporaryDirectory();
    const owner = await openServer({ port: 0, dataDirectory });
    context.after(() => owner.close());
    await owner.ready;
    const second = await openServer({ port: 0, dataDirectory });
    await assert.rejects(second.ready, { code: "WAL_LOCKED" });
    await second.close();
    assert.equal(await readNote(dataDirectory), `${process.pid}\n`);
  });
});
