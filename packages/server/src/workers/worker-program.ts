/**
 * The program of a worker process: one server among several, started and told to stop by the primary, which also
 * hands it its connections.
 *
 * Log lines go to the primary. When the primary is gone the worker finishes what is under way, flushes and ends, so
 * that no process is left that holds a log, and says so on its standard error, as nobody else can any more. SIGTERM to a worker alone does the same,
 * and the primary starts a new one; SIGINT is for the primary, a terminal sends it to all.
 */
import { rmdir } from "node:fs/promises";
import type { Socket } from "node:net";
import { remoteDecisions } from "../coordinator/remote-decisions.ts";
import { ServerError } from "../errors.ts";
import { adoptHttp, type HttpAdopter } from "../http/http-server.ts";
import { logFormatFor, openServerLog } from "../logging/server-log.ts";
import { resolveServerOptions } from "../resolve-server-options.ts";
import { openServerProcess } from "../server-process.ts";
import type { LogFields, ResolvedServerOptions, ServerLogger } from "../server-options.ts";
import type { WalnutServer } from "../walnut-server.ts";
import { CallChannel } from "./call-channel.ts";
import { toPeerError } from "./peer-error.ts";
import { PeerGroup, socketPathOf } from "./peer-group.ts";
import { listenForPeers, type PeerListener } from "./peer-listener.ts";
import type { Supervision } from "./supervision.ts";
import type { PrimaryMessage, StartMessage, WorkerMessage } from "./worker-protocol.ts";

/** A worker of a server that was killed needs this long to let go of its log, at most, in milliseconds. */
const LOCK_WAIT_MS = 30_000;

/** Time for flushing rows after the requests in flight, before an orphan ends at once. */
const FLUSH_GRACE_MS = 60_000;

/** The worker of this process. */
class WorkerProcess {
  readonly #calls = new CallChannel(send);
  #supervision: Supervision | undefined;
  #server: WalnutServer | undefined;
  #port: HttpAdopter | undefined;
  #peers: PeerListener | undefined;
  #socketDirectory: string | undefined;
  #mayClose: () => void = () => undefined;
  /** Resolves when the primary, or nobody, waits for rows of this worker any more. */
  readonly #closeAllowed = new Promise<void>((resolve) => (this.#mayClose = resolve));
  #ending: Promise<void> | undefined;
  #worker = 0;
  /** Used when the primary cannot log any more. */
  #ownLog: ServerLogger = { info() {}, warn() {}, error() {} };

  receive(message: PrimaryMessage, socket: Socket | undefined): void {
    switch (message.kind) {
      case "start":
        void this.#start(message);
        return;
      case "reply":
        this.#calls.receive(message);
        return;
      case "supervision":
        this.#supervision = message.supervision;
        return;
      case "connection":
        send({ kind: "took", id: message.id });
        if (this.#port === undefined) socket?.destroy();
        else if (socket !== undefined) this.#port.adopt(socket);
        return;
      case "stop":
        void this.end();
        return;
      case "close":
        this.#mayClose();
        void this.end();
        return;
    }
  }

  /** Nobody else decides any more when to close. */
  endAlone(): void {
    this.#mayClose();
    this.#calls.close(
      new ServerError("SERVER_NOT_READY", "the server has lost its primary; nothing was kept"),
    );
    void this.end();
  }

  /** Ends the process when everything is closed. */
  async end(): Promise<void> {
    this.#ending ??= this.#end();
    await this.#ending;
  }

  /** The last line of a worker without primary. */
  #tellOrphanEnd(failure: unknown): void {
    if (process.connected) return;
    const head = `worker ${this.#worker} has lost its primary and stops`;
    if (failure === undefined) this.#ownLog.warn(`${head}; every row is flushed`);
    else {
      const { message } = toPeerError(failure);
      this.#ownLog.error(
        `${head}: ${message}; its log keeps its rows, the next start replays them`,
      );
    }
  }

  async #start(message: StartMessage): Promise<void> {
    try {
      await this.#open(message);
    } catch (error) {
      send({ kind: "failed", error: toPeerError(error) });
      this.#mayClose(); // Nobody waits for rows of a worker that did not start.
      await this.end();
    }
  }

  async #open(message: StartMessage): Promise<void> {
    const { worker, workers, existingShards, socketDirectory, listensAtOnce } = message;
    const options = resolveServerOptions({
      ...message.settings,
      logger: loggerToPrimary(message.logsDebug),
      onRecoveryProgress: (progress) => send({ kind: "progress", progress }),
    });
    this.#worker = worker;
    this.#ownLog = await openOwnLog(options);
    const group = new PeerGroup({
      worker,
      workers,
      existingShards,
      socketDirectory,
      maxSnapshotBytes: options.queryMemoryBytes,
      monotonicMs: () => performance.now(),
    });
    this.#socketDirectory = socketDirectory;
    const server = await openServerProcess(options, {
      dataDirectory: options.dataDirectory,
      membership: {
        group,
        existingShards,
        lockWaitMs: LOCK_WAIT_MS,
        peers: {
          decisions: remoteDecisions((name, input) => this.#calls.call(name, input)),
          read: (names, signal) => group.readOthers(names, signal),
        },
        openPort: async (resolved, handler) => {
          this.#port = await adoptHttp(resolved, handler);
          send({ kind: "listening" });
          return this.#port;
        },
        listensAtOnce,
        isMain: false,
        supervision: () => this.#supervision,
        onDrained: async () => {
          send({ kind: "drained" });
          await this.#closeAllowed;
        },
      },
    });
    this.#server = server;
    this.#peers = await listenForPeers({
      socketPath: socketPathOf(socketDirectory, worker),
      answers: group.answers,
      snapshots: (names) => server.snapshots(names),
    });
    const recovery = await server.ready;
    send({ kind: "ready", recovery, durabilityText: server.durabilityText });
  }

  async #end(): Promise<void> {
    send({ kind: "leaving" });
    const limitMs = (this.#server?.options.shutdownTimeoutMs ?? 0) + FLUSH_GRACE_MS;
    // The log keeps what was acknowledged; a process that does not end keeps the log from everybody.
    setTimeout(() => {
      this.#tellOrphanEnd(new Error(`it took more than ${limitMs} ms`));
      process.exit(1);
    }, limitMs).unref();
    let failure: unknown;
    try {
      await this.#server?.close();
    } catch (error) {
      failure = error;
    }
    await this.#peers?.close();
    if (!process.connected && this.#socketDirectory !== undefined) {
      // The primary cannot do it any more. The last worker finds the directory empty.
      await rmdir(this.#socketDirectory).catch(() => undefined);
    }
    this.#tellOrphanEnd(failure);
    const error = failure === undefined ? undefined : toPeerError(failure);
    send({ kind: "closed", error }, () => process.exit(failure === undefined ? 0 : 1));
  }
}

/** To the primary, if it is still there. */
function send(message: WorkerMessage, onSent: () => void = () => undefined): void {
  if (process.connected && process.send !== undefined) {
    process.send(message, undefined, undefined, onSent);
  } else onSent();
}

async function openOwnLog({ logFormat, logLevel }: ResolvedServerOptions): Promise<ServerLogger> {
  const { stderr } = process;
  stderr.on("error", () => undefined); // Its reader may have gone with the primary.
  return await openServerLog({
    level: logLevel,
    format: logFormatFor(logFormat, { isTerminal: stderr.isTTY }),
    destination: stderr,
    hasColour: false,
    nowMs: Date.now,
    base: { pid: process.pid },
  });
}

function loggerToPrimary(logsDebug: boolean): ServerLogger {
  function line(level: "debug" | "info" | "warn" | "error") {
    return (text: string, fields?: LogFields): void => send({ kind: "log", level, text, fields });
  }
  return {
    ...(logsDebug ? { debug: line("debug") } : {}),
    info: line("info"),
    warn: line("warn"),
    error: line("error"),
  };
}

const worker = new WorkerProcess();
process.on("message", (message, socket) =>
  // Both sides are of one version; only connections come with a handle.
  worker.receive(message as PrimaryMessage, socket as Socket | undefined),
);
process.on("disconnect", () => worker.endAlone());
process.on("SIGINT", () => undefined);
process.on("SIGTERM", () => worker.receive({ kind: "close" }, undefined));
send({ kind: "hello" });
