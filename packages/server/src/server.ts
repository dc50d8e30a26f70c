/**
 * The composition root of the server: options in, a running server out.
 *
 * Start: data directory, token, port; then, with the port already answering /health and /ready, the table
 * store, the log, and replay. Stop: no new work, requests in flight, rows to Parquet, cursor, log, port.
 * Clock, randomness and the file system enter here; everything below gets them handed in.
 */
import { randomBytes } from "node:crypto";
import { openAccess, type ServerAccess } from "./access/server-access.ts";
import type { AccessToken } from "./access-token.ts";
import { ByteBudget } from "./byte-budget.ts";
import { placeLog } from "./log-place.ts";
import { prepareDataDirectory } from "./data-directory.ts";
import { ServerError } from "./errors.ts";
import { Authenticator } from "./http/authentication.ts";
import { readConsoleFiles } from "./http/console-files.ts";
import { consoleRoutes } from "./http/console-routes.ts";
import { healthRoutes } from "./http/health-routes.ts";
import { listenHttp, type HttpListener } from "./http/http-server.ts";
import { IngestService } from "./http/ingest-service.ts";
import { influxRoutes } from "./http/influx-routes.ts";
import {
  answerDataLife,
  dataLifeRoutes,
  type DataLifeRoutesOptions,
} from "./http/data-life-routes.ts";
import { collectdRoutes } from "./http/collectd-routes.ts";
import { prometheusRoutes } from "./http/prometheus-routes.ts";
import { overviewRoutes } from "./http/overview-routes.ts";
import { queryRoutes } from "./http/query-routes.ts";
import { RequestHandler } from "./http/request-handler.ts";
import { RecoveryGate } from "./http/recovery-gate.ts";
import { RequestIds } from "./http/request-id.ts";
import { Router } from "./http/router.ts";
import { walRoutes } from "./http/wal-routes.ts";
import { writeRoutes } from "./http/write-routes.ts";
import { KnownWrites } from "./idempotency/known-writes.ts";
import { clientLimitsOf } from "./limits/client-limits.ts";
import { ClientShares } from "./limits/client-shares.ts";
import { TableCounters } from "./overview/table-counters.ts";
import { removeProcessId, writeProcessId } from "./process-id-file.ts";
import type { RecoverySummary } from "./recovery-summary.ts";
import { resolveServerOptions } from "./resolve-server-options.ts";
import { knownWriteMetrics, requestMetrics, storageMetrics } from "./server-metric-sources.ts";
import { ServerMetrics } from "./server-metrics.ts";
import type { ResolvedServerOptions, ServerOptions } from "./server-options.ts";
import { ServerState } from "./server-state.ts";
import type { TableSchema } from "./coordinator/coordinator.ts";
import { unionOfSchemas } from "./store/union-of-schemas.ts";
import { openStorage, type ServerStorage } from "./server-storage.ts";
import { findShards, shardsOfWorker } from "./workers/shard.ts";
import {
  everyAnswer,
  SingleWorker,
  type Question,
  type WorkerGroup,
} from "./workers/worker-group.ts";

const REQUEST_PREFIX_BYTES = 4;

/** A running server. */
export interface WalnutServer extends AsyncDisposable {
  /** Base URL for clients on this machine, without a slash at the end. */
  readonly url: string;
  readonly port: number;
  /** Absolute path. */
  readonly dataDirectory: string;
  /** False when other machines can reach the port. */
  readonly isLoopback: boolean;
  readonly token: AccessToken;
  readonly options: ResolvedServerOptions;
  /** The durability level and what it survives, in words. Known once {@link ready} has resolved. */
  readonly durabilityText: string;
  /**
   * Resolves when recovery is done and writes and queries are served. Rejects when recovery failed: the
   * server has then closed itself, and nothing in the directory was given up.
   */
  readonly ready: Promise<RecoverySummary>;
  /**
   * Stops: refuses new work, answers requests in flight, flushes every row, closes the log and the port.
   * Idempotent.
   *
   * @throws {ServerError} `SERVER_FLUSH_FAILED`: the log keeps the rows for the next start
   */
  close(): Promise<void>;
}

/**
 * Starts a server. Resolves when the port answers, which is before recovery has ended: see
 * {@link WalnutServer.ready}.
 *
 * @throws {ServerError} `SERVER_INVALID_OPTION`, `SERVER_LISTEN_FAILED`
 */
export async function openServer(options: ServerOptions = {}): Promise<WalnutServer> {
  const resolved = resolveServerOptions(options);
  const dataDirectory = await prepareDataDirectory(resolved.dataDirectory);
  await placeLog(dataDirectory, resolved.walDirectory);
  const access = await openAccess(resolved, dataDirectory);
  const server = new RunningServer(resolved, dataDirectory, access);
  try {
    await server.listen();
  } catch (error) {
    access.close();
    throw error;
  }
  server.recover();
  return server;
}

const TABLES: Question<object, readonly TableSchema[]> = { name: "tables" };

/** How long a retry waits for the first try that is still under way, in milliseconds. */
const MAX_WAIT_FOR_TWIN_MS = 5_000;

class RunningServer implements WalnutServer {
  readonly options: ResolvedServerOptions;
  readonly dataDirectory: string;
  readonly #access: ServerAccess;
  readonly #state: ServerState;
  readonly #budget: ByteBudget;
  readonly #metrics: ServerMetrics = new ServerMetrics();
  readonly #knownWrites: KnownWrites;
  readonly #tableCounters: TableCounters = new TableCounters(() => performance.now());
  readonly #handler: RequestHandler;
  readonly #group: WorkerGroup = new SingleWorker();
  #listener: HttpListener | undefined;
  #storage: ServerStorage | undefined;
  #recovery: Promise<RecoverySummary> | undefined;
  #closing: Promise<void> | undefined;

  constructor(options: ResolvedServerOptions, dataDirectory: string, access: ServerAccess) {
    this.options = options;
    this.dataDirectory = dataDirectory;
    this.#access = access;
    this.#state = new ServerState({
      startedAtMs: Date.now(),
      monotonicMs: () => performance.now(),
    });
    this.#knownWrites = new KnownWrites({
      windowMs: options.idempotencyWindowMs,
      maxKeys: options.idempotencyMaxKeys,
      maxWaitMs: MAX_WAIT_FOR_TWIN_MS,
      nowMs: () => Date.now(),
      workers: 1,
    });
    this.#budget = new ByteBudget(options.maxInFlightBytes);
    this.#handler = new RequestHandler({
      router: this.#makeRouter(),
      authenticator: new Authenticator(access.book),
      clients: new ClientShares(clientLimitsOf(options), () => performance.now()),
      state: this.#state,
      observer: this.#metrics,
      logger: options.logger,
      recoveryGate: recoveryGateOf(this.#state, options),
      requestIds: new RequestIds(randomBytes(REQUEST_PREFIX_BYTES).toString("hex")),
      monotonicMs: () => performance.now(),
      maxDiscardBytes: options.maxBodyBytes,
    });
    this.#answerQuestions();
    this.#metrics.register(requestMetrics(this.#state, this.#budget, this.#handler));
    this.#metrics.register(knownWriteMetrics(this.#knownWrites));
    this.#metrics.register(storageMetrics(() => this.#storage));
  }

  get token(): AccessToken {
    return this.#access.token;
  }

  get port(): number {
    return this.#openListener().port;
  }

  get url(): string {
    const { scheme, address, port } = this.#openListener();
    return `${scheme}://${reachableHost(address)}:${port}`;
  }

  get isLoopback(): boolean {
    const { address } = this.#openListener();
    return address === "::1" || address.startsWith("127.");
  }

  get durabilityText(): string {
    return this.#openStorage().durabilityText;
  }

  get ready(): Promise<RecoverySummary> {
    if (this.#recovery === undefined) throw new Error("recovery has not begun");
    return this.#recovery;
  }

  async listen(): Promise<void> {
    this.#listener = await listenHttp(this.options, this.#handler);
  }

  /** Starts recovery in the background; {@link ready} follows it. */
  recover(): void {
    this.#recovery = this.#recover();
    // Who does not look at `ready` must not die of an unhandled rejection; /ready tells the phase.
    this.#recovery.catch(() => {});
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #recover(): Promise<RecoverySummary> {
    try {
      const storage = await openStorage({
        options: this.options,
        directory: this.dataDirectory,
        shards: shardsOfWorker(1, { workers: 1, existing: await findShards(this.dataDirectory) }),
        otherShards: [],
        lockWaitMs: 0,
        peers: undefined,
        nowMs: () => Date.now(),
        ledger: this.#knownWrites.ledger(1),
        monotonicMs: () => performance.now(),
        isCancelled: () => this.#state.phase !== "recovering",
        onProgress: (progress) => {
          this.#state.advance(progress);
          this.options.onRecoveryProgress?.(progress);
        },
      });
      this.#storage = storage;
      await writeProcessId(this.dataDirectory);
      this.#state.becomeReady();
      return storage.recovery;
    } catch (error) {
      this.#state.fail();
      this.#access.close();
      await this.#listener?.close(0);
      throw error;
    }
  }

  async #close(): Promise<void> {
    this.#state.beginStop();
    try {
      await this.#recovery?.catch(() => {}); // Its failure was reported by `ready`.
      await this.#drain();
      if (this.#storage !== undefined) await this.#closeStorage(this.#storage);
    } finally {
      await this.#listener?.close(this.options.shutdownTimeoutMs);
      this.#access.close();
      this.#state.close();
    }
  }

  async #closeStorage(storage: ServerStorage): Promise<void> {
    try {
      await storage.close();
    } finally {
      await removeProcessId(this.dataDirectory);
    }
  }

  /** Waits for requests in flight, up to the time limit; cut ones fail on their own. */
  async #drain(): Promise<void> {
    let timer: NodeJS.Timeout | undefined;
    const limit = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, this.options.shutdownTimeoutMs);
    });
    await Promise.race([this.#handler.drained(), limit]);
    clearTimeout(timer);
  }

  #makeRouter(): Router {
    const { options } = this;
    const nowMs = (): number => Date.now();
    const ingest = new IngestService({
      options,
      budget: this.#budget,
      writer: {
        assertCapacity: () => this.#openStorage().assertCapacity(),
        write: (batch, identity) => this.#openStorage().write(batch, identity),
      },
      observer: {
        observeWrite: (protocol, rows, bytes, tables) => {
          this.#metrics.observeWrite(protocol, rows, bytes);
          this.#tableCounters.count(tables, bytes);
        },
        observeDropped: (kind, count) => this.#metrics.observeDropped(kind, count),
        observeReplay: () => this.#metrics.observeReplay(),
      },
      nowMs,
    });
    const answers = new ByteBudget(options.maxAnswerBytes);
    return new Router([
      ...writeRoutes(ingest),
      ...prometheusRoutes(ingest),
      ...collectdRoutes(ingest),
      ...queryRoutes({
        query: (sql, settings) => this.#openStorage().query(sql, settings),
        bodies: this.#budget,
        answers,
      }),
      ...influxRoutes({
        listTables: () => this.#listTables(),
        query: (sql, settings) => this.#openStorage().query(sql, settings),
        answers,
      }),
      ...this.#access.routes(),
      ...dataLifeRoutes(this.#dataLife),
      ...overviewRoutes({
        group: this.#group,
        options,
        state: this.#state,
        storage: () => this.#storage,
        budget: this.#budget,
        activeRequests: () => this.#handler.activeRequests,
        requestCounts: () => this.#metrics.requestCounts(),
        tableCounters: this.#tableCounters,
        nowMs,
      }),
      ...consoleRoutes(readConsoleFiles()),
      ...walRoutes({ storage: () => this.#openStorage(), options }),
      ...healthRoutes({
        state: this.#state,
        findTrouble: () => this.#storage?.findTrouble(),
        metrics: this.#metrics,
        publicMetrics: options.publicMetrics,
        nowMs,
      }),
    ]);
  }

  /** Says how this worker answers the questions of the group. */
  #answerQuestions(): void {
    answerDataLife(this.#dataLife);
    this.#group.answer(TABLES, () => this.#openStorage().listTables());
  }

  get #dataLife(): DataLifeRoutesOptions {
    return { storage: () => this.#openStorage(), group: this.#group };
  }

  async #listTables(): Promise<readonly TableSchema[]> {
    const answers = everyAnswer(await this.#group.askAll(TABLES, {}));
    return unionOfSchemas(answers.flat());
  }

  #openListener(): HttpListener {
    if (this.#listener === undefined) throw new Error("the port is not open");
    return this.#listener;
  }

  #openStorage(): ServerStorage {
    if (this.#storage === undefined) {
      throw new ServerError("SERVER_NOT_READY", "the server is recovering its log; try again soon");
    }
    return this.#storage;
  }
}

/** Where writes wait for recovery, if they may. */
function recoveryGateOf(
  state: ServerState,
  options: ResolvedServerOptions,
): RecoveryGate | undefined {
  if (options.writesDuringRecovery === "refuse") return undefined;
  return new RecoveryGate(state, {
    maxRequests: options.maxWaitingWrites,
    maxBytes: options.maxInFlightBytes,
    undeclaredBytes: options.maxBodyBytes,
    maxWaitMs: options.recoveryWaitMs,
  });
}

/** The address as a client on this machine writes it in a URL. */
function reachableHost(address: string): string {
  if (address === "0.0.0.0") return "127.0.0.1";
  if (address === "::") return "[::1]";
  return address.includes(":") ? `[${address}]` : address;
}
