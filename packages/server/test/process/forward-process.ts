/** The real `walnut forward` in a process of its own, beside a server that shows it. As built: `npm test` builds first. */
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import type { TestContext } from "node:test";
import { fileURLToPath } from "node:url";
import { temporaryDirectory } from "../temporary-directory.ts";

const LAUNCHER = fileURLToPath(new URL("../../../cli/dist/launch.cjs", import.meta.url));

/** One run of the agent. */
export class ForwardProcess {
  /** Where it listens: `http://127.0.0.1:PORT`. */
  readonly url: string;
  readonly #child: ChildProcess;

  private constructor(child: ChildProcess, url: string) {
    this.#child = child;
    this.url = url;
  }

  /** Starts it on a spool of its own and waits until it listens; it ends with the test at the latest. */
  static async start(
    context: TestContext,
    options: {
      readonly to: string;
      readonly flags?: readonly string[];
      readonly variables?: Readonly<Record<string, string>>;
    },
  ): Promise<ForwardProcess> {
    const own = Object.entries(process.env).filter(([name]) => !name.startsWith("WALNUT_"));
    const spool = await temporaryDirectory();
    const words = ["forward", "--to", options.to, "--wal-path", spool];
    const child = spawn(process.execPath, [LAUNCHER, ...words, ...(options.flags ?? [])], {
      env: {
        ...Object.fromEntries(own),
        WALNUT_FORWARD_LISTEN: "127.0.0.1:0",
        ...options.variables,
      },
      stdio: ["ignore", "pipe", "pipe"],
    });
    context.after(() => child.kill("SIGKILL"));
    let output = "";
    for (const stream of [child.stdout, child.stderr]) {
      stream.on("data", (chunk: Buffer) => (output += chunk.toString()));
    }
    for (;;) {
      const url = /"url":"(http[^"]+)"/.exec(output)?.[1];
      if (url !== undefined) return new ForwardProcess(child, url);
      const ended = once(child, "close").then(() => "ended");
      if ((await Promise.race([ended, once(child.stderr, "data")])) === "ended") {
        throw new Error(`the agent did not start:\n${output}`);
      }
    }
  }

  /** `127.0.0.1:PORT`, as the configuration has it. */
  get listen(): string {
    return new URL(this.url).host;
  }

  /** Takes one item. */
  async put(category: string, body: string, headers: Record<string, string> = {}): Promise<void> {
    const answer = await fetch(`${this.url}/v1/write/${category}`, {
      method: "POST",
      body,
      headers,
    });
    if (answer.status !== 204) throw new Error(`${answer.status}: ${await answer.text()}`);
  }

  async kill(): Promise<void> {
    const ended = once(this.#child, "close");
    this.#child.kill("SIGKILL");
    await ended;
  }
}
