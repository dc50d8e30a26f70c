/**
 * Shows recovery that takes longer than a second: one line that is rewritten on a terminal, a plain line
 * every few seconds elsewhere. Short recoveries print nothing.
 */
import type { RecoveryProgress } from "@walnut/server";
import { progressText } from "./serve-text.ts";

/** Where the lines go. */
export interface ProgressOutput {
  readonly isTTY?: boolean;
  write(text: string): unknown;
}

const SILENT_MS = 1_000;
const TERMINAL_INTERVAL_MS = 100;
const PLAIN_INTERVAL_MS = 2_000;
const CLEAR_LINE = "\r\u001b[2K";

/** Prints progress as it is told. */
export class RecoveryProgressPrinter {
  readonly #output: ProgressOutput;
  readonly #monotonicMs: () => number;
  readonly #startedMs: number;
  #lastPrintedMs: number | undefined;

  constructor(output: ProgressOutput, monotonicMs: () => number) {
    this.#output = output;
    this.#monotonicMs = monotonicMs;
    this.#startedMs = monotonicMs();
  }

  /** Recovery has come further. Prints if it is time to. */
  report(progress: RecoveryProgress): void {
    const nowMs = this.#monotonicMs();
    const elapsedMs = nowMs - this.#startedMs;
    if (elapsedMs < SILENT_MS) return;
    const isTerminal = this.#output.isTTY === true;
    const intervalMs = isTerminal ? TERMINAL_INTERVAL_MS : PLAIN_INTERVAL_MS;
    if (this.#lastPrintedMs !== undefined && nowMs - this.#lastPrintedMs < intervalMs) return;
    this.#lastPrintedMs = nowMs;
    const text = progressText(progress, elapsedMs);
    this.#output.write(isTerminal ? CLEAR_LINE + text : `walnut: ${text}\n`);
  }

  /** Recovery is over: leaves a clean line. */
  finish(): void {
    if (this.#lastPrintedMs !== undefined && this.#output.isTTY === true) {
      this.#output.write(CLEAR_LINE);
    }
  }
}
