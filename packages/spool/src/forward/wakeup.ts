/**
 * Waits that end early when something happens: a pause before a retry ends when the upstream is back, a stop ends all of them.
 */
import type { WalEnvironment } from "@walnut/wal";

/** One bell for all who wait. */
export class Wakeup {
  readonly #environment: Pick<WalEnvironment, "setTimer">;
  readonly #waiting = new Set<() => void>();

  constructor(environment: Pick<WalEnvironment, "setTimer">) {
    this.#environment = environment;
  }

  /** Resolves after a time, or when somebody rings. */
  wait(limitMs: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = this.#environment.setTimer(limitMs, () => end(), true);
      const end = (): void => {
        timer.cancel();
        this.#waiting.delete(end);
        resolve();
      };
      this.#waiting.add(end);
    });
  }

  /** Resolves when somebody rings. */
  nextRing(): Promise<void> {
    return new Promise((resolve) => {
      const end = (): void => {
        this.#waiting.delete(end);
        resolve();
      };
      this.#waiting.add(end);
    });
  }

  /** Ends every wait. */
  ring(): void {
    for (const end of this.#waiting) end();
  }
}
