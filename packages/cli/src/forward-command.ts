/**
 * `walnut forward`: runs the agent until it is told to stop.
 *
 * SIGTERM and SIGINT stop cleanly: requests of producers are answered, a request under way upstream is given up and sent again, the same,
 * after the next start.
 */
import { logFormatFor, openServerLog, type ServerLogger } from "@walnut/server";
import { openForwardAgent, type ForwardAgent, type ForwardNotice } from "@walnut/spool";
import { EXIT_FAILURE, EXIT_OK } from "./exit-code.ts";
import { answerText } from "./forward-client.ts";
import type { ForwardConfiguration } from "./forward-configuration.ts";
import { plural } from "./quantity-text.ts";
import type { ServeEnvironment } from "./serve-command.ts";
import { terminalOf } from "./terminal.ts";

const STOP_LIMIT_MS = 30_000;

/** Runs the agent. @returns the exit code */
export async function runForward(
  configuration: ForwardConfiguration,
  environment: ServeEnvironment,
): Promise<number> {
  const logger = await openLog(environment);
  for (const warning of configuration.warnings) logger.warn(warning);
  const stop = stopRequest(environment, logger);
  let agent: ForwardAgent | undefined;
  try {
    agent = await openForwardAgent({
      ...configuration.agent,
      onError: (error) => logger.error(String(error)),
      onNotice: (notice) => tellNotice(notice, logger),
    });
    await tellReady(agent, logger);
    await stop.requested;
    await agent.close();
    logger.info("stopped; what is not shipped is kept");
    return EXIT_OK;
  } finally {
    stop.end();
    await agent?.close();
  }
}

async function openLog(environment: ServeEnvironment): Promise<ServerLogger> {
  const { stdout, stderr, variables } = environment;
  const isTerminal = stdout.isTTY === true || stderr.isTTY === true;
  return await openServerLog({
    level: "info",
    format: logFormatFor("auto", { isTerminal }),
    destination: stderr,
    hasColour: terminalOf(stderr, variables).hasColour,
    nowMs: () => environment.nowMs(),
    base: { pid: process.pid },
  });
}

async function tellReady(agent: ForwardAgent, logger: ServerLogger): Promise<void> {
  const { to, directory, survives, warnings, depth } = await agent.forwarder.status();
  for (const warning of warnings) logger.warn(warning);
  logger.info(`forwarding from ${agent.url} to ${to}`, {
    url: agent.url,
    to,
    directory,
    survives,
    waiting: depth,
  });
}

function tellNotice(notice: ForwardNotice, logger: ServerLogger): void {
  const { kind, category } = notice;
  if (kind === "goes-on") {
    logger.info(`${category} goes upstream again`, { category });
    return;
  }
  const reason = answerText(notice.reason);
  if (kind === "waits") {
    const text = `${category} waits, and is sent again until it is taken: ${reason}`;
    logger.warn(text, { category, reason });
    return;
  }
  const { letters } = notice;
  const what = `${plural(letters, "request")} of ${category} refused`;
  const text = `${what}, see "walnut forward dead-letters": ${reason}`;
  logger.warn(text, { category, letters, reason });
}

interface StopRequest {
  /** Resolves with the first signal. */
  readonly requested: Promise<void>;
  end(): void;
}

/** The second signal, or a stop that takes too long, ends the process at once; what was answered is kept all the same. */
function stopRequest(environment: ServeEnvironment, logger: ServerLogger): StopRequest {
  let cancelLimit = (): void => {};
  let unregister = (): void => {};
  const requested = new Promise<void>((resolve) => {
    let isFirst = true;
    unregister = environment.onStopSignal((signal) => {
      if (!isFirst) environment.exitNow(EXIT_FAILURE);
      isFirst = false;
      logger.info(`${signal}: stopping (once more to stop at once)`);
      cancelLimit = environment.setTimer(STOP_LIMIT_MS, () => environment.exitNow(EXIT_FAILURE));
      resolve();
    });
  });
  return {
    requested,
    end() {
      cancelLimit();
      unregister();
    },
  };
}
