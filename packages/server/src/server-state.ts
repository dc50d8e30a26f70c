/**
 * The life of the server as one value: what it is doing now, and how far.
 *
 *     recovering -> ready -> stopping -> closed
 *          |                    ^
 *          +-> failed           |  (a stop is allowed from every state but closed)
 *
 * Request handlers ask it whether to serve; the composition root moves it. It holds no resources.
 */
import { RecoveryMeter, type RecoveryView } from "./recovery-meter.ts";
import type { RecoveryProgress } from "./server-options.ts";

/** Where the server is in its life. */
export type ServerPhase = "recovering" | "ready" | "stopping" | "failed" | "closed";

/** Longest and shortest time that a client is asked to stay away, in seconds. */
const MIN_RETRY_SECONDS = 1;
const MAX_RETRY_SECONDS = 300;

/** The one place that knows the phase. */
export class ServerState {
  readonly startedAtMs: number;
  /** Resolves when the server is ready, or will not become so. */
  readonly recoveryEnded: Promise<void>;
  readonly #meter: RecoveryMeter;
  #phase: ServerPhase = "recovering";
  #endRecovery: (() => void) | undefined;

  /** @param clocks - wall clock of the start; a clock that never goes back */
  constructor(clocks: { readonly startedAtMs: number; readonly monotonicMs: () => number }) {
    this.startedAtMs = clocks.startedAtMs;
    this.#meter = new RecoveryMeter(clocks.monotonicMs);
    this.recoveryEnded = new Promise((resolve) => (this.#endRecovery = resolve));
  }

  get phase(): ServerPhase {
    return this.#phase;
  }

  /** How far recovery is, or got, and how fast. */
  get recovery(): RecoveryView {
    return this.#meter.view();
  }

  /** Seconds after which a request that was refused for recovery is worth another try. */
  get retryAfterSeconds(): number {
    const seconds = this.#phase === "recovering" ? this.#meter.view().etaSeconds : undefined;
    return Math.min(MAX_RETRY_SECONDS, Math.max(MIN_RETRY_SECONDS, seconds ?? 0));
  }

  /** Recovery has come further. */
  advance(progress: RecoveryProgress): void {
    this.#meter.report(progress);
  }

  /** Recovery ended and writes may come. False when a stop came first. */
  becomeReady(): boolean {
    if (this.#phase !== "recovering") return false;
    this.#phase = "ready";
    this.#endRecovery?.();
    return true;
  }

  /** Recovery failed: health answers, nothing else does. */
  fail(): void {
    if (this.#phase === "recovering") this.#phase = "failed";
    this.#endRecovery?.();
  }

  /** A stop began: nothing new is served. */
  beginStop(): void {
    if (this.#phase !== "closed") this.#phase = "stopping";
    this.#endRecovery?.();
  }

  close(): void {
    this.#phase = "closed";
  }
}
