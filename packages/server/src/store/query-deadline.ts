/**
 * When a query has to end: at its time limit, when the client gives up, when the store closes.
 *
 * The engine knows only `interrupt`, which ends the statement that a connection runs at that moment. One that
 * comes between two statements is lost, so it is repeated until the query has ended.
 */
import type { DuckDBConnection } from "@duckdb/node-api";
import { ServerError } from "../errors.ts";
import type { StoreClock } from "./store-environment.ts";

const INTERRUPT_REPEAT_MS = 25;

/** Stops a query at its time limit or when the client gives up. */
export class QueryDeadline {
  readonly #controller = new AbortController();
  readonly #clock: StoreClock;
  readonly #cleanUp: (() => void)[] = [];
  #connection: DuckDBConnection | undefined;

  constructor(
    { clock, timeoutMs }: { readonly clock: StoreClock; readonly timeoutMs: number },
    signal: AbortSignal | undefined,
  ) {
    this.#clock = clock;
    const timer = clock.setTimer(timeoutMs, () =>
      this.stop(failed(`the query took longer than ${timeoutMs} ms`)),
    );
    this.#cleanUp.push(() => timer.cancel());
    const onAbort = (): void => this.stop(failed("the query was aborted"));
    signal?.addEventListener("abort", onAbort, { once: true });
    this.#cleanUp.push(() => signal?.removeEventListener("abort", onAbort));
    if (signal?.aborted === true) onAbort();
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** Why the query was stopped, or `undefined`. */
  get reason(): ServerError | undefined {
    const reason: unknown = this.#controller.signal.reason;
    return reason instanceof ServerError ? reason : undefined;
  }

  /** Interrupts what the connection does when the time has come. */
  watch(connection: DuckDBConnection): void {
    this.#connection = connection;
    this.signal.throwIfAborted();
  }

  unwatch(): void {
    this.#connection = undefined;
  }

  end(): void {
    for (const cleanUp of this.#cleanUp) cleanUp();
  }

  /** Stops the query; only the first reason counts. */
  stop(reason: ServerError): void {
    this.#controller.abort(reason);
    this.#interrupt();
  }

  #interrupt(): void {
    if (this.#connection === undefined) return;
    this.#connection.interrupt();
    this.#clock.setTimer(INTERRUPT_REPEAT_MS, () => this.#interrupt());
  }
}

function failed(message: string): ServerError {
  return new ServerError("SERVER_QUERY_FAILED", message);
}
