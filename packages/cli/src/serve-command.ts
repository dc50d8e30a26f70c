/**
 * `walnut serve`: starts the server, tells a person what they need, stops on a signal.
 *
 * The first SIGTERM or SIGINT stops cleanly: requests in flight are answered, rows are flushed, the log is
 * closed, exit 0. A second signal, or a stop that takes too long, ends the process at once with a failure
 * code; the log still holds everything that was acknowledged, and the next start replays it.
 */
import {
  logFormatFor,
  openServer,
  openServerLog,
  resolveServerOptions,
  WALNUT_VERSION,
  type LogFields,
  type ServerLogger,
  type ServerOptions,
  type WalnutServer,
} from "@walnut/server";
import { EXIT_FAILURE, EXIT_OK, exitCodeOf } from "./exit-code.ts";
import { failureText } from "./failure-text.ts";
import { RecoveryProgressPrinter, type ProgressOutput } from "./recovery-progress-printer.ts";
import { readyFields, serveBanner, type ServeFacts } from "./serve-text.ts";
import type { OutputStream } from "./command-output.ts";
import { terminalOf } from "./terminal.ts";

/** What the command needs of its process. */
export interface ServeEnvironment {
  readonly variables: Readonly<Record<string, string | undefined>>;
  readonly stdout: OutputStream;
  readonly stderr: ProgressOutput;
  monotonicMs(): number;
  /** Wall clock, milliseconds since 1970. */
  nowMs(): number;
  /** Registers for SIGTERM and SIGINT. @returns a function that ends the registration */
  onStopSignal(listener: (signal: string) => void): () => void;
  /** Ends the process at once. */
  exitNow(code: number): void;
  /** Runs a callback later. @returns a function that cancels it */
  setTimer(delayMs: number, callback: () => void): () => void;
}

/** Time for flushing rows when stopping, on top of the time that requests in flight get. */
const FLUSH_GRACE_MS = 60_000;

/**
 * Runs the server until it is told to stop.
 *
 * @param warnings - what is strange about the configuration, for the log
 * @returns the exit code
 */
export async function runServe(
  options: ServerOptions,
  environment: ServeEnvironment,
  warnings: readonly string[],
): Promise<number> {
  const { stderr } = environment;
  const { logger, isText } = await openLog(options, environment);
  for (const warning of warnings) logger.warn(warning);
  const progress = new RecoveryProgressPrinter({
    output: stderr,
    logger,
    monotonicMs: () => environment.monotonicMs(),
  });
  let server: WalnutServer | undefined;
  const stop = listenForStop(environment, logger);
  try {
    server = await openServer({
      ...options,
      logger,
      onRecoveryProgress: (step) => progress.report(step),
    });
    const isRecovered = await Promise.race([server.ready.then(() => true), stop.requested]);
    progress.finish();
    if (isRecovered === true) {
      const facts = await factsOf(server);
      if (isText) environment.stdout.write(serveBanner(facts, environment.stdout.isTTY === true));
      else logger.info(`Walnut ${facts.version} is ready`, readyFields(facts));
      const failure = await Promise.race([stop.requested, server.failure]);
      if (failure instanceof Error) throw failure;
    }
    stop.startDeadline(server.options.shutdownTimeoutMs + FLUSH_GRACE_MS);
    await server.close();
    logger.info("stopped; every row is flushed");
    return EXIT_OK;
  } catch (error) {
    progress.finish();
    if (!isText)
      logger.error(error instanceof Error ? error.message : String(error), codeOf(error));
    stderr.write(`${failureText(error)}\n`);
    await closeQuietly(server);
    return exitCodeOf(error);
  } finally {
    stop.end();
  }
}

/** JSON lines are what programs read of this command: standard output. Text goes beside the banner. */
async function openLog(
  options: ServerOptions,
  environment: ServeEnvironment,
): Promise<{ readonly logger: ServerLogger; readonly isText: boolean }> {
  const { logLevel, logFormat } = resolveServerOptions(options);
  const { stdout, stderr, variables } = environment;
  const isTerminal = stdout.isTTY === true || stderr.isTTY === true;
  const format = logFormatFor(logFormat, { isTerminal });
  const logger = await openServerLog({
    level: logLevel,
    format,
    destination: format === "json" ? stdout : stderr,
    hasColour: terminalOf(stderr, variables).hasColour,
    nowMs: () => environment.nowMs(),
    base: { pid: process.pid },
  });
  return { logger, isText: format === "text" };
}

function codeOf(error: unknown): LogFields {
  return error instanceof Error && "code" in error ? { code: String(error.code) } : {};
}

async function factsOf(server: WalnutServer): Promise<ServeFacts> {
  return {
    version: WALNUT_VERSION,
    url: server.url,
    dataDirectory: server.dataDirectory,
    processId: process.pid,
    workerIds: server.options.workers === 1 ? [] : server.processIds,
    durabilityText: server.durabilityText,
    token: server.token,
    recovery: await server.ready,
    isLoopback: server.isLoopback,
  };
}

interface StopRequest {
  /** Resolves with the first signal. */
  readonly requested: Promise<string>;
  startDeadline(limitMs: number): void;
  end(): void;
}

function listenForStop(environment: ServeEnvironment, logger: ServerLogger): StopRequest {
  let request: ((signal: string) => void) | undefined;
  const requested = new Promise<string>((resolve) => (request = resolve));
  let first: string | undefined;
  let cancelDeadline = (): void => {};
  const kept = "the log keeps what was acknowledged, the next start replays it";
  const unregister = environment.onStopSignal((signal) => {
    if (first !== undefined) {
      logger.warn(`${signal} again: stopped at once; ${kept}`);
      environment.exitNow(EXIT_FAILURE);
      return;
    }
    first = signal;
    logger.info(`${signal}: finishing requests and flushing rows (once more to stop at once)`);
    request?.(signal);
  });
  return {
    requested,
    startDeadline(limitMs) {
      cancelDeadline = environment.setTimer(limitMs, () => {
        logger.error(`stopping took more than ${limitMs} ms: stopped at once; ${kept}`);
        environment.exitNow(EXIT_FAILURE);
      });
    },
    end() {
      cancelDeadline();
      unregister();
    },
  };
}

/** Gives locks and the port back after a failure; the first failure is the one that is told. */
async function closeQuietly(server: WalnutServer | undefined): Promise<void> {
  try {
    await server?.close();
  } catch {
    // The reason of the failure is already printed, and the process ends with a failure code.
  }
}
