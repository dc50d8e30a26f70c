/**
 * Writes that come while the log is recovered and are allowed to wait: bounded in number, in bytes and in time.
 *
 * Nothing of a waiting request's body is read, so it costs a connection and what the system buffers of it; the bound on
 * bytes keeps those that were let in from being refused for want of memory all at once when the wait is over.
 */
import type { ResolvedServerOptions } from "../server-options.ts";
import { ServerError } from "../errors.ts";
import type { ServerState } from "../server-state.ts";
import type { Exchange } from "./exchange.ts";

/** How much may wait. */
export interface RecoveryGateLimits {
  readonly maxRequests: number;
  /** Sum of the declared lengths of bodies. */
  readonly maxBytes: number;
  /** Taken for a body that declares no length. */
  readonly undeclaredBytes: number;
  readonly maxWaitMs: number;
}

/** Where writes wait. */
export class RecoveryGate {
  readonly #state: ServerState;
  readonly #limits: RecoveryGateLimits;
  #requests = 0;
  #bytes = 0;

  constructor(state: ServerState, limits: RecoveryGateLimits) {
    this.#state = state;
    this.#limits = limits;
  }

  /** Requests that wait now. */
  get waitingRequests(): number {
    return this.#requests;
  }

  /**
   * Resolves when recovery has ended, in whatever way, when the time is over, or when the client has gone. The caller
   * looks at the phase.
   *
   * @throws {ServerError} `SERVER_OVERLOADED` when no more may wait
   */
  async wait(exchange: Exchange): Promise<void> {
    const bytes = declaredBytes(exchange) ?? this.#limits.undeclaredBytes;
    const { maxRequests, maxBytes, maxWaitMs } = this.#limits;
    if (this.#requests >= maxRequests || this.#bytes + bytes > maxBytes) {
      throw tooManyWaiting(this.#requests, this.#state);
    }
    this.#requests++;
    this.#bytes += bytes;
    let end: (() => void) | undefined;
    const ended = new Promise<void>((resolve) => (end = resolve));
    const timer = setTimeout(() => end?.(), maxWaitMs);
    const onClose = (): void => end?.();
    exchange.response.once("close", onClose);
    const answerAnyway = exchange.endWithClient();
    try {
      await Promise.race([this.#state.recoveryEnded, ended]);
    } finally {
      clearTimeout(timer);
      exchange.response.off("close", onClose);
      answerAnyway();
      this.#requests--;
      this.#bytes -= bytes;
    }
  }
}

function declaredBytes(exchange: Exchange): number | undefined {
  const text = exchange.header("content-length");
  return text === undefined ? undefined : Number(text);
}

function tooManyWaiting(requests: number, state: ServerState): ServerError {
  return new ServerError(
    "SERVER_OVERLOADED",
    "the server is recovering its log, and no more writes may wait for it; nothing was kept",
    { details: { waitingRequests: requests, retryAfterSeconds: state.retryAfterSeconds } },
  );
}

/** Where writes wait for recovery, if they may. */
export function openRecoveryGate(
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
