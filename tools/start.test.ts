/** `npm start` as a person or a supervisor meets it: what a signal to npm does to the server behind it. */
import assert from "node:assert/strict";
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { suite, test, type TestContext } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { ROOT } from "./setup.mjs";

const POLL_INTERVAL_MS = 20;
/** More than all threads of a server with Node's own pool of four. */
const POOL_THREADS = 16;
const isWindows = process.platform === "win32";

interface StartedServer {
  readonly directory: string;
  readonly npm: ChildProcess;
  readonly url: string;
  readonly output: () => string;
}

suite("npm start", { skip: isWindows && "signals are a POSIX matter" }, () => {
  test("drains and exits 0 when npm gets SIGTERM, and npm waits for that", async (context) => {
    const { npm, url, output } = await startServer(context);
    npm.kill("SIGTERM");
    const [exitCode] = await once(npm, "exit");
    assert.equal(exitCode, 0, output());
    assert.equal(await isAnswering(url), false);
  });

  test("drains on Ctrl-C, which reaches npm and server, and which npm passes on", async (context) => {
    const { npm, output } = await startServer(context);
    assert.ok(npm.pid !== undefined);
    process.kill(-npm.pid, "SIGINT");
    const [exitCode] = await once(npm, "exit");
    assert.equal(exitCode, 0, output());
  });

  test("makes room in the thread pool, so that queries do not hold up writes", async (context) => {
    if (process.platform !== "linux") {
      context.skip("threads are counted in /proc");
      return;
    }
    const { directory } = await startServer(context);
    const processId = (await readFile(join(directory, "pid"), "utf8")).trim();
    const threads = await readdir(`/proc/${processId}/task`);
    assert.ok(threads.length > POOL_THREADS, `${threads.length} threads`);
  });

  test("does not live on unseen when npm is killed", async (context) => {
    const { npm, url } = await startServer(context);
    npm.kill("SIGKILL");
    // The test's own time limit ends this when the server stays.
    while (await isAnswering(url)) await delay(POLL_INTERVAL_MS);
  });
});

async function startServer(context: TestContext): Promise<StartedServer> {
  const directory = await mkdtemp(join(tmpdir(), "walnut-start-"));
  const npm = spawn("npm", ["start", "--", "--port", "0", "--data-dir", directory], {
    cwd: ROOT,
    stdio: ["ignore", "pipe", "pipe"],
    // A process group of its own, as a terminal gives to a command.
    detached: true,
  });
  context.after(async () => {
    npm.kill("SIGKILL");
    await rm(directory, { recursive: true, force: true, maxRetries: 5 });
  });
  let text = "";
  npm.stdout.on("data", (chunk: Buffer) => (text += chunk.toString()));
  npm.stderr.on("data", (chunk: Buffer) => (text += chunk.toString()));
  let url: string | undefined;
  while (url === undefined) {
    assert.equal(npm.exitCode, null, text);
    url = /http:\/\/[\d.]+:\d+/.exec(text)?.[0];
    await delay(POLL_INTERVAL_MS);
  }
  return { directory, npm, url, output: () => text };
}

async function isAnswering(url: string): Promise<boolean> {
  try {
    await fetch(`${url}/health`, { headers: { connection: "close" } });
    return true;
  } catch {
    return false;
  }
}
