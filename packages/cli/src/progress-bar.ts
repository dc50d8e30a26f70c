/**
 * One line that shows how far long work has come: on a terminal only, after a second, and gone when the work is done.
 */
import { formatBytes } from "./serve-text.ts";
import { formatDuration } from "./quantity-text.ts";

/** Where the line goes. */
export interface ProgressLine {
  readonly isTTY?: boolean | undefined;
  readonly columns?: number | undefined;
  write(text: string): unknown;
}

export interface ProgressBarOptions {
  readonly output: ProgressLine;
  readonly monotonicMs: () => number;
  /** What is being done: "verify". */
  readonly label: string;
  /** False where nobody wants to see it. */
  readonly isWanted: boolean;
}

const SILENT_MS = 1000;
const INTERVAL_MS = 100;
const CLEAR_LINE = "\r\u001b[2K";
const MAX_BAR_WIDTH = 40;
const DEFAULT_COLUMNS = 80;

export class ProgressBar {
  readonly #options: ProgressBarOptions;
  readonly #startedMs: number;
  #lastPrintedMs: number | undefined;

  constructor(options: ProgressBarOptions) {
    this.#options = options;
    this.#startedMs = options.monotonicMs();
  }

  /**
   * Work has come further.
   *
   * @param detail - what is being done, where the work is not counted in bytes
   */
  report(done: number, total: number, detail?: string): void {
    const { output, monotonicMs, isWanted } = this.#options;
    if (!isWanted || output.isTTY !== true) return;
    const nowMs = monotonicMs();
    const elapsedMs = nowMs - this.#startedMs;
    if (elapsedMs < SILENT_MS) return;
    if (this.#lastPrintedMs !== undefined && nowMs - this.#lastPrintedMs < INTERVAL_MS) return;
    this.#lastPrintedMs = nowMs;
    output.write(CLEAR_LINE + this.#line(done, total, detail ?? byteText(done, total, elapsedMs)));
  }

  /** The work is over, or something else is to be printed: leaves a clean line. */
  clear(): void {
    if (this.#lastPrintedMs !== undefined) this.#options.output.write(CLEAR_LINE);
    this.#lastPrintedMs = undefined;
  }

  #line(done: number, total: number, detail: string): string {
    const columns = this.#options.output.columns ?? DEFAULT_COLUMNS;
    const share = total === 0 ? 1 : Math.min(1, done / total);
    const head = `${this.#options.label} `;
    const percent = ` ${String(Math.floor(share * 100)).padStart(3)} %  `;
    const room = columns - 1 - head.length - percent.length - detail.length - 2;
    const width = Math.min(MAX_BAR_WIDTH, room);
    const bar = width < 5 ? "" : `[${"=".repeat(Math.round(share * width)).padEnd(width)}]`;
    return (head + bar + percent + detail).slice(0, columns - 1);
  }
}

function byteText(doneBytes: number, totalBytes: number, elapsedMs: number): string {
  const bytesPerMs = doneBytes / elapsedMs;
  const leftMs = bytesPerMs === 0 ? 0 : (totalBytes - doneBytes) / bytesPerMs;
  const rate = formatBytes(Math.round(bytesPerMs * 1000));
  return `${formatBytes(doneBytes)} of ${formatBytes(totalBytes)}, ${rate}/s, ${formatDuration(leftMs)} left`;
}
