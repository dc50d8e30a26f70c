/**
 * The dispatcher: every request passes here, from its first header to its answer.
 *
 * In this order: does the path exist, is the method right, may the caller, is the server in a phase that
 * serves, is the client within its share, then the route. All of it happens before a byte of the body is
 * read. Errors become answers here and nowhere else; every request is counted once, when its route is done
 * with it.
 */
import type { IncomingMessage, ServerResponse } from "node:http";
import { inspect } from "node:util";
import { grantAllows, type AccessGrant, type AccessRight } from "../access/access-right.ts";
import { ServerError } from "../errors.ts";
import type { ClientShares } from "../limits/client-shares.ts";
import type { LogFields, ServerLogger } from "../server-options.ts";
import type { ServerState } from "../server-state.ts";
import type { CallerRecognition } from "./authentication.ts";
import { errorAnswer, toServerError } from "./error-answer.ts";
import { Exchange } from "./exchange.ts";
import { discardBody } from "./request-body.ts";
import type { RecoveryGate } from "./recovery-gate.ts";
import type { RequestIds } from "./request-id.ts";
import type { Route, Router } from "./router.ts";

/** Longest time without a byte that a route of administration may take; as long as the longest question to workers. */
const MAX_ADMIN_MS = 3_600_000;

/** Told about every answered request; `route` is a name of ours, `code` the error's if there was one. */
export interface RequestObserver {
  observeRequest(route: string, status: number, durationMs: number): void;
  observeError(code: string): void;
}

/** What the dispatcher needs. */
export interface RequestHandlerOptions {
  readonly router: Router;
  readonly authenticator: CallerRecognition;
  /** What each client may hold at one time. */
  readonly clients: ClientShares;
  readonly state: ServerState;
  readonly observer: RequestObserver;
  readonly logger: ServerLogger;
  readonly requestIds: RequestIds;
  /** Where writes wait for recovery. `undefined`: they are refused. */
  readonly recoveryGate: RecoveryGate | undefined;
  /** Milliseconds of a clock that never goes back. */
  readonly monotonicMs: () => number;
  /** Bytes of a refused body that are read and thrown away before the connection is cut. */
  readonly maxDiscardBytes: number;
}

/** Serves requests and knows how many are being served. */
export class RequestHandler {
  readonly #options: RequestHandlerOptions;
  #activeRequests = 0;
  #onDrained: (() => void)[] = [];

  constructor(options: RequestHandlerOptions) {
    this.#options = options;
  }

  /** Requests that have not been answered yet. */
  get activeRequests(): number {
    return this.#activeRequests;
  }

  /** For an answer to what never became a request. */
  newRequestId(): string {
    return this.#options.requestIds.idOf(undefined);
  }

  /** Resolves when no request is being served. Those that need readiness are refused once a stop began. */
  drained(): Promise<void> {
    if (this.#activeRequests === 0) return Promise.resolve();
    return new Promise((resolve) => this.#onDrained.push(resolve));
  }

  /** Serves one request; never rejects. */
  async handle(
    request: IncomingMessage,
    response: ServerResponse,
    expectsContinue: boolean,
  ): Promise<void> {
    const startedMs = this.#options.monotonicMs();
    const requestId = this.#options.requestIds.idOf(request.headers["x-request-id"]);
    const exchange = new Exchange(request, response, { requestId, expectsContinue });
    const match = this.#options.router.find(exchange.method, exchange.path);
    const routeName = match.kind === "found" ? match.route.name : "unknown";
    this.#activeRequests++;
    try {
      if (match.kind === "unknown-path") throw unknownPath(exchange);
      if (match.kind === "wrong-method") throw wrongMethod(exchange, match.allow);
      const { route } = match;
      if (route.access === "public") {
        this.#assertPhase(exchange, route);
        await route.handle(exchange);
      } else {
        // Only a token that is not known yet is worth a wait.
        const caller = this.#options.authenticator.recognise(exchange);
        const grant = assertRight(caller instanceof Promise ? await caller : caller, route.access);
        const wait = this.#waitForRecovery(exchange, route);
        if (wait !== undefined) await wait;
        this.#assertPhase(exchange, route);
        await this.#serveClient(exchange, route, grant);
      }
    } catch (error) {
      this.#answerError(exchange, error);
    } finally {
      this.#activeRequests--;
      const durationMs = this.#options.monotonicMs() - startedMs;
      this.#options.observer.observeRequest(routeName, response.statusCode, durationMs);
      this.#options.logger.debug?.("request", accessFields(exchange, durationMs));
      if (this.#activeRequests === 0) this.#notifyDrained();
    }
  }

  /**
   * Within the client's share. Administration has none: it must work when the server is flooded. And it may take long: to
   * verify a log or to rewrite a year of files takes minutes without a word.
   */
  async #serveClient(exchange: Exchange, route: Route, grant: AccessGrant): Promise<void> {
    if (route.access === "admin") {
      exchange.allowSilence(MAX_ADMIN_MS);
      return await route.handle(exchange);
    }
    const { clients } = this.#options;
    const client = clients.enter(clientKeyOf(exchange, grant));
    exchange.share = client;
    try {
      await route.handle(exchange);
    } finally {
      clients.leave(client);
    }
  }

  /** A write's wait for recovery, where there is one to wait for and waiting is wanted. */
  #waitForRecovery(exchange: Exchange, route: Route): Promise<void> | undefined {
    const { state, recoveryGate } = this.#options;
    const needsRecovery = route.availability === "ready" && state.phase === "recovering";
    if (!needsRecovery || route.access !== "write") return undefined;
    return recoveryGate?.wait(exchange);
  }

  #assertPhase(exchange: Exchange, route: Route): void {
    const { state } = this.#options;
    if (state.phase === "stopping") exchange.response.shouldKeepAlive = false;
    if (route.availability === "ready" && state.phase !== "ready") throw notReady(state);
  }

  #answerError(exchange: Exchange, error: unknown): void {
    const { logger, observer, maxDiscardBytes } = this.#options;
    const known = toServerError(error);
    if (known.code === "SERVER_INTERNAL") {
      const { cause } = known;
      const text = cause instanceof Error ? (cause.stack ?? cause.message) : inspect(cause);
      logger.error(`a request failed: ${text}`, placeOf(exchange));
    }
    observer.observeError(known.code);
    if (exchange.response.headersSent || exchange.response.destroyed) {
      // Half an answer cannot be taken back; cutting the connection tells the client that it is half.
      exchange.response.destroy();
      return;
    }
    const answer = errorAnswer(known, exchange.requestId);
    exchange.json(answer.status, answer.text, answer.headers);
    discardBody(exchange.request, maxDiscardBytes);
  }

  #notifyDrained(): void {
    const waiting = this.#onDrained;
    this.#onDrained = [];
    for (const resolve of waiting) resolve();
  }
}

/** Which request it was. Never its query: InfluxDB clients put tokens there. */
function placeOf({ requestId, method, path }: Exchange): LogFields {
  return { requestId, method, path };
}

function accessFields(exchange: Exchange, durationMs: number): LogFields {
  const { request, response } = exchange;
  return {
    ...placeOf(exchange),
    status: response.statusCode,
    durationMs: Math.round(durationMs * 1_000) / 1_000,
    address: request.socket.remoteAddress,
  };
}

function unknownPath(exchange: Exchange): ServerError {
  return new ServerError("SERVER_NOT_FOUND", `there is nothing at ${exchange.path}`, {
    details: { path: exchange.path },
  });
}

function wrongMethod(exchange: Exchange, allow: string): ServerError {
  return new ServerError(
    "SERVER_METHOD_NOT_ALLOWED",
    `${exchange.path} does not answer ${exchange.method}; it answers ${allow}`,
    { details: { path: exchange.path, method: exchange.method, allow } },
  );
}

function assertRight(grant: AccessGrant | undefined, right: AccessRight): AccessGrant {
  if (grant === undefined) throw unauthorized();
  if (!grantAllows(grant, right)) throw forbidden(grant, right);
  return grant;
}

function clientKeyOf(exchange: Exchange, grant: AccessGrant): string {
  if (!grant.isShared) return grant.id;
  return `${grant.id}@${exchange.request.socket.remoteAddress ?? ""}`;
}

function unauthorized(): ServerError {
  return new ServerError(
    "SERVER_UNAUTHORIZED",
    "a valid token is required: Authorization: Bearer TOKEN (or Token, Basic, x-api-key, p=)",
  );
}

function forbidden(grant: AccessGrant, right: AccessRight): ServerError {
  const rights = grant.rights.join(",");
  return new ServerError(
    "SERVER_FORBIDDEN",
    `the token "${grant.name}" (${grant.id}) may not do this: it has ${rights}, and ${right} is needed`,
    { details: { token: grant.id, rights, needed: right } },
  );
}

function notReady(state: ServerState): ServerError {
  const { retryAfterSeconds } = state;
  if (state.phase === "recovering") {
    const { phase, bytesDone, bytesTotal } = state.recovery;
    return new ServerError("SERVER_NOT_READY", "the server is recovering its log; try again soon", {
      details: { phase: "recovering", step: phase, bytesDone, bytesTotal, retryAfterSeconds },
    });
  }
  const sentence = state.phase === "failed" ? "could not start" : "is stopping";
  return new ServerError("SERVER_NOT_READY", `the server ${sentence}; nothing was kept`, {
    details: { phase: state.phase },
  });
}
