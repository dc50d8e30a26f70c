#!/usr/bin/env node
/** The `walnut` command: connects the command line to the real process. */
import { once } from "node:events";
import { performance } from "node:perf_hooks";
import { runCli } from "./run-cli.ts";

const STOP_SIGNALS = ["SIGTERM", "SIGINT"] as const;

/** Flags whose value is nobody else's business. */
const SECRET_FLAGS = /^--(token|listen-token|s3-secret-access-key|s3-session-token)(=|$)/;

// Other users can see the words of a process. This takes them away, as soon as we run.
if (process.argv.some((word) => SECRET_FLAGS.test(word))) process.title = "walnut";

let isGone = false;

// A reader that goes away (`walnut serve | head`, a stopped log collector) must not take the server with it.
for (const stream of [process.stdout, process.stderr]) {
  stream.on("error", (error: NodeJS.ErrnoException) => {
    if (error.code !== "EPIPE") throw error;
    if (stream === process.stdout) isGone = true;
  });
}

process.exitCode = await runCli(process.argv.slice(2), {
  variables: process.env,
  stdout: process.stdout,
  stderr: process.stderr,
  monotonicMs: () => performance.now(),
  nowMs: () => Date.now(),
  isGone: () => isGone,
  async drained() {
    const { stdout } = process;
    if (isGone || !stdout.writableNeedDrain) return;
    const over = new AbortController();
    const options = { signal: over.signal };
    try {
      // "close" comes instead of "drain" when the reader has gone.
      await Promise.race([once(stdout, "drain", options), once(stdout, "close", options)]);
    } catch {
      // The listener above has seen the error, and decided on it.
    } finally {
      over.abort();
    }
  },
  onStopSignal(listener) {
    for (const signal of STOP_SIGNALS) process.on(signal, listener);
    return () => {
      for (const signal of STOP_SIGNALS) process.off(signal, listener);
    };
  },
  exitNow: (code) => process.exit(code),
  setTimer(delayMs, callback) {
    const timer = setTimeout(callback, delayMs);
    timer.unref();
    return () => clearTimeout(timer);
  },
});
