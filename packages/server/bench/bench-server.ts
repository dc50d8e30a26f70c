/**
 * The built command in a process of its own, for benchmarks: started, asked, killed.
 *
 * With several workers a metric is the sum over all of them.
 */
import { spawn, type ChildProcess } from "node:child_process";
import { fileURLToPath } from "node:url";

/** What every request of a benchmark carries. */
export const BENCH_TOKEN = "bench-token";

const CLI = fileURLToPath(new URL("../../cli/dist/launch.cjs", import.meta.url));
const POLL_INTERVAL_MS = 25;
const FLUSH_LIMIT_MS = 120_000;

/** How a server is started. */
export interface BenchServerOptions {
  /** Data directory. */
  readonly directory: string;
  /** Words of the command line. */
  readonly flags: readonly string[];
  /** Flags of Node itself. */
  readonly nodeFlags?: readonly string[];
  /** Launcher of the command. Default: that of this checkout. */
  readonly launcher?: string | undefined;
}

/** A running server. Make it with {@link BenchServer.start}. */
export class BenchServer {
  readonly port: number;
  readonly #child: ChildProcess;

  private constructor(child: ChildProcess, port: number) {
    this.#child = child;
    this.port = port;
  }

  /** Resolves when the server is ready. */
  static async start({
    directory,
    flags,
    nodeFlags = [],
    launcher = CLI,
  }: BenchServerOptions): Promise<BenchServer> {
    const words = ["serve", "--port", "0", "--data-dir", directory, ...flags];
    const child = spawn(process.execPath, [...nodeFlags, launcher, ...words], {
      env: {
        ...process.env,
        WALNUT_TOKEN: BENCH_TOKEN,
        WALNUT_LOG_FORMAT: "text",
        WALNUT_LOG_LEVEL: "error",
      },
      stdio: ["ignore", "pipe", "inherit"],
    });
    const port = await new Promise<number>((resolve, reject) => {
      let output = "";
      child.stdout.on("data", (chunk: Buffer) => {
        output += chunk.toString();
        const match = /^ {2}url .*:(\d+)$/m.exec(output);
        if (match !== null) resolve(Number(match[1]));
      });
      child.once("close", () => reject(new Error("the server did not start")));
    });
    return new BenchServer(child, port);
  }

  async metric(name: string): Promise<number> {
    const text = await (await fetch(`http://127.0.0.1:${this.port}/metrics`)).text();
    const lines = [...text.matchAll(new RegExp(`^${name}(?:\\{[^}]*\\})? (\\S+)$`, "gm"))];
    if (lines.length === 0) throw new Error(`there is no metric ${name}`);
    return lines.reduce((sum, [, value]) => sum + Number(value), 0);
  }

  /** Resolves when that many rows have been flushed since the start. */
  async untilFlushed(rows: number): Promise<void> {
    const limitMs = performance.now() + FLUSH_LIMIT_MS;
    while ((await this.metric("walnut_flushed_rows_total")) < rows) {
      if (performance.now() > limitMs) throw new Error(`${rows} rows are not in Parquet`);
      await new Promise((resolve) => setTimeout(resolve, POLL_INTERVAL_MS));
    }
  }

  async query(sql: string): Promise<readonly (readonly unknown[])[]> {
    const body = JSON.stringify({ sql });
    const answer = (await this.ask("POST", "/api/v1/query", body)) as { data: unknown[][] };
    return answer.data;
  }

  /** @throws {Error} for an answer that is no success */
  async ask(method: "GET" | "POST", path: string, body?: string): Promise<unknown> {
    const response = await fetch(`http://127.0.0.1:${this.port}${path}`, {
      method,
      headers: { authorization: `Bearer ${BENCH_TOKEN}` },
      ...(body === undefined ? {} : { body }),
    });
    const text = await response.text();
    if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${text}`);
    return JSON.parse(text);
  }

  async stop(signal: "SIGKILL" | "SIGTERM"): Promise<void> {
    const ended = new Promise((resolve) => this.#child.once("close", resolve));
    this.#child.kill(signal);
    await ended;
  }
}

/** The middle one, or the mean of the two in the middle. */
export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  const upper = sorted[middle] ?? 0;
  return sorted.length % 2 === 1 ? upper : (upper + (sorted[middle - 1] ?? 0)) / 2;
}
