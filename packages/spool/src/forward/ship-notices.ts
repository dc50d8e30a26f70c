/**
 * Decides what of one category's shipping a person should hear: that it waits, that it goes on, that something was refused; each once, not
 * with every try. Does not know where it is told. Pure, but for what it remembers.
 */

/** What happened to a category; see `onNotice` of {@link ForwarderOptions}. */
export type ForwardNotice =
  /** Nothing goes upstream: it is tried again until it does. */
  | { readonly kind: "waits"; readonly category: string; readonly reason: string }
  /** The upstream decides again. */
  | { readonly kind: "goes-on"; readonly category: string }
  /** Requests became dead letters; `letters` of them since the last notice of this kind, and the reason is that of the last. */
  | {
      readonly kind: "refused";
      readonly category: string;
      readonly letters: number;
      readonly reason: string;
    };

/** A request that fails once and is taken then is worth no word. */
const FAILURES_BEFORE_A_WORD = 2;
/** Refusals of one category are told at most this often, in milliseconds. */
const REFUSALS_APART_MS = 60_000;

/** Of one category. */
export class ShipNotices {
  readonly #category: string;
  readonly #tell: (notice: ForwardNotice) => void;
  #isWaiting = false;
  #untoldLetters = 0;
  #refusalToldAtMs = Number.NEGATIVE_INFINITY;

  constructor(category: string, tell: (notice: ForwardNotice) => void) {
    this.#category = category;
    this.#tell = tell;
  }

  /** A try failed, so many behind one another. */
  failed(failures: number, reason: string): void {
    if (failures >= FAILURES_BEFORE_A_WORD) this.waits(reason);
  }

  /** Nothing goes on for now. */
  waits(reason: string): void {
    if (this.#isWaiting) return;
    this.#isWaiting = true;
    this.#tell({ kind: "waits", category: this.#category, reason });
  }

  /** The upstream has decided about a request. */
  decided(): void {
    if (!this.#isWaiting) return;
    this.#isWaiting = false;
    this.#tell({ kind: "goes-on", category: this.#category });
  }

  /** A request became a dead letter. */
  refused(reason: string, monotonicMs: number): void {
    this.#untoldLetters += 1;
    if (monotonicMs - this.#refusalToldAtMs < REFUSALS_APART_MS) return;
    this.#refusalToldAtMs = monotonicMs;
    const letters = this.#untoldLetters;
    this.#untoldLetters = 0;
    this.#tell({ kind: "refused", category: this.#category, letters, reason });
  }
}
