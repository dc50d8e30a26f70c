/** A process for tests: records what is printed, hands out signals, and ends only on paper. */
import type { CliEnvironment } from "../src/run-cli.ts";

/** The environment and what happened in it. */
export class RecordedEnvironment implements CliEnvironment {
  readonly variables: Readonly<Record<string, string | undefined>>;
  readonly exits: number[] = [];
  readonly stdout: {
    readonly isTTY: boolean;
    readonly columns: number;
    write(data: string | Uint8Array): void;
  };
  readonly stderr: { readonly isTTY: boolean; readonly columns: number; write(text: string): void };
  out = "";
  err = "";
  elapsedMs = 0;
  /** Nobody reads standard output any more. */
  isReaderGone = false;
  #onSignal: ((signal: string) => void) | undefined;
  #onTimer: (() => void) | undefined;
  #onOutput: (() => void) | undefined;

  constructor(
    options: {
      readonly variables?: Record<string, string>;
      readonly isTTY?: boolean;
      readonly columns?: number;
    } = {},
  ) {
    this.variables = options.variables ?? {};
    const shape = { isTTY: options.isTTY ?? false, columns: options.columns ?? 80 };
    this.stdout = {
      ...shape,
      write: (data) => {
        this.out += typeof data === "string" ? data : Buffer.from(data).toString("latin1");
        this.#onOutput?.();
      },
    };
    this.stderr = {
      ...shape,
      write: (text) => {
        this.err += text;
      },
    };
  }

  monotonicMs(): number {
    return this.elapsedMs;
  }

  nowMs(): number {
    return Date.now();
  }

  isGone(): boolean {
    return this.isReaderGone;
  }

  drained(): Promise<void> {
    return Promise.resolve();
  }

  /** Everything on standard output, as one JSON value. Untyped, as JSON is: tests say what they expect. */
  // eslint-disable-next-line typescript/no-explicit-any
  get json(): any {
    return JSON.parse(this.out);
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

  /** Resolves when the command listens for signals; before that a signal would end the process. */
  async listening(): Promise<void> {
    while (this.#onSignal === undefined) await new Promise((resolve) => setImmediate(resolve));
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
