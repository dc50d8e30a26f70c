/**
 * The real command line in a process of its own, for tests that kill it.
 *
 * As built and installed, launcher and threads included: `npm test` builds first. The port is chosen by the
 * system and read from the banner.
 */
import { spawn, type ChildProcess } from "node:child_process";
import { fileURLToPath } from "node:url";

const LAUNCHER = fileURLToPath(new URL("../../../cli/dist/launch.cjs", import.meta.url));

/** How a process ended. */
export interface ProcessEnd {
  readonly code: number | null;
  readonly signal: string | null;
}

/** Options of {@link ServerProcess.start}. */
export interface ServerProcessOptions {
  readonly dataDirectory: string;
  /** Further words of the command line. */
  readonly flags?: readonly string[];
  /** Largest file that the process may write, in KiB: what a full disk looks like. */
  readonly maxFileKib?: number;
  /** `WALNUT_` variables; those of the test process are not passed on. */
  readonly variables?: Readonly<Record<string, string>>;
}

/** One run of `walnut serve`. */
export class ServerProcess {
  readonly ended: Promise<ProcessEnd>;
  readonly #child: ChildProcess;
  #stdout = "";
  #stderr = "";
  #hasEnded = false;

  private constructor(child: ChildProcess) {
    this.#child = child;
    child.stdout?.on("data", (chunk: Buffer) => (this.#stdout += chunk.toString()));
    child.stderr?.on("data", (chunk: Buffer) => (this.#stderr += chunk.toString()));
    this.ended = new Promise((resolve) => {
      // "close" comes after all output has been read.
      child.once("close", (code, signal) => {
        this.#hasEnded = true;
        resolve({ code, signal });
      });
    });
  }

  static start(options: ServerProcessOptions): ServerProcess {
    const variables = Object.entries(process.env).filter(([name]) => !name.startsWith("WALNUT_"));
    const words = ["serve", "--data-dir", options.dataDirectory, "--port", "0"];
    const program = [process.execPath, LAUNCHER, ...words, ...(options.flags ?? [])];
    const limit = options.maxFileKib === undefined ? "" : `ulimit -f ${options.maxFileKib} && `;
    const child = spawn("bash", ["-c", `${limit}exec "$@"`, "bash", ...program], {
      // The banner is for people and comes with text; the tests read it.
      env: { ...Object.fromEntries(variables), WALNUT_LOG_FORMAT: "text", ...options.variables },
      stdio: ["ignore", "pipe", "pipe"],
    });
    return new ServerProcess(child);
  }

  /** Of the server itself: the shell that starts it is replaced by it. */
  get processId(): number {
    const { pid } = this.#child;
    if (pid === undefined) throw new Error("the process did not start");
    return pid;
  }

  get stdout(): string {
    return this.#stdout;
  }

  get stderr(): string {
    return this.#stderr;
  }

  get hasEnded(): boolean {
    return this.#hasEnded;
  }

  kill(signal: "SIGKILL" | "SIGTERM"): void {
    this.#child.kill(signal);
  }

  /** Resolves with the URL when the server is ready, with `undefined` when the process ended before. */
  async url(): Promise<string | undefined> {
    for (;;) {
      const match = /^ {2}url +(\S+)$/m.exec(this.#stdout);
      if (match?.[1] !== undefined) return match[1];
      if (this.#hasEnded) return undefined;
      await this.#nextOutput();
    }
  }

  /** As {@link url}, and fails when the process ended before it was ready. */
  async readyUrl(): Promise<string> {
    const url = await this.url();
    if (url === undefined) throw new Error(`the server did not start:\n${this.#stderr}`);
    return url;
  }

  #nextOutput(): Promise<void> {
    return new Promise((resolve) => {
      const done = (): void => {
        this.#child.stdout?.off("data", done);
        this.#child.off("close", done);
        resolve();
      };
      this.#child.stdout?.once("data", done);
      this.#child.once("close", done);
    });
  }
}

/** Runs SQL on a server and returns the rows. */
export async function queryRows(
  url: string,
  token: string,
  sql: string,
): Promise<readonly (readonly unknown[])[]> {
  const response = await fetch(`${url}/api/v1/query`, {
    method: "POST",
    headers: { authorization: `Bearer ${token}` },
    body: JSON.stringify({ sql }),
  });
  const body = (await response.json()) as { data?: unknown[][]; error?: string };
  if (body.data === undefined) throw new Error(`${sql}: ${body.error}`);
  return body.data;
}

/** Processes of the workers that run now; none where there is one. */
export async function workerIds(url: string): Promise<readonly number[]> {
  for (;;) {
    // The worker that was to answer may be the one that has just been killed.
    const answer = await fetch(`${url}/health`).catch(() => undefined);
    if (answer === undefined) continue;
    const { workers = [] } = (await answer.json()) as {
      workers?: readonly { readonly process_id: number | null }[];
    };
    return workers.flatMap(({ process_id }) => process_id ?? []);
  }
}
