/**
 * Options of a spool: what each means, its unit, default and range, and the one place that checks them.
 *
 * Sizes that nobody gives follow the volume: on a tmpfs of a few MiB segments, budget and reserve are small. Pure.
 */
import { DURABILITY_LEVELS, type DurabilityLevel } from "@walnut/wal";
import { DEFAULT_CATEGORIES, isCategoryName } from "./categories.ts";
import { SpoolError } from "./errors.ts";

/** What happens to a put when there is no room. "never-drop" waits without a deadline. */
export const SPOOL_POLICIES = [
  "reject",
  "block",
  "drop-oldest",
  "drop-newest",
  "never-drop",
] as const;
export type SpoolPolicy = (typeof SPOOL_POLICIES)[number];

/** What one category may choose for itself; what it leaves out is as for all. */
export interface CategoryOptions {
  /** 1 to 64 characters of `a-z A-Z 0-9 . _ -`, not beginning with a sign: also the name of its directory. */
  readonly name: string;
  /** Most bytes that it may hold. */
  readonly maxBytes?: number | undefined;
  /** Bytes of the global budget that no other category can take. */
  readonly guaranteedBytes?: number | undefined;
  readonly whenFull?: SpoolPolicy | undefined;
  readonly blockTimeoutMs?: number | undefined;
  readonly durability?: Exclude<DurabilityLevel, "off"> | undefined;
}

export interface SpoolOptions {
  /** Directory of the spool, with one directory for each category; created when it is not there. */
  readonly directory: string;
  /** Default: {@link DEFAULT_CATEGORIES}. */
  readonly categories?: readonly (string | CategoryOptions)[] | undefined;
  /** When a put resolves. Default "fdatasync". */
  readonly durability?: Exclude<DurabilityLevel, "off"> | undefined;
  /** Most bytes of one category. Default 2 GiB. */
  readonly maxBytesPerCategory?: number | undefined;
  /** Most bytes of all categories together. Default: all their limits, or nine tenths of the volume where that is less. */
  readonly maxTotalBytes?: number | undefined;
  /** Bytes that each category is guaranteed. Default: a quarter of the budget shared out, at most 64 MiB each. */
  readonly guaranteedBytes?: number | undefined;
  /** What a put meets when there is no room. Default "reject". */
  readonly whenFull?: SpoolPolicy | undefined;
  /** Longest wait of policy "block", in milliseconds. Default 30,000. Range 1 to 3,600,000. */
  readonly blockTimeoutMs?: number | undefined;
  /** Free bytes of the volume that the spool leaves alone. Default: a thirty-second of it, 256 KiB to 64 MiB. */
  readonly reserveFreeBytes?: number | undefined;
  /**
   * Size at which a segment is closed: what is released, and dropped, at a time. Default: 1/256 of the volume, or an eighth of the smallest
   * limit that is given where that is less; 64 KiB to 16 MiB.
   */
  readonly segmentSizeBytes?: number | undefined;
  /** Largest item in bytes. Default 32 MiB. */
  readonly maxItemBytes?: number | undefined;
}

/** A category with everything filled in. */
export type ResolvedCategory = {
  readonly [Name in keyof CategoryOptions]-?: Exclude<CategoryOptions[Name], undefined>;
};

/** A spool's options with everything filled in. */
export interface ResolvedSpoolOptions {
  readonly directory: string;
  readonly categories: readonly ResolvedCategory[];
  readonly maxTotalBytes: number;
  readonly reserveFreeBytes: number;
  readonly segmentSizeBytes: number;
  readonly maxItemBytes: number;
}

const KIB = 1024;
const MIB = 1024 * KIB;
const GIB = 1024 * MIB;
const DEFAULT_MAX_BYTES = 2 * GIB;
const SEGMENTS_OF_VOLUME = 256;
/** A limit that holds fewer segments would be met in large steps. */
const SEGMENTS_OF_LIMIT = 8;
const DEFAULT_BLOCK_TIMEOUT_MS = 30_000;
const MAX_TIMEOUT_MS = 3_600_000;
const DEFAULT_MAX_ITEM_BYTES = 32 * MIB;
const MAX_ITEM_BYTES = 128 * MIB;
/** Files of a log that are no records: lock, checkpoint, cursors and their reserves. */
const FIXED_BYTES_PER_LOG = 64 * KIB;

/**
 * Fills in defaults and checks everything.
 *
 * @param volumeBytes - size of the volume; 0 when it cannot be told
 * @throws {SpoolError} `SPOOL_INVALID_OPTION`
 */
export function resolveSpoolOptions(
  options: SpoolOptions,
  volumeBytes: number,
): ResolvedSpoolOptions {
  const { directory, categories = DEFAULT_CATEGORIES } = options;
  if (typeof directory !== "string" || directory === "")
    throw invalid("directory", "must be a path");
  if (categories.length === 0) throw invalid("categories", "must name at least one");
  const given = categories.map((one) => (typeof one === "string" ? { name: one } : one));
  checkNames(given.map(({ name }) => name));
  const volume = volumeBytes > 0 ? volumeBytes : Number.MAX_SAFE_INTEGER;
  const limits = given.map((one) => one.maxBytes ?? options.maxBytesPerCategory);
  const smallestLimit = Math.min(
    ...[...limits, options.maxTotalBytes].map((limit) => limit ?? Infinity),
  );
  const segmentSizeBytes = bytes("segmentSizeBytes", options.segmentSizeBytes, {
    fallback: clamp(
      // What is no number as a limit is told below, by its own name.
      Math.floor(Math.min(volume / SEGMENTS_OF_VOLUME, smallestLimit / SEGMENTS_OF_LIMIT)) || 0,
      64 * KIB,
      16 * MIB,
    ),
    min: 8 * KIB,
    max: GIB,
  });
  const own = given.map((one) =>
    bytes(`maxBytes of ${one.name}`, one.maxBytes ?? options.maxBytesPerCategory, {
      fallback: DEFAULT_MAX_BYTES,
      min: segmentSizeBytes,
    }),
  );
  const usable = Math.max(volume - FIXED_BYTES_PER_LOG * (given.length + 2), MIB);
  const maxTotalBytes = bytes("maxTotalBytes", options.maxTotalBytes, {
    fallback: Math.min(
      own.reduce((sum, each) => sum + each, 0),
      Math.floor(0.9 * usable),
    ),
    min: segmentSizeBytes,
  });
  const share = Math.min(Math.floor(maxTotalBytes / (4 * given.length)), 64 * MIB);
  const resolved = given.map((one, index) =>
    resolveCategory(one, options, { share, maxBytes: own[index] ?? DEFAULT_MAX_BYTES }),
  );
  const guaranteed = resolved.reduce((sum, { guaranteedBytes }) => sum + guaranteedBytes, 0);
  if (guaranteed > maxTotalBytes) {
    throw invalid(
      "guaranteedBytes",
      `adds up to ${guaranteed}, more than maxTotalBytes ${maxTotalBytes}`,
    );
  }
  return Object.freeze({
    directory,
    categories: resolved,
    maxTotalBytes,
    reserveFreeBytes: bytes("reserveFreeBytes", options.reserveFreeBytes, {
      fallback: clamp(Math.floor(volume / 32), 256 * KIB, 64 * MIB),
    }),
    segmentSizeBytes,
    maxItemBytes: bytes("maxItemBytes", options.maxItemBytes, {
      fallback: DEFAULT_MAX_ITEM_BYTES,
      min: 1,
      max: MAX_ITEM_BYTES,
    }),
  });
}

function resolveCategory(
  one: CategoryOptions,
  all: SpoolOptions,
  { share, maxBytes }: { readonly share: number; readonly maxBytes: number },
): ResolvedCategory {
  const { name } = one;
  return {
    name,
    maxBytes,
    guaranteedBytes: bytes(
      `guaranteedBytes of ${name}`,
      one.guaranteedBytes ?? all.guaranteedBytes,
      {
        fallback: Math.min(share, maxBytes),
        max: maxBytes,
      },
    ),
    whenFull: word("whenFull", one.whenFull ?? all.whenFull ?? "reject", SPOOL_POLICIES),
    blockTimeoutMs: bytes("blockTimeoutMs", one.blockTimeoutMs ?? all.blockTimeoutMs, {
      fallback: DEFAULT_BLOCK_TIMEOUT_MS,
      min: 1,
      max: MAX_TIMEOUT_MS,
    }),
    durability: word("durability", one.durability ?? all.durability ?? "fdatasync", LEVELS),
  };
}

const LEVELS = DURABILITY_LEVELS.filter((level) => level !== "off");

function checkNames(names: readonly string[]): void {
  for (const [index, name] of names.entries()) {
    if (typeof name !== "string" || !isCategoryName(name)) {
      throw invalid(
        "categories",
        `has "${name}"; a name has 1 to 64 characters of a-z A-Z 0-9 . _ - and begins with a letter or digit`,
      );
    }
    if (names.indexOf(name) !== index) throw invalid("categories", `names "${name}" twice`);
  }
}

function bytes(
  option: string,
  value: number | undefined,
  range: { readonly fallback: number; readonly min?: number; readonly max?: number },
): number {
  const { fallback, min = 0, max = Number.MAX_SAFE_INTEGER } = range;
  const checked = value ?? fallback;
  if (Number.isSafeInteger(checked) && checked >= min && checked <= max) return checked;
  throw invalid(option, `is ${String(checked)}; must be a whole number from ${min} to ${max}`);
}

function word<T extends string>(option: string, value: T, allowed: readonly T[]): T {
  if (allowed.includes(value)) return value;
  throw invalid(option, `is "${value}"; must be one of ${allowed.join(", ")}`);
}

function clamp(value: number, min: number, max: number): number {
  return Math.min(Math.max(value, min), max);
}

function invalid(option: string, problem: string): SpoolError {
  return new SpoolError("SPOOL_INVALID_OPTION", `option ${option} ${problem}`, {
    details: { option },
  });
}
