/**
 * One worker as the primary keeps it: its process, and what becomes of it when that ends.
 *
 * Starts a process, passes on what it says, starts another one when it ends without having been asked to, and stops
 * it in two steps. Decides nothing about the other workers.
 */
import { fork, type ChildProcess } from "node:child_process";
import type { Socket } from "node:net";
import { fileURLToPath } from "node:url";
import { dispatchDecision, type Decisions } from "../coordinator/remote-decisions.ts";
import { ServerError } from "../errors.ts";
import type { RecoverySummary } from "../recovery-summary.ts";
import type { RecoveryProgress, ServerLogger } from "../server-options.ts";
import { replyTo } from "./call-channel.ts";
import { fromPeerError } from "./peer-error.ts";
import { afterEnd, NO_RESTARTS, restartDelayMs } from "./restart-policy.ts";
import type { WorkerFacts, WorkerPhase } from "./supervision.ts";
import type { PrimaryMessage, StartMessage, WorkerMessage } from "./worker-protocol.ts";

/** The program of a worker, beside this file in sources and in what is built. */
const PROGRAM = fileURLToPath(
  new URL(`./worker-program${import.meta.url.endsWith(".js") ? ".js" : ".ts"}`, import.meta.url),
);

/** As in the launcher of the command, for processes that do not come from it. */
const POOL_THREADS = "16";
const HEAP_GROWING_PERCENT = 300;

const RECENT_MS = 60_000;

/** What a worker needs from the primary, and whom it tells. */
export interface SupervisedWorkerOptions {
  readonly worker: number;
  readonly decisions: Decisions;
  readonly logger: ServerLogger;
  /** First message to each new process. */
  readonly start: () => StartMessage;
  /** Whether a start that reports a failure is tried again; at the first start of a server it is not. */
  readonly mayFail: () => boolean;
  readonly onProgress: (progress: RecoveryProgress) => void;
  /** The worker takes connections from now on, see {@link SupervisedWorker.take}. */
  readonly onListening: () => void;
  /** It takes none any more. */
  readonly onLeaving: () => void;
  readonly onReady: (recovery: RecoverySummary, durabilityText: string) => void;
  readonly onChange: () => void;
  /** The worker is not started again. */
  readonly onGivenUp: (error: Error) => void;
}

/** A process of the worker, and what it has said about itself. */
interface Run {
  readonly process: ChildProcess;
  /** Connections on their way, by number: kept open here until the process has them. */
  readonly handedOver: Map<number, Socket>;
  readonly startedMs: number;
  wasReady: boolean;
  failure: ServerError | undefined;
  closeFailure: ServerError | undefined;
}

/** One worker, through all its processes. */
export class SupervisedWorker {
  readonly #options: SupervisedWorkerOptions;
  #run: Run | undefined;
  #phase: WorkerPhase = "recovering";
  #history = NO_RESTARTS;
  #restartTimer: NodeJS.Timeout | undefined;
  #restartTimes: number[] = [];
  #restarts = 0;
  #connections = 0;
  #lastEnd: string | undefined;
  #isStopping = false;
  #onDrained: (() => void)[] = [];
  #onEnded: (() => void)[] = [];
  #closeFailure: ServerError | undefined;

  constructor(options: SupervisedWorkerOptions) {
    this.#options = options;
  }

  get facts(): WorkerFacts {
    const recentFromMs = performance.now() - RECENT_MS;
    return {
      worker: this.#options.worker,
      phase: this.#phase,
      processId: this.#run?.process.pid,
      restarts: this.#restarts,
      recentRestarts: this.#restartTimes.filter((time) => time >= recentFromMs).length,
      lastEnd: this.#lastEnd,
    };
  }

  /** Starts a process. */
  start(): void {
    if (this.#isStopping) return;
    const run: Run = {
      process: fork(PROGRAM, {
        execArgv: [...process.execArgv, `--heap-growing-percent=${HEAP_GROWING_PERCENT}`],
        env: { UV_THREADPOOL_SIZE: POOL_THREADS, ...process.env },
      }),
      handedOver: new Map(),
      startedMs: performance.now(),
      wasReady: false,
      failure: undefined,
      closeFailure: undefined,
    };
    this.#run = run;
    this.#phase = "recovering";
    run.process.on("message", (message) => void this.#receive(run, message as WorkerMessage));
    run.process.once("exit", (code, signal) => this.#onExit(run, endOf(code, signal)));
    // Without a process there is no "exit".
    run.process.once("error", (error) => this.#onExit(run, error.message));
    this.#options.onChange();
  }

  send(message: PrimaryMessage): void {
    const target = this.#run?.process;
    if (target?.connected === true) target.send(message, () => undefined);
  }

  /**
   * Hands a connection to the process. Until it has arrived it is open here as well: if the process dies meanwhile the
   * connection is cut, so that its client learns of it. Nobody else may have it, as bytes of it may have been read.
   */
  take(socket: Socket): void {
    const run = this.#run;
    if (run?.process.connected !== true) {
      socket.destroy();
      return;
    }
    const id = ++this.#connections;
    run.handedOver.set(id, socket);
    socket.on("error", () => undefined); // Told to whoever serves it.
    run.process.send({ kind: "connection", id }, socket, { keepOpen: true }, (error) => {
      if (error !== null) this.#letGo(run, id);
    });
  }

  /** Asks for the answers in flight; resolves when they are given, the process has ended, or time is up. */
  async drain(limitMs: number): Promise<void> {
    this.#isStopping = true;
    this.#phase = "stopping";
    clearTimeout(this.#restartTimer);
    if (this.#run === undefined) return;
    let timer: NodeJS.Timeout | undefined;
    await new Promise<void>((resolve) => {
      timer = setTimeout(resolve, limitMs);
      this.#onDrained.push(resolve);
      this.send({ kind: "stop" });
    });
    clearTimeout(timer);
  }

  /** Has the process flush and end. @throws {ServerError} what it could not do */
  async close(): Promise<void> {
    if (this.#run !== undefined) {
      await new Promise<void>((resolve) => {
        this.#onEnded.push(resolve);
        this.send({ kind: "close" });
      });
    }
    if (this.#closeFailure !== undefined) throw this.#closeFailure;
  }

  async #receive(run: Run, message: WorkerMessage): Promise<void> {
    const options = this.#options;
    switch (message.kind) {
      case "call":
        if (this.#run !== run) return;
        this.send(
          await replyTo(message, (name, input) =>
            dispatchDecision(options.decisions, { name, input }),
          ),
        );
        return;
      case "hello":
        this.send(options.start());
        if (this.#isStopping) this.send({ kind: "close" });
        return;
      case "log": {
        const { level, text, fields } = message;
        options.logger[level]?.(text, { worker: options.worker, ...fields });
        return;
      }
      case "listening":
        options.onListening();
        return;
      case "leaving":
        options.onLeaving();
        return;
      case "took":
        this.#letGo(run, message.id);
        return;
      case "progress":
        options.onProgress(message.progress);
        return;
      case "ready":
        run.wasReady = true;
        if (!this.#isStopping) this.#phase = "ready";
        if (this.#restarts > 0) this.#logReadyAgain(run, message.recovery);
        options.onReady(message.recovery, message.durabilityText);
        options.onChange();
        return;
      case "failed":
        run.failure = fromPeerError(message.error);
        return;
      case "drained":
        this.#tell(this.#onDrained);
        return;
      case "closed":
        if (message.error !== undefined) run.closeFailure = fromPeerError(message.error);
        return;
    }
  }

  #logReadyAgain({ process, startedMs }: Run, { records, rows }: RecoverySummary): void {
    const { worker, logger } = this.#options;
    const elapsedMs = Math.round(performance.now() - startedMs);
    const { pid: processId } = process;
    const facts = { worker, processId, elapsedMs, records, rows, restarts: this.#restarts };
    logger.info(`worker ${worker} is ready again`, facts);
  }

  /** Closes a connection on this side only. */
  #letGo(run: Run, id: number): void {
    run.handedOver.get(id)?.destroy();
    run.handedOver.delete(id);
  }

  #onExit(run: Run, end: string): void {
    if (this.#run !== run) return;
    this.#options.onLeaving();
    for (const id of run.handedOver.keys()) this.#letGo(run, id);
    this.#run = undefined;
    this.#lastEnd = run.failure?.message ?? end;
    this.#closeFailure = run.closeFailure;
    this.#tell(this.#onDrained);
    this.#tell(this.#onEnded);
    if (this.#isStopping) return;
    this.#history = afterEnd(this.#history, {
      wasReady: run.wasReady,
      durationMs: performance.now() - run.startedMs,
    });
    this.#startAgain(run);
  }

  #startAgain(run: Run): void {
    const { worker, logger, mayFail, onGivenUp, onChange } = this.#options;
    if (run.failure !== undefined && !mayFail()) {
      onGivenUp(run.failure);
      return;
    }
    const delayMs = restartDelayMs(this.#history);
    const end = this.#lastEnd ?? "";
    if (delayMs === undefined) {
      onGivenUp(notStarting(worker, this.#history.failedStarts, end));
      return;
    }
    logger.error(`worker ${worker} ended and is started again: ${end}`, { worker, delayMs });
    this.#phase = "waiting";
    this.#restarts++;
    this.#restartTimes = [...this.#restartTimes.slice(-99), performance.now()];
    onChange();
    this.#restartTimer = setTimeout(() => this.start(), delayMs);
  }

  #tell(waiting: (() => void)[]): void {
    for (const resolve of waiting.splice(0)) resolve();
  }
}

function endOf(code: number | null, signal: string | null): string {
  return signal === null ? `it ended with code ${code}` : `it was ended by ${signal}`;
}

function notStarting(worker: number, times: number, reason: string): ServerError {
  return new ServerError(
    "SERVER_WORKER_FAILED",
    `worker ${worker} could not be started ${times} times in a row: ${reason}; its log keeps its rows`,
    { details: { worker, reason } },
  );
}
