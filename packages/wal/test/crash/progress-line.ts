/**
 * Progress of a long run: one line that is drawn over itself on a terminal, a line now and then elsewhere.
 */

const BAR_CELLS = 24;
/** Redrawing more often than people read costs time for nothing. */
const REDRAW_MS = { terminal: 100, other: 15_000 } as const;

export class ProgressLine {
  readonly #isTerminal: boolean = process.stdout.isTTY;
  #drawnMs = performance.now();
  #isDrawn = false;

  /** @param share - what is done, from 0 to 1 */
  show(share: number, text: string): void {
    const nowMs = performance.now();
    if (nowMs - this.#drawnMs < REDRAW_MS[this.#isTerminal ? "terminal" : "other"]) return;
    this.#drawnMs = nowMs;
    const percent = `${Math.floor(share * 100)} %`.padStart(5);
    if (!this.#isTerminal) {
      console.log(`  ${percent.trim()}, ${text}`);
      return;
    }
    const done = Math.round(share * BAR_CELLS);
    const bar = "█".repeat(done) + "░".repeat(BAR_CELLS - done);
    const columns = Math.max(20, process.stdout.columns - 1);
    process.stdout.write(`\r\u001B[K${`${bar} ${percent}  ${text}`.slice(0, columns)}`);
    this.#isDrawn = true;
  }

  /** A line that stays. */
  print(line: string): void {
    this.#clear();
    console.log(line);
  }

  /** The last line. */
  end(line: string): void {
    this.print(line);
  }

  #clear(): void {
    if (this.#isDrawn) process.stdout.write("\r\u001B[K");
    this.#isDrawn = false;
  }
}
