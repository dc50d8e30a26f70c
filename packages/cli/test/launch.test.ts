/** The installed command, as built: what it does before the program itself begins. */
import assert from "node:assert/strict";
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { suite, test, type TestContext } from "node:test";
import { fileURLToPath } from "node:url";

const LAUNCHER = fileURLToPath(new URL("../dist/launch.cjs", import.meta.url));

suite("walnut, as installed", () => {
  const skip = process.platform !== "linux" && "threads are counted in /proc";

  test("has 16 threads in the pool for writes, queries and flushes", { skip }, async (context) => {
    const [few, many] = await Promise.all([
      countThreads(context, { UV_THREADPOOL_SIZE: "4" }),
      countThreads(context, { UV_THREADPOOL_SIZE: "" }),
    ]);
    assert.equal(many - few, 12);
  });

  test("shows a token among its words to nobody", { skip }, async (context) => {
    const secret = "the-token-of-this-test";
    const server = await startServer(context, {}, ["--token", secret]);
    const words = await readFile(`/proc/${server.pid}/cmdline`, "latin1");
    assert.equal(words.includes(secret), false, words);
  });
});

/** Threads of a server that is ready, so that it has used the pool. */
async function countThreads(
  context: TestContext,
  variables: Readonly<Record<string, string>>,
): Promise<number> {
  const server = await startServer(context, variables);
  return (await readdir(`/proc/${server.pid}/task`)).length;
}

/** A server that is ready. */
async function startServer(
  context: TestContext,
  variables: Readonly<Record<string, string>>,
  flags: readonly string[] = [],
): Promise<ChildProcess> {
  const directory = await mkdtemp(join(tmpdir(), "walnut-launch-"));
  const words = ["serve", "--port", "0", "--data-dir", directory, ...flags];
  const server = spawn(process.execPath, [LAUNCHER, ...words], {
    env: { ...process.env, ...variables },
    stdio: ["ignore", "pipe", "inherit"],
  });
  context.after(async () => {
    server.kill("SIGKILL");
    await rm(directory, { recursive: true, force: true, maxRetries: 5 });
  });
  let output = "";
  server.stdout.on("data", (chunk: Buffer) => (output += chunk.toString()));
  while (!output.includes("is ready")) {
    await Promise.race([once(server.stdout, "data"), once(server, "exit")]);
    assert.equal(server.exitCode, null, output);
  }
  return server;
}
