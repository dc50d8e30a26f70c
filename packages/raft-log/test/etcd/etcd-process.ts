/**
 * A real etcd for tests: started on ports of its own, asked by its JSON interface, stopped.
 *
 * The one that is installed, or that of the variable `WALNUT_TEST_ETCD`; `build-etcd.ts` makes others.
 */
import { spawn, spawnSync, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { createServer } from "node:net";
import type { TestContext } from "node:test";

const NAMED = process.env["WALNUT_TEST_ETCD"];
const PROGRAM = NAMED ?? "etcd";

/** What `etcd --version` says, such as `3.4.23`; `undefined` where there is none. */
export const ETCD_VERSION: string | undefined = versionOf(PROGRAM);

/** Why tests with a real etcd are skipped; `false` where there is one. One that was named must run. */
export const NO_ETCD: string | false =
  ETCD_VERSION === undefined && NAMED === undefined
    ? "etcd is not installed (apt-get install etcd-server)"
    : false;

const START_LIMIT_MS = 60_000;

export interface EtcdOptions {
  readonly dataDirectory: string;
  /** Entries between two snapshots. Etcd's default is 100,000. */
  readonly snapshotCount?: number;
}

export class EtcdProcess {
  readonly #child: ChildProcess;
  readonly #url: string;
  readonly #output: string[] = [];

  private constructor(child: ChildProcess, url: string) {
    this.#child = child;
    this.#url = url;
    for (const stream of [child.stdout, child.stderr]) {
      stream?.on("data", (chunk: Buffer) => this.#output.push(chunk.toString()));
    }
  }

  /** Starts etcd and waits until it answers. It is stopped with the test, if it is of one, at the latest. */
  static async start(context: TestContext | undefined, options: EtcdOptions): Promise<EtcdProcess> {
    const [client, peer] = await Promise.all([freePort(), freePort()]);
    const url = `http://127.0.0.1:${client}`;
    const peerUrl = `http://127.0.0.1:${peer}`;
    const child = spawn(
      PROGRAM,
      [
        "--name=one",
        `--data-dir=${options.dataDirectory}`,
        `--listen-client-urls=${url}`,
        `--advertise-client-urls=${url}`,
        `--listen-peer-urls=${peerUrl}`,
        `--initial-advertise-peer-urls=${peerUrl}`,
        `--initial-cluster=one=${peerUrl}`,
        `--snapshot-count=${options.snapshotCount ?? 100_000}`,
      ],
      { stdio: ["ignore", "pipe", "pipe"] },
    );
    const etcd = new EtcdProcess(child, url);
    context?.after(() => etcd.stop());
    await etcd.#ready();
    return etcd;
  }

  async put(key: string, value: string): Promise<void> {
    await this.#post("kv/put", { key: base64(key), value: base64(value) });
  }

  /** All keys with their values. */
  async all(): Promise<Map<string, string>> {
    const answer = await this.#post("kv/range", { key: "AA==", range_end: "AA==" });
    // The answer of etcd's JSON interface to a range.
    const { kvs = [] } = answer as { kvs?: { key: string; value?: string }[] };
    return new Map(kvs.map(({ key, value = "" }) => [text(key), text(value)]));
  }

  /** Forgets old values, as etcd's own compaction does: an entry of the log as any other. */
  async compact(revision: number): Promise<void> {
    await this.#post("kv/compaction", { revision: String(revision) });
  }

  async stop(signal: "SIGTERM" | "SIGKILL" = "SIGTERM"): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const exited = once(this.#child, "exit");
    this.#child.kill(signal);
    await exited;
  }

  async #ready(): Promise<void> {
    const limitMs = Date.now() + START_LIMIT_MS;
    while (Date.now() < limitMs && this.#child.exitCode === null) {
      const isHealthy = await fetch(`${this.#url}/health`)
        .then(async (response) => response.ok && (await response.text()).includes("true"))
        .catch(() => false);
      if (isHealthy) return;
      await new Promise<void>((resolve) => setTimeout(resolve, 100));
    }
    throw new Error(`etcd did not start:\n${this.#output.join("")}`);
  }

  async #post(path: string, body: unknown): Promise<unknown> {
    const response = await fetch(`${this.#url}/v3/${path}`, {
      method: "POST",
      body: JSON.stringify(body),
    });
    if (!response.ok) throw new Error(`etcd: ${response.status} ${await response.text()}`);
    return await response.json();
  }
}

function versionOf(program: string): string | undefined {
  const { status, stdout } = spawnSync(program, ["--version"], { encoding: "utf8" });
  return status === 0 ? /^etcd Version: (\S+)/m.exec(stdout)?.[1] : undefined;
}

function base64(value: string): string {
  return Buffer.from(value).toString("base64");
}

function text(value: string): string {
  return Buffer.from(value, "base64").toString();
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  server.close();
  await once(server, "close");
  return typeof address === "object" && address !== null ? address.port : 0;
}
