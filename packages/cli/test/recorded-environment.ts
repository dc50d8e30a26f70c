/** A process for tests: records what is printed, hands out signals, and ends only on paper. */
import type { CliEnvironment } from "../src/run-cli.ts";

/** The environment and what happened in it. */
export class RecordedEnvironment implements CliEnvironment {
  readonly variables: Readonly<Record<string, string | undefined>>;
  readonly exits: number[] = [];
  readonly stdout: { write(text: string): void };
  readonly stderr: { readonly isTTY: boolean; write(text: string): void };
  out = "";
  err = "";
  nowMs = 0;
  #onSignal: ((signal: string) => void) | undefined;
  #onTimer: (() => void) | undefined;
  #onOutput: (() => void) | undefined;

  constructor(
    options: { readonly variables?: Record<string, string>; readonly isTTY?: boolean } = {},
  ) {
    this.variables = options.variables ?? {};
    this.stdout = {
      write: (text) => {
        this.out += text;
        this.#onOutput?.();
      },
    };
    this.stderr = {
      isTTY: options.isTTY ?? false,
      write: (text) => {
        this.err += text;
      },
    };
  }

  monotonicMs(): number {
    return this.nowMs;
  }

  onStopSignal(listener: (signal: string) => void): () => void {
    this.#onSignal = listener;
    return () => {
      this.#onSignal = undefined;
    };
  }

  exitNow(code: number): void {
    this.exits.push(code);
  }

  setTimer(_delayMs: number, callback: () => void): () => void {
    this.#onTimer = callback;
    return () => {
      this.#onTimer = undefined;
    };
  }

  /** Sends a signal, as the operating system would. */
  signal(name: string): void {
    this.#onSignal?.(name);
  }

  /** Lets the time limit of a stop pass. */
  expireTimer(): void {
    this.#onTimer?.();
  }

  get hasTimer(): boolean {
    return this.#onTimer !== undefined;
  }

  /** Resolves when standard output has the text. */
  async printed(text: string): Promise<void> {
    while (!this.out.includes(text)) {
      await new Promise<void>((resolve) => (this.#onOutput = resolve));
    }
  }
}
