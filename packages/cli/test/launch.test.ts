/** The installed command, as built: what it does before the program itself begins. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readdir, rm } from "node:fs/promises";
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
});

/** Threads of a server that is ready, so that it has used the pool. */
async function countThreads(
  context: TestContext,
  variables: Readonly<Record<string, string>>,
): Promise<number> {
  const directory = await mkdtemp(join(tmpdir(), "walnut-launch-"));
  const words = ["serve", "--port", "0", "--data-dir", directory];
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
  return (await readdir(`/proc/${server.pid}/task`)).length;
}
