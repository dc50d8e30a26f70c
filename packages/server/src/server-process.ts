/**
 * The composition root of the server of one process: options in, a running server out.
 *
 * Start: token, port; then, with the port already answering /health and /ready, the table store, the log, and replay. Stop: no new
 * work, requests in flight, rows to Parquet, cursor, log, port. Clock, randomness and the file system enter here; everything below
 * gets them handed in.
 */
import { randomBytes } from "node:crypto";
import { openAccess, type ServerAccess } from "./access/server-access.ts";
import type { AccessToken } from "./access-token.ts";
import { ByteBudget } from "./byte-budget.ts";
import { ServerError } from "./errors.ts";
import { Authenticator } from "./http/authentication.ts";
import { readConsoleFiles } from "./http/console-files.ts";
import { consoleRoutes } from "./http/console-routes.ts";
import { healthRoutes } from "./http/health-routes.ts";
import type { HttpListener } from "./http/http-server.ts";
import { IngestService } from "./http/ingest-service.ts";
import { influxRoutes } from "./http/influx-routes.ts";
import { DataLifeService } from "./http/data-life-service.ts";
import { collectdRoutes } from "./http/collectd-routes.ts";
import { prometheusRoutes } from "./http/prometheus-routes.ts";
import { openApiRoutes } from "./http/openapi/openapi-routes.ts";
import { overviewRoutes } from "./http/overview-routes.ts";
import { queryRoutes } from "./http/query-routes.ts";
import { RequestHandler } from "./http/request-handler.ts";
import { openRecoveryGate } from "./http/recovery-gate.ts";
import { RequestIds } from "./http/request-id.ts";
import { Router } from "./http/router.ts";
import { isLoopbackAddress, serverUrl } from "./http/server-url.ts";
import { walRoutes } from "./http/wal-routes.ts";
import { writeRoutes } from "./http/write-routes.ts";
import { openKnownWrites, type WriteLedger } from "./idempotency/known-writes.ts";
import { clientLimitsOf } from "./limits/client-limits.ts";
import { ClientShares } from "./limits/client-shares.ts";
import { watchForwarder } from "./overview/forwarder-watch.ts";
import { TableCounters } from "./overview/table-counters.ts";
import { removeProcessId, writeProcessId } from "./process-id-file.ts";
import type { RecoverySummary } from "./recovery-summary.ts";
import { serverMetricSources } from "./server-metric-sources.ts";
import { ServerMetrics } from "./server-metrics.ts";
import type { ResolvedServerOptions } from "./server-options.ts";
import { ServerState } from "./server-state.ts";
import type { TableSchema } from "./coordinator/coordinator.ts";
import { unionOfSchemas } from "./store/union-of-schemas.ts";
import { openStorage, type ServerStorage } from "./server-storage.ts";
import { answerWalQuestions } from "./wal-administration/wal-questions.ts";
import type { ShardSnapshot } from "./store/shard-snapshot.ts";
import type { TableName } from "./store/table-name.ts";
import type { WalnutServer } from "./walnut-server.ts";
import type { Membership } from "./workers/membership.ts";
import { findShards, shardsOfOthers, shardsOfWorker } from "./workers/shard.ts";
import { METRICS, renderAllMetrics } from "./workers/worker-metrics.ts";
import { everyAnswer, type Question, type WorkerGroup } from "./workers/worker-group.ts";

const REQUEST_PREFIX_BYTES = 4;

/**
 * Starts the server of this process, alone or among other workers.
 *
 * @throws {ServerError} `SERVER_INVALID_OPTION`, `SERVER_LISTEN_FAILED`
 */
export async function openServerProcess(
  resolved: ResolvedServerOptions,
  {
    dataDirectory,
    membership,
  }: { readonly dataDirectory: string; readonly membership: Membership },
): Promise<RunningServer> {
  const access = await openAccess(resolved, dataDirectory);
  const server = new RunningServer(resolved, { dataDirectory, access, membership });
  try {
    if (membership.listensAtOnce) await server.listen();
  } catch (error) {
    access.close();
    throw error;
  }
  server.recover();
  return server;
}

const TABLES: Question<object, readonly TableSchema[]> = { name: "tables" };

interface ServerParts {
  readonly dataDirectory: string;
  readonly access: ServerAccess;
  readonly membership: Membership;
}

/** The server of one process. */
export class RunningServer implements WalnutServer {
  readonly options: ResolvedServerOptions;
  readonly dataDirectory: string;
  readonly #access: ServerAccess;
  readonly #state: ServerState;
  readonly #budget: ByteBudget;
  readonly #metrics: ServerMetrics = new ServerMetrics();
  /** Which writes are known, over all workers. */
  readonly #ledger: WriteLedger;
  readonly #tableCounters: TableCounters = new TableCounters(() => performance.now());
  readonly #handler: RequestHandler;
  readonly #membership: Membership;
  readonly #dataLife: DataLifeService;
  #listener: HttpListener | undefined;
  #storage: ServerStorage | undefined;
  #recovery: Promise<RecoverySummary> | undefined;
  #closing: Promise<void> | undefined;

  constructor(options: ResolvedServerOptions, { dataDirectory, access, membership }: ServerParts) {
    this.options = options;
    this.#membership = membership;
    this.dataDirectory = dataDirectory;
    this.#access = access;
    this.#state = new ServerState({
      startedAtMs: Date.now(),
      monotonicMs: () => performance.now(),
    });
    this.#ledger = membership.peers?.decisions ?? openKnownWrites(options, 1).ledger(1);
    this.#budget = new ByteBudget(options.maxInFlightBytes);
    const storage = (): ServerStorage => this.#openStorage();
    this.#dataLife = new DataLifeService({ options, dataDirectory, group: this.#group, storage });
    this.#handler = new RequestHandler({
      router: this.#makeRouter(),
      authenticator: new Authenticator(access.book),
      clients: new ClientShares(clientLimitsOf(options), () => performance.now()),
      state: this.#state,
      observer: this.#metrics,
      logger: options.logger,
      recoveryGate: openRecoveryGate(this.#state, options),
      requestIds: new RequestIds(randomBytes(REQUEST_PREFIX_BYTES).toString("hex")),
      monotonicMs: () => performance.now(),
      maxDiscardBytes: options.maxBodyBytes,
    });
    this.#answerQuestions();
    if (membership.group.workers > 1) this.#metrics.labelWorker(membership.group.worker);
    this.#metrics.register(
      serverMetricSources({
        state: this.#state,
        budget: this.#budget,
        handler: this.#handler,
        ledger: this.#ledger,
        membership,
        storage: () => this.#storage,
      }),
    );
    this.#metrics.register(this.#dataLife.metrics());
  }

  get token(): AccessToken {
    return this.#access.token;
  }

  get port(): number {
    return this.#openListener().port;
  }

  get url(): string {
    return serverUrl(this.#openListener());
  }

  get isLoopback(): boolean {
    return isLoopbackAddress(this.#openListener().address);
  }

  get durabilityText(): string {
    return this.#openStorage().durabilityText;
  }

  get ready(): Promise<RecoverySummary> {
    if (this.#recovery === undefined) throw new Error("recovery has not begun");
    return this.#recovery;
  }

  async listen(): Promise<void> {
    this.#listener = await this.#membership.openPort(this.options, this.#handler);
  }

  get #group(): WorkerGroup {
    return this.#membership.group;
  }

  /** In one process: whatever would be told here ends the process. */
  get failure(): Promise<Error> {
    return new Promise(() => undefined);
  }

  get processIds(): readonly number[] {
    return [process.pid];
  }

  /** The named tables in the shards of this process. @throws {ServerError} `SERVER_NOT_READY` */
  snapshots(names: readonly TableName[]): readonly ShardSnapshot[] {
    return this.#openStorage().snapshots(names);
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
      const { group, lockWaitMs, peers } = this.#membership;
      const { workers } = group;
      const existing = this.#membership.existingShards ?? (await findShards(this.dataDirectory));
      const storage = await openStorage({
        options: this.options,
        directory: this.dataDirectory,
        shards: shardsOfWorker(group.worker, { workers, existing }),
        otherShards: shardsOfOthers(group.worker, { workers, existing }),
        lockWaitMs,
        peers: peers && { coordinator: peers.decisions, read: peers.read },
        nowMs: () => Date.now(),
        ledger: this.#ledger,
        monotonicMs: () => performance.now(),
        isCancelled: () => this.#state.phase !== "recovering",
        onProgress: (progress) => {
          this.#state.advance(progress);
          this.options.onRecoveryProgress?.(progress);
        },
      });
      this.#storage = storage;
      if (this.#membership.isMain) await writeProcessId(this.dataDirectory);
      if (!this.#membership.listensAtOnce && this.#state.phase === "recovering")
        await this.listen();
      this.#state.becomeReady();
      this.#dataLife.start();
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
      await this.#membership.onDrained();
      if (this.#storage !== undefined) await this.#closeStorage(this.#storage);
    } finally {
      await this.#listener?.close(this.options.shutdownTimeoutMs);
      this.#access.close();
      this.#state.close();
    }
  }

  async #closeStorage(storage: ServerStorage): Promise<void> {
    try {
      await this.#dataLife.stop();
      await storage.close();
    } finally {
      if (this.#membership.isMain) await removeProcessId(this.dataDirectory);
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
    const { supervision } = this.#membership;
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
    const routes = [
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
      ...this.#dataLife.routes(),
      ...overviewRoutes({
        group: this.#group,
        options,
        state: this.#state,
        storage: () => this.#storage,
        budget: this.#budget,
        activeRequests: () => this.#handler.activeRequests,
        requestCounts: () => this.#metrics.requestCounts(),
        tableCounters: this.#tableCounters,
        forwarder: watchForwarder(options, () => performance.now()),
        nowMs,
      }),
      ...consoleRoutes(readConsoleFiles()),
      ...walRoutes({ group: this.#group, options, supervision }),
      ...healthRoutes({
        state: this.#state,
        group: this.#group,
        storage: () => this.#storage,
        supervision,
        metrics: {
          contentType: this.#metrics.contentType,
          render: () =>
            this.#group.workers === 1 ? this.#metrics.render() : renderAllMetrics(this.#group),
        },
        publicMetrics: options.publicMetrics,
        nowMs,
      }),
    ];
    return new Router([...routes, ...openApiRoutes(routes)]);
  }

  /** Says how this worker answers the questions of the group. */
  #answerQuestions(): void {
    this.#dataLife.answerQuestions();
    this.#group.answer(METRICS, () => this.#metrics.toJson());
    this.#group.answer(TABLES, () => this.#openStorage().listTables());
    answerWalQuestions(this.#group, {
      storage: () => this.#openStorage(),
      options: this.options,
      dataDirectory: this.dataDirectory,
      nowMs: () => Date.now(),
      monotonicMs: () => performance.now(),
    });
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
