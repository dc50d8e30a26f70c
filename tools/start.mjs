/**
 * `npm start`: installs and builds what is not up to date, then is the server.
 *
 * The server runs in this very process, not in a child, and package.json starts us with `exec`, so that no
 * shell stands between npm and us: a signal to npm reaches the server, npm waits until the server has
 * drained, and its exit code is npm's. (Windows has no `exec`: run `node tools/start.cjs` there.)
 */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { ROOT, ensureBuilt, fail } from "./setup.mjs";

const PARENT_CHECK_INTERVAL_MS = 100;

/** Signals closer together than this are one wish. */
const SAME_SIGNAL_MS = 500;

ensureBuilt();
const program = join(ROOT, "packages", "cli", "dist", "launch.cjs");
if (!existsSync(program)) fail(`the build made no ${program}.`);
if (process.env["npm_lifecycle_event"] === "start") {
  dieWithNpm();
  dropForwardedSignals();
}
process.argv = [process.execPath, program, "serve", ...process.argv.slice(2)];
await import(pathToFileURL(program).href);

/**
 * Someone who kills npm the hard way means the server. Left alone, it would live on unseen, holding the
 * port and the log. The log is made for sudden deaths, so we die the same way.
 */
function dieWithNpm() {
  const npmProcessId = process.ppid;
  const timer = setInterval(() => {
    if (process.ppid !== npmProcessId) process.kill(process.pid, "SIGKILL");
  }, PARENT_CHECK_INTERVAL_MS);
  timer.unref();
}

/**
 * Ctrl-C reaches every process of the terminal, so npm and us; then npm passes it on, and the server would
 * take the second one for impatience and stop without draining.
 */
function dropForwardedSignals() {
  const emit = process.emit.bind(process);
  let lastSignalMs = -Infinity;
  /** @type {(event: string | symbol, ...values: unknown[]) => boolean} */
  const emitOnce = (event, ...values) => {
    if (event === "SIGINT" || event === "SIGTERM") {
      const nowMs = performance.now();
      if (nowMs - lastSignalMs < SAME_SIGNAL_MS) return true;
      lastSignalMs = nowMs;
    }
    return Reflect.apply(emit, process, [event, ...values]);
  };
  Object.assign(process, { emit: emitOnce });
}
