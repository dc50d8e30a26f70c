/**
 * The life of the server as one value: what it is doing now, and how far.
 *
 *     recovering -> ready -> stopping -> closed
 *          |                    ^
 *          +-> failed           |  (a stop is allowed from every state but closed)
 *
 * Request handlers ask it whether to serve; the composition root moves it. It holds no resources.
 */
import type { RecoveryProgress } from "./server-options.ts";

/** Where the server is in its life. */
export type ServerPhase = "recovering" | "ready" | "stopping" | "failed" | "closed";

const NO_PROGRESS: RecoveryProgress = { phase: "scan", segments: 0, records: 0, rows: 0, bytes: 0 };

/** The one place that knows the phase. */
export class ServerState {
  readonly startedAtMs: number;
  #phase: ServerPhase = "recovering";
  #progress: RecoveryProgress = NO_PROGRESS;

  constructor(startedAtMs: number) {
    this.startedAtMs = startedAtMs;
  }

  get phase(): ServerPhase {
    return this.#phase;
  }

  /** How far recovery is, or got. */
  get progress(): RecoveryProgress {
    return this.#progress;
  }

  /** Recovery has come further. */
  advance(progress: RecoveryProgress): void {
    this.#progress = progress;
  }

  /** Recovery ended and writes may come. False when a stop came first. */
  becomeReady(): boolean {
    if (this.#phase !== "recovering") return false;
    this.#phase = "ready";
    return true;
  }

  /** Recovery failed: health answers, nothing else does. */
  fail(): void {
    if (this.#phase === "recovering") this.#phase = "failed";
  }

  /** A stop began: nothing new is served. */
  beginStop(): void {
    if (this.#phase !== "closed") this.#phase = "stopping";
  }

  close(): void {
    this.#phase = "closed";
  }
}
