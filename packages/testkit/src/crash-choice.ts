/**
 * Which of the things that a crash may or may not lose are lost.
 *
 * The simulated disk turns "what could a power loss leave?" into a sequence of small decisions and asks a
 * chooser for each. One random chooser samples; one exhaustive chooser walks through all sequences. Both
 * repeat: the first by seed, the second by index.
 */

import type { SeededRandom } from "./seeded-random.ts";

/** One thing that is open: a directory change, a file length, the content of one sector, a call in flight. */
export interface CrashDecision {
  readonly kind: "entry" | "length" | "sector" | "in-flight";
  readonly path: string;
  /**
   * The order in which the possible outcomes came to be. Option 0 is "nothing of it reached the device";
   * option k is what the change numbered `sequence[k-1]` left.
   */
  readonly sequences: readonly number[];
}

/** A sector that keeps bytes of two versions: `splitBytes` bytes of one, then the rest of the other. */
export interface SectorTear {
  readonly splitBytes: number;
  /** True when the head of the sector is the newer part. */
  readonly isHeadNewer: boolean;
}

/** Takes the decisions of one crash. */
export interface CrashChooser {
  /** Called once, before the first decision, with the first and last sequence number that is open. */
  begin(range: { readonly first: number; readonly last: number }): void;
  /** An option from 0 to `decision.sequences.length`. */
  choose(decision: CrashDecision): number;
  /** How a sector that was chosen new tears, or `undefined` when it arrives whole. */
  tear(sectorBytes: number): SectorTear | undefined;
}

type Profile =
  | { readonly kind: "none" }
  | { readonly kind: "all" }
  | { readonly kind: "coin"; readonly keepProbability: number }
  | { readonly kind: "prefix"; readonly share: number }
  | { readonly kind: "suffix"; readonly share: number };

/**
 * Decides at random, by one of several characters: nothing kept, all kept, each by the toss of a (biased)
 * coin, all up to some moment (ordered write-back), all after some moment (reordered write-back). Plain coin
 * tosses alone would almost never show the extremes, which is where bugs are.
 */
export class RandomChooser implements CrashChooser {
  readonly #random: SeededRandom;
  readonly #profile: Profile;
  readonly #tearProbability: number;
  #threshold = 0;

  constructor(random: SeededRandom, options: { readonly tearSectors?: boolean } = {}) {
    this.#random = random;
    this.#profile = pickProfile(random);
    const canTear = options.tearSectors ?? true;
    this.#tearProbability = canTear && random.chance(0.25) ? random.pick([0.1, 0.5, 1]) : 0;
  }

  begin(range: { readonly first: number; readonly last: number }): void {
    const share =
      this.#profile.kind === "prefix" || this.#profile.kind === "suffix" ? this.#profile.share : 0;
    this.#threshold = range.first + share * (range.last - range.first);
  }

  choose(decision: CrashDecision): number {
    const last = decision.sequences.length;
    switch (this.#profile.kind) {
      case "none":
        return 0;
      case "all":
        return last;
      case "coin":
        if (last > 1 && this.#random.chance(0.25)) return this.#random.below(last + 1);
        return this.#random.chance(this.#profile.keepProbability) ? last : 0;
      case "prefix":
        return decision.sequences.filter((sequence) => sequence <= this.#threshold).length;
      case "suffix":
        return (decision.sequences[last - 1] ?? 0) > this.#threshold ? last : 0;
    }
  }

  tear(sectorBytes: number): SectorTear | undefined {
    if (this.#tearProbability === 0 || !this.#random.chance(this.#tearProbability))
      return undefined;
    return { splitBytes: this.#random.below(sectorBytes), isHeadNewer: this.#random.chance(0.7) };
  }
}

function pickProfile(random: SeededRandom): Profile {
  const roll = random.below(10);
  if (roll === 0) return { kind: "none" };
  if (roll === 1) return { kind: "all" };
  if (roll <= 3) return { kind: "prefix", share: random.fraction() };
  if (roll <= 5) return { kind: "suffix", share: random.fraction() };
  return { kind: "coin", keepProbability: random.pick([0.05, 0.25, 0.5, 0.75, 0.95]) };
}

/** Answers every decision with the last option: everything written arrives. */
export class KeepAllChooser implements CrashChooser {
  begin(): void {}
  choose(decision: CrashDecision): number {
    return decision.sequences.length;
  }
  tear(): undefined {
    return undefined;
  }
}

/** Answers every decision with "nothing": only what is durable by promise remains. */
export class LoseAllChooser implements CrashChooser {
  begin(): void {}
  choose(): number {
    return 0;
  }
  tear(): undefined {
    return undefined;
  }
}

/**
 * Walks through every sequence of decisions, one per crash, depth first. Sectors never tear here: tears
 * multiply the states without limit, and sampling covers them.
 */
export class ExhaustiveChooser implements CrashChooser {
  #answers: number[] = [];
  #optionCounts: number[] = [];
  #position = 0;

  begin(): void {
    this.#position = 0;
    this.#optionCounts = [];
  }

  choose(decision: CrashDecision): number {
    const answer = this.#answers[this.#position] ?? 0;
    this.#answers[this.#position] = answer;
    this.#optionCounts[this.#position] = decision.sequences.length + 1;
    this.#position += 1;
    return answer;
  }

  tear(): undefined {
    return undefined;
  }

  /** Moves to the next sequence. Returns false when all have been seen. */
  advance(): boolean {
    // Answers behind the last position belong to an earlier, longer branch.
    this.#answers.length = this.#position;
    for (let index = this.#answers.length - 1; index >= 0; index -= 1) {
      const next = (this.#answers[index] ?? 0) + 1;
      if (next < (this.#optionCounts[index] ?? 0)) {
        this.#answers[index] = next;
        this.#answers.length = index + 1;
        return true;
      }
    }
    return false;
  }
}
