/**
 * What each client may hold of the server at one time, so that a greedy one is refused and the others are not.
 *
 * A client is whom a token stands for, or an address where many share a token. Three limits: requests, bytes of bodies, and
 * bytes per second. The rate is a balance that grows with time, up to one second's worth, and that bodies are taken
 * from as they arrive; it may go below zero, so that a body larger than a second's worth can pass, and the
 * client then waits until the debt is paid.
 * Limits are per process: with N workers a client can have N times as much.
 */
import type { ByteShare } from "../byte-budget.ts";
import { ServerError } from "../errors.ts";
import type { ClientLimits } from "./client-limits.ts";

const MS_PER_SECOND = 1_000;
/** Clients remembered before those that are idle and owe nothing are forgotten. */
const MAX_REMEMBERED = 10_000;

/** All clients. */
export class ClientShares {
  readonly #limits: ClientLimits;
  readonly #monotonicMs: () => number;
  readonly #clients = new Map<string, ClientShare>();
  #requests = 0;

  constructor(limits: ClientLimits, monotonicMs: () => number) {
    this.#limits = limits;
    this.#monotonicMs = monotonicMs;
  }

  /** Clients that are remembered now. */
  get size(): number {
    return this.#clients.size;
  }

  /**
   * Begins a request; ends with {@link leave}.
   *
   * @throws {ServerError} `SERVER_OVERLOADED` for all, `SERVER_CLIENT_OVER_LIMIT` for this client
   */
  enter(key: string): ClientShare {
    if (this.#requests >= this.#limits.maxRequests) {
      throw new ServerError("SERVER_OVERLOADED", "too many requests are being served; try again");
    }
    const client = this.#clients.get(key) ?? this.#remember(key);
    client.begin(this.#monotonicMs());
    this.#requests++;
    return client;
  }

  /** Ends a request. */
  leave(client: ClientShare): void {
    this.#requests--;
    client.end();
    // Without a rate there is nothing to remember of a client that is gone.
    if (client.isIdle && this.#limits.clientBytesPerSecond === 0) this.#clients.delete(client.key);
  }

  #remember(key: string): ClientShare {
    const nowMs = this.#monotonicMs();
    if (this.#clients.size >= MAX_REMEMBERED) {
      for (const [other, client] of this.#clients) {
        if (client.isIdle && !client.isInDebt(nowMs)) this.#clients.delete(other);
      }
    }
    const client = new ClientShare(key, this.#limits, nowMs);
    this.#clients.set(key, client);
    return client;
  }
}

/** One client. */
export class ClientShare implements ByteShare {
  readonly key: string;
  readonly limitBytes: number;
  readonly #limits: ClientLimits;
  #requests = 0;
  #usedBytes = 0;
  #balanceBytes: number;
  #balanceAtMs: number;

  /** @internal use {@link ClientShares.enter} */
  constructor(key: string, limits: ClientLimits, nowMs: number) {
    this.key = key;
    this.limitBytes = limits.clientMaxInFlightBytes;
    this.#limits = limits;
    this.#balanceBytes = limits.clientBytesPerSecond;
    this.#balanceAtMs = nowMs;
  }

  /** True when no request of this client is being served. */
  get isIdle(): boolean {
    return this.#requests === 0;
  }

  /** Bytes of bodies that this client holds now. */
  get usedBytes(): number {
    return this.#usedBytes;
  }

  /** True when the client has sent more than its rate allows until now. */
  isInDebt(nowMs: number): boolean {
    const rate = this.#limits.clientBytesPerSecond;
    if (rate === 0) return false;
    const earned = ((nowMs - this.#balanceAtMs) / MS_PER_SECOND) * rate;
    this.#balanceBytes = Math.min(rate, this.#balanceBytes + earned);
    this.#balanceAtMs = nowMs;
    return this.#balanceBytes <= 0;
  }

  /** @internal */
  begin(nowMs: number): void {
    const { clientMaxRequests, clientBytesPerSecond: rate } = this.#limits;
    if (this.#requests >= clientMaxRequests) {
      throw overLimit("clientMaxRequests", `${clientMaxRequests} requests at one time`, 1);
    }
    if (this.isInDebt(nowMs)) {
      // At least one byte must be there again.
      const seconds = Math.max(1, Math.ceil((1 - this.#balanceBytes) / rate));
      throw overLimit("clientBytesPerSecond", `${rate} bytes per second`, seconds);
    }
    this.#requests++;
  }

  /** @internal */
  end(): void {
    this.#requests--;
  }

  take(bytes: number): boolean {
    if (this.#usedBytes + bytes > this.limitBytes) return false;
    this.#usedBytes += bytes;
    this.#balanceBytes -= bytes;
    return true;
  }

  give(bytes: number): void {
    this.#usedBytes -= bytes;
  }

  refusal(): ServerError {
    return overLimit("clientMaxInFlightBytes", `${this.limitBytes} bytes at one time`, 1);
  }
}

function overLimit(limit: string, what: string, retryAfterSeconds: number): ServerError {
  return new ServerError(
    "SERVER_CLIENT_OVER_LIMIT",
    `this client has reached its limit of ${what}; nothing of this request was kept, send it again later`,
    { details: { limit, retryAfterSeconds } },
  );
}
