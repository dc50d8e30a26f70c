/**
 * The group as it will be when all saves under way have ended well: what the next save has to follow.
 *
 * What is visible lags behind. When a save fails, those behind it fail as well; once none is under way, the two are the same again.
 */
import type { GroupState } from "../group-state.ts";
import type { SaveOptions } from "../raft-log.ts";
import { changesVote, type Entry, type HardState } from "../raft-types.ts";
import type { AcceptedState } from "../save-checks.ts";

export class AcceptedSaves implements AcceptedState {
  readonly #visible: GroupState;
  #underWay = 0;
  #isReplacing = false;
  #hardState: HardState;
  #lastIndex: number;
  #lastTerm: number;

  constructor(visible: GroupState) {
    this.#visible = visible;
    this.#hardState = visible.hardState;
    this.#lastIndex = visible.lastIndex;
    this.#lastTerm = visible.termOf(visible.lastIndex);
  }

  /** No save is under way. */
  get isIdle(): boolean {
    return this.#underWay === 0;
  }

  /** Among the saves under way may be one whose entries replace others. */
  get isReplacing(): boolean {
    return this.#isReplacing;
  }

  get hardState(): HardState {
    return this.#hardState;
  }

  get lastIndex(): number {
    return this.#lastIndex;
  }

  readonly termOf = (index: number): number | undefined => {
    if (index === this.#lastIndex) return this.#lastTerm;
    const { start, lastIndex } = this.#visible;
    const isKnown = this.isIdle && index >= start.index && index <= lastIndex;
    return isKnown ? this.#visible.termOf(index) : undefined;
  };

  /** Whether a save that comes now has to be on the device when it is answered: a vote always, whatever the caller says. */
  mustSync(
    hardState: HardState | undefined,
    entries: readonly Entry[],
    { mustSync }: SaveOptions,
  ): boolean {
    const votes = hardState !== undefined && changesVote(this.#hardState, hardState);
    return votes || (mustSync ?? entries.length > 0);
  }

  /** A save has been taken; asked for {@link mustSync} before. */
  begin(hardState: HardState | undefined, entries: readonly Entry[]): void {
    this.#underWay++;
    const [first] = entries;
    const last = entries.at(-1);
    if (first !== undefined && first.index <= this.#lastIndex) this.#isReplacing = true;
    this.#hardState = hardState ?? this.#hardState;
    this.#lastIndex = last?.index ?? this.#lastIndex;
    this.#lastTerm = last?.term ?? this.#lastTerm;
  }

  /** A save has been applied, or has failed. */
  end(): void {
    this.#underWay--;
    this.takeUp();
  }

  /** Takes over what is visible, unless saves are under way. */
  takeUp(): void {
    if (this.#underWay > 0) return;
    this.#isReplacing = false;
    const { hardState, lastIndex } = this.#visible;
    this.#hardState = hardState;
    this.#lastIndex = lastIndex;
    this.#lastTerm = this.#visible.termOf(lastIndex);
  }
}
