/**
 * Standard output of a command: gathers small writes, waits when the reader is slow, stops when the reader has gone.
 */

/** The stream, as far as commands need it. */
export interface OutputStream {
  readonly isTTY?: boolean | undefined;
  readonly columns?: number | undefined;
  write(data: string | Uint8Array): unknown;
}

export interface OutputState {
  /** Resolves when the stream takes more. */
  drained(): Promise<void>;
  /** True when nobody reads any more (`walnut dump … | head`). */
  isGone(): boolean;
}

const GATHER_BYTES = 64 * 1024; // 64 KiB

export class CommandOutput {
  readonly #stream: OutputStream;
  readonly #state: OutputState;
  #lines: string[] = [];
  #gathered = 0;

  constructor(stream: OutputStream, state: OutputState) {
    this.#stream = stream;
    this.#state = state;
  }

  /** True when writing on is useless. */
  get isGone(): boolean {
    return this.#state.isGone();
  }

  /** Prints lines; they appear with the next {@link flush} at the latest. */
  line(...lines: readonly string[]): void {
    for (const line of lines) {
      this.#lines.push(line);
      this.#gathered += line.length + 1;
    }
  }

  /** True when enough has been gathered for a write to be worth it. */
  get isFull(): boolean {
    return this.#gathered >= GATHER_BYTES;
  }

  /** One JSON value on one line; for people's eyes, over several. */
  json(value: unknown, isPretty: boolean): void {
    this.line(JSON.stringify(value, jsonValue, isPretty ? 2 : undefined));
  }

  /** Bytes as they are. */
  async bytes(bytes: Uint8Array): Promise<void> {
    await this.flush();
    await this.#write(bytes);
  }

  /** Prints what was gathered and waits until the stream takes more. */
  async flush(): Promise<void> {
    if (this.#lines.length === 0) return;
    const text = `${this.#lines.join("\n")}\n`;
    this.#lines = [];
    this.#gathered = 0;
    await this.#write(text);
  }

  async #write(data: string | Uint8Array): Promise<void> {
    if (this.#state.isGone()) return;
    if (this.#stream.write(data) === false) await this.#state.drained();
  }
}

/** For `JSON.stringify`: 64-bit integers are strings in JSON, most readers would round them. */
export function jsonValue(_key: string, value: unknown): unknown {
  return typeof value === "bigint" ? value.toString() : value;
}
