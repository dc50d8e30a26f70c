/**
 * Everything a log needs of the outside world: a disk, two clocks, timers, randomness.
 *
 * These enter here and nowhere else, so that one seed replays one run of the simulated disk.
 */
import type { Storage } from "./storage/storage.ts";

/** A timer that has been set. */
export interface Timer {
  cancel(): void;
}

export interface WalEnvironment {
  readonly storage: Storage;
  /** Wall clock, milliseconds since 1970; only written into files for people, never compared for decisions of safety. */
  nowMs(): number;
  /** A clock that never goes back, in milliseconds. */
  monotonicMs(): number;
  /**
   * Runs `callback` once after a delay. Keeps the process alive only with `keepsAlive`, for timers that somebody waits for.
   */
  setTimer(delayMs: number, callback: () => void, keepsAlive?: boolean): Timer;
  /** Runs `callback` soon, after the promise jobs that are due now. */
  defer(callback: () => void): void;
  randomBytes(length: number): Uint8Array;
  /** The text of a key file, after a check of who else can read it. Without this the option `keyFile` cannot be used. */
  readonly readKeyFile?: ((path: string) => Promise<string>) | undefined;
}
