/**
 * Shows recovery that takes longer than a second: one line that is rewritten on a terminal, a log line
 * every few seconds elsewhere. Short recoveries print nothing, and those of workers that are started again while the
 * others serve neither: the log says when such a worker is ready.
 */
import { RecoveryMeter, type RecoveryProgress, type ServerLogger } from "@walnut/server";
import { progressFields, progressText } from "./serve-text.ts";

/** Where the lines go. */
export interface ProgressOutput {
  readonly isTTY?: boolean;
  write(text: string): unknown;
}

const SILENT_MS = 1_000;
const TERMINAL_INTERVAL_MS = 100;
const LOG_INTERVAL_MS = 2_000;
const CLEAR_LINE = "\r\u001b[2K";

/** What the printer needs. */
export interface RecoveryProgressPrinterOptions {
  readonly output: ProgressOutput;
  readonly logger: ServerLogger;
  readonly monotonicMs: () => number;
}

/** Prints progress as it is told. */
export class RecoveryProgressPrinter {
  readonly #options: RecoveryProgressPrinterOptions;
  readonly #startedMs: number;
  readonly #meter: RecoveryMeter;
  #lastPrintedMs: number | undefined;
  #isFinished = false;

  constructor(options: RecoveryProgressPrinterOptions) {
    this.#options = options;
    this.#startedMs = options.monotonicMs();
    this.#meter = new RecoveryMeter(options.monotonicMs);
  }

  /** Recovery has come further. Prints if it is time to. */
  report(progress: RecoveryProgress): void {
    if (this.#isFinished) return;
    const { output, logger } = this.#options;
    const nowMs = this.#options.monotonicMs();
    this.#meter.report(progress);
    if (nowMs - this.#startedMs < SILENT_MS) return;
    const isTerminal = output.isTTY === true;
    const intervalMs = isTerminal ? TERMINAL_INTERVAL_MS : LOG_INTERVAL_MS;
    if (this.#lastPrintedMs !== undefined && nowMs - this.#lastPrintedMs < intervalMs) return;
    this.#lastPrintedMs = nowMs;
    if (isTerminal) output.write(CLEAR_LINE + progressText(this.#meter.view()));
    else logger.info("recovering", progressFields(this.#meter.view()));
  }

  /** Recovery is over: leaves a clean line, and prints nothing any more. */
  finish(): void {
    this.#isFinished = true;
    const { output } = this.#options;
    if (this.#lastPrintedMs !== undefined && output.isTTY === true) output.write(CLEAR_LINE);
  }
}
