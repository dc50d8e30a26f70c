/**
 * The real command line in a process of its own, for tests that kill it: `walnut forward`, and the `walnut serve` that it ships to.
 *
 * As built and installed: `npm test` builds first. Ports are chosen by the system and read from the log.
 */
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import type { TestContext } from "node:test";
import { fileURLToPath } from "node:url";

const LAUNCHER = fileURLToPath(new URL("../../../cli/dist/launch.cjs", import.meta.url));

/** One run of a command. */
export class WalnutProcess {
  readonly #child: ChildProcess;
  readonly #ended: Promise<unknown>;
  #output = "";
  #hasEnded = false;

  private constructor(child: ChildProcess) {
    this.#child = child;
    for (const stream of [child.stdout, child.stderr]) {
      stream?.on("data", (chunk: Buffer) => (this.#output += chunk.toString()));
    }
    this.#ended = once(child, "close").then(() => (this.#hasEnded = true));
  }

  static start(
    context: TestContext,
    words: readonly string[],
    variables: Readonly<Record<string, string>> = {},
    /** Largest file that the process may write: what a full disk looks like. */
    limit: { readonly maxFileKib?: number } = {},
  ): WalnutProcess {
    const own = Object.entries(process.env).filter(([name]) => !name.startsWith("WALNUT_"));
    const env = { ...Object.fromEntries(own), ...variables };
    const program = [process.execPath, LAUNCHER, ...words];
    const setLimit = limit.maxFileKib === undefined ? "" : `ulimit -f ${limit.maxFileKib} && `;
    const child = spawn("bash", ["-c", `${setLimit}exec "$@"`, "bash", ...program], {
      env,
      stdio: ["ignore", "pipe", "pipe"],
    });
    context.after(() => child.kill("SIGKILL"));
    return new WalnutProcess(child);
  }

  /** Where it listens, once it does. */
  async url(): Promise<string> {
    for (;;) {
      const url = /"url":"(http[^"]+)"/.exec(this.#output)?.[1];
      if (url !== undefined) return url;
      if (this.#hasEnded) throw new Error(`the process did not start:\n${this.#output}`);
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  }

  /** Its exit code and all that it said, once it has ended by itself. */
  async ended(): Promise<{ readonly code: number | null; readonly output: string }> {
    await this.#ended;
    return { code: this.#child.exitCode, output: this.#output };
  }

  async kill(signal: "SIGKILL" | "SIGTERM"): Promise<number | null> {
    this.#child.kill(signal);
    await this.#ended;
    return this.#child.exitCode;
  }
}
