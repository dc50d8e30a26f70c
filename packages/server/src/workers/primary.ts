/**
 * The primary of a server with several workers: starts them, keeps them running, stops them. It owns no data.
 *
 * It has the port and hands each connection to one worker; workers talk to each other without it, and ask its
 * coordinator where one decision is needed for all. A worker that ends is started again (restart-policy.ts) and recovers its
 * own log while the others serve.
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openAccess } from "../access/server-access.ts";
import type { AccessToken } from "../access-token.ts";
import { CoordinatorDesk } from "../coordinator/coordinator-desk.ts";
import { ServerError } from "../errors.ts";
import { openKnownWrites } from "../idempotency/known-writes.ts";
import { isLoopbackAddress, serverUrl } from "../http/server-url.ts";
import { removeProcessId, writeProcessId } from "../process-id-file.ts";
import { ProgressSum, sumRecoveries, type RecoverySummary } from "../recovery-summary.ts";
import type { ResolvedServerOptions } from "../server-options.ts";
import type { WalnutServer } from "../walnut-server.ts";
import { findShards } from "./shard.ts";
import { SharedPort } from "./shared-port.ts";
import type { Supervision } from "./supervision.ts";
import { SupervisedWorker } from "./supervised-worker.ts";
import { optionsOfWorker } from "./worker-options.ts";

/** Time that workers get to answer requests in flight, beyond their own limit, in milliseconds. */
const DRAIN_MARGIN_MS = 2_000;

/**
 * Starts a server of several processes. Resolves when the port answers.
 *
 * @throws {ServerError} `SERVER_INVALID_OPTION`, `SERVER_LISTEN_FAILED`, `SERVER_WORKER_FAILED`
 */
export async function openPrimary(
  options: ResolvedServerOptions,
  dataDirectory: string,
): Promise<WalnutServer> {
  // Made once, before the workers look for it.
  const access = await openAccess(options, dataDirectory);
  access.close();
  const sharedPort = await SharedPort.open(options);
  const existingShards = await findShards(dataDirectory);
  // Socket paths are limited to about 100 bytes, so they are not in the data directory. Mode 0700.
  const socketDirectory = await mkdtemp(join(tmpdir(), "walnut-"));
  const primary = new Primary({
    options: { ...options, dataDirectory },
    sharedPort,
    token: access.token,
    existingShards,
    socketDirectory,
  });
  try {
    await primary.start();
    return primary;
  } catch (error) {
    await primary.close().catch(() => undefined); // The first failure is the one to tell.
    throw error;
  }
}

interface PrimaryParts {
  readonly options: ResolvedServerOptions;
  readonly token: AccessToken;
  readonly sharedPort: SharedPort;
  readonly existingShards: readonly number[];
  readonly socketDirectory: string;
}

class Primary implements WalnutServer {
  readonly options: ResolvedServerOptions;
  readonly token: AccessToken;
  readonly ready: Promise<RecoverySummary>;
  readonly failure: Promise<Error>;
  readonly #socketDirectory: string;
  readonly #workers: readonly SupervisedWorker[];
  #becomeReady: (recovery: RecoverySummary) => void = () => undefined;
  #failReady: (error: Error) => void = () => undefined;
  #tellFailure: (error: Error) => void = () => undefined;
  #onListening: () => void = () => undefined;
  readonly #port: SharedPort;
  #durabilityText = "";
  #recoveries = new Map<number, RecoverySummary>();
  #hasRecovered = false;
  #closing: Promise<void> | undefined;

  constructor({ options, token, sharedPort, existingShards, socketDirectory }: PrimaryParts) {
    this.#port = sharedPort;
    this.options = options;
    this.token = token;
    this.#socketDirectory = socketDirectory;
    this.ready = new Promise((resolve, reject) => {
      this.#becomeReady = resolve;
      this.#failReady = reject;
    });
    this.ready.catch(() => undefined); // Who does not look at it must not die of it.
    this.failure = new Promise((resolve) => (this.#tellFailure = resolve));
    const { workers } = options;
    const desk = new CoordinatorDesk(workers);
    const knownWrites = openKnownWrites(options, workers);
    const progress = new ProgressSum((step) => options.onRecoveryProgress?.(step));
    this.#workers = Array.from({ length: workers }, (_, index) => {
      const worker = index + 1;
      const supervised: SupervisedWorker = new SupervisedWorker({
        worker,
        decisions: { ...desk.forWorker(worker), ...knownWrites.ledger(worker) },
        logger: options.logger,
        start: () => ({
          kind: "start",
          worker,
          workers,
          settings: optionsOfWorker(options),
          existingShards,
          socketDirectory,
          // While others serve, a client is better served by them than by one that recovers.
          listensAtOnce: !this.#workers.some((other) => other.facts.phase === "ready"),
          logsDebug: options.logger.debug !== undefined,
        }),
        mayFail: () => this.#hasRecovered,
        onProgress: (step) => progress.advance(worker, step),
        onListening: () => {
          sharedPort.offer(supervised);
          this.#onListening();
        },
        onLeaving: () => sharedPort.withdraw(supervised),
        onReady: (recovery, durabilityText) => this.#onReady(worker, recovery, durabilityText),
        onChange: () => this.#tellWorkers(),
        onGivenUp: (error) => this.#giveUp(error),
      });
      return supervised;
    });
  }

  get url(): string {
    const { address, port } = this.#port;
    const scheme = this.options.tlsCert === undefined ? "http" : "https";
    return serverUrl({ scheme, address, port });
  }

  get port(): number {
    return this.#port.port;
  }

  get dataDirectory(): string {
    return this.options.dataDirectory;
  }

  get isLoopback(): boolean {
    return isLoopbackAddress(this.#port.address);
  }

  get durabilityText(): string {
    return this.#durabilityText;
  }

  get processIds(): readonly number[] {
    return this.#workers.flatMap(({ facts }) => facts.processId ?? []);
  }

  /** Starts all workers; resolves when one of them answers. */
  async start(): Promise<void> {
    const listening = new Promise<void>((resolve) => (this.#onListening = resolve));
    for (const worker of this.#workers) worker.start();
    await Promise.race([listening, this.ready]);
    await writeProcessId(this.dataDirectory);
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #close(): Promise<void> {
    const workers = this.#workers;
    await this.#port.close();
    // First all of them answer what is in flight, as queries of one need the rows of the others.
    const limitMs = this.options.shutdownTimeoutMs + DRAIN_MARGIN_MS;
    await Promise.all(workers.map((worker) => worker.drain(limitMs)));
    const results = await Promise.allSettled(workers.map((worker) => worker.close()));
    await rm(this.#socketDirectory, { recursive: true, force: true });
    await removeProcessId(this.dataDirectory);
    this.#failReady(new ServerError("SERVER_NOT_READY", "the server was stopped while it started"));
    for (const result of results) if (result.status === "rejected") throw result.reason;
  }

  #onReady(worker: number, recovery: RecoverySummary, durabilityText: string): void {
    this.#durabilityText ||= durabilityText;
    this.#recoveries.set(worker, recovery);
    if (this.#hasRecovered || this.#recoveries.size < this.#workers.length) return;
    this.#hasRecovered = true;
    this.#tellWorkers();
    this.#becomeReady(sumRecoveries([...this.#recoveries.values()]));
  }

  #giveUp(error: Error): void {
    this.#failReady(error);
    this.#tellFailure(error);
    // Before the first recovery this is a failed start, and nobody else would end the other workers.
    if (!this.#hasRecovered) this.close().catch(() => undefined);
  }

  #tellWorkers(): void {
    const supervision: Supervision = {
      hasRecovered: this.#hasRecovered,
      workers: this.#workers.map((worker) => worker.facts),
    };
    for (const worker of this.#workers) worker.send({ kind: "supervision", supervision });
  }
}
