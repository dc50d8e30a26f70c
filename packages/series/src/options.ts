/**
 * Options of a series log: what each means, its unit, default and range, and the one place that checks them.
 */
import {
  CODEC_NAMES,
  type CodecName,
  type EncryptionOptions,
  type RecoveryMode,
} from "@walnut/wal";
import { SeriesError } from "./errors.ts";
import { SERIES_LAYOUTS, type SeriesLayout } from "./log/log-record.ts";
import { ListMemtable, type Memtable, type MemtableInfo } from "./memtable.ts";

/** When a write resolves; see docs/series.md, "Durability". */
export const SERIES_DURABILITY_LEVELS = ["fdatasync", "interval", "async"] as const;
export type SeriesDurability = (typeof SERIES_DURABILITY_LEVELS)[number];

/** A region that holds files for too long, and that the log cannot carry forward. */
export interface FlushRequest extends MemtableInfo {
  /** Files of the log that are kept since the region's first point. */
  readonly heldFiles: number;
}

export interface SeriesLogOptions {
  /** Directory of the log; created when it is not there. Not needed with `wal: false`. */
  readonly directory?: string | undefined;
  /** Makes a memtable: for a region that begins, and for each that a restart finds. Default a {@link ListMemtable}. */
  readonly memtable?: ((info: MemtableInfo) => Memtable) | undefined;
  /**
   * When a write resolves: "fdatasync", on the device; "interval", when the system has it, and within `forceWalPeriodMs` it is on the
   * device; "async", when the system has it. Default "fdatasync".
   */
  readonly durability?: SeriesDurability | undefined;
  /** Off: points go into the memtable and nowhere else, for a node that only forwards. Default true. */
  readonly wal?: boolean | undefined;
  /**
   * Off: a write resolves when memtable and buffer have it, and is on the device within `forceWalPeriodMs`. A crash loses what was
   * written since. Default true.
   */
  readonly persistent?: boolean | undefined;
  /** Layout of new points. Default "v2". A log can hold both. */
  readonly layout?: SeriesLayout | undefined;
  /** Compression of each frame, skipped where it does not shrink. Default "snappy". */
  readonly compression?: CodecName | undefined;
  /**
   * Size at which a file is closed, in bytes before compression. Released memtables free whole files. Default 64 MiB. Range
   * 16 KiB to 512 MiB.
   */
  readonly fileSizeBytes?: number | undefined;
  /**
   * Bytes that wait to be grouped by series before they go to the log at once; otherwise they go when the log is free. Larger:
   * fewer, larger entries under load. Default 16 KiB. Range 1 and more.
   */
  readonly bufferSizeBytes?: number | undefined;
  /**
   * Bytes that may wait for the disk: one half is being flushed while the other fills. When both are full, writes reject with
   * `SERIES_OVERLOADED`. Default 16 MiB. Range 64 KiB to 256 MiB.
   */
  readonly walBufferSizeBytes?: number | undefined;
  /** Points that wait before they go to the log at once. Default 10,000. Range 1 and more. */
  readonly flushThreshold?: number | undefined;
  /**
   * Longest time from a write to its sync with "interval" and with `persistent: false`, in milliseconds. On a slow disk take what
   * `walnut fsync-test` says. Default 100. Range 4 to 3,600,000.
   */
  readonly forceWalPeriodMs?: number | undefined;
  /** Files that a region may hold before its points are carried forward or `onFlushWanted` is called. Default 8. Range 1 and more. */
  readonly maxHeldFiles?: number | undefined;
  /** Regions with more bytes of values than this are not carried forward. Default 1 MiB. Range 0 to 33,554,432. */
  readonly maxCarriedBytes?: number | undefined;
  /**
   * Most bytes that the log may hold on disk; 0 for no limit. Beyond it points are refused with `WAL_NO_SPACE` until memtables are
   * released; releases are not. Default 0. Range twice `fileSizeBytes` and more.
   */
  readonly maxLogBytes?: number | undefined;
  /** Encryption of each frame with AES-256-GCM; see docs/encryption.md. Default none. */
  readonly encryption?: EncryptionOptions | undefined;
  /**
   * What the opening accepts, as in docs/recovery.md. "salvage" sets damage aside and goes on with what can be told apart; see
   * docs/series.md, "Damage". Default "default".
   */
  readonly recovery?: RecoveryMode | undefined;
  /** Asks for the flush of a region that holds more than `maxHeldFiles` files; once per file that is begun. */
  readonly onFlushWanted?: ((request: FlushRequest) => void) | undefined;
}

type NumberOption =
  | "fileSizeBytes"
  | "bufferSizeBytes"
  | "walBufferSizeBytes"
  | "flushThreshold"
  | "forceWalPeriodMs"
  | "maxHeldFiles"
  | "maxCarriedBytes"
  | "maxLogBytes";

/** Options with every default filled in. */
export type ResolvedSeriesLogOptions = Readonly<Record<NumberOption, number>> & {
  readonly directory: string;
  readonly memtable: (info: MemtableInfo) => Memtable;
  readonly durability: SeriesDurability;
  readonly wal: boolean;
  readonly persistent: boolean;
  readonly layout: SeriesLayout;
  readonly compression: CodecName;
  readonly encryption: EncryptionOptions | undefined;
  readonly recovery: RecoveryMode;
  readonly onFlushWanted: (request: FlushRequest) => void;
};

const NUMBERS: Readonly<
  Record<NumberOption, readonly [byDefault: number, min: number, max: number]>
> = {
  fileSizeBytes: [64 * 1024 * 1024, 16 * 1024, 512 * 1024 * 1024], // 64 MiB
  bufferSizeBytes: [16 * 1024, 1, Number.MAX_SAFE_INTEGER], // 16 KiB
  walBufferSizeBytes: [16 * 1024 * 1024, 64 * 1024, 256 * 1024 * 1024], // 16 MiB
  flushThreshold: [10_000, 1, Number.MAX_SAFE_INTEGER],
  forceWalPeriodMs: [100, 4, 3_600_000],
  maxHeldFiles: [8, 1, Number.MAX_SAFE_INTEGER],
  maxCarriedBytes: [1024 * 1024, 0, 32 * 1024 * 1024], // 1 MiB
  maxLogBytes: [0, 0, Number.MAX_SAFE_INTEGER],
};

const RECOVERY_MODES: readonly RecoveryMode[] = ["default", "strict", "salvage"];

const KNOWN_KEYS: ReadonlySet<string> = new Set([
  "directory",
  "memtable",
  "durability",
  "wal",
  "persistent",
  "layout",
  "compression",
  "encryption",
  "recovery",
  "onFlushWanted",
  ...Object.keys(NUMBERS),
]);

/** Fills in defaults and checks everything; the only place that does. Throws `SERIES_INVALID_OPTION`. */
export function resolveSeriesLogOptions(options: SeriesLogOptions): ResolvedSeriesLogOptions {
  for (const key of Object.keys(options)) {
    if (!KNOWN_KEYS.has(key)) {
      throw invalid(key, `unknown option; known are ${[...KNOWN_KEYS].sort().join(", ")}`);
    }
  }
  const wal = onOrOff("wal", options.wal);
  const { directory = "" } = options;
  if (wal && (typeof directory !== "string" || directory === "")) {
    throw invalid("directory", "must be a path, unless wal is false");
  }
  const numbers = numbersOf(options);
  const { maxLogBytes, fileSizeBytes } = numbers;
  if (maxLogBytes > 0 && maxLogBytes < 2 * fileSizeBytes) {
    // Only whole files are released, and the newest one stays.
    throw invalid(
      "maxLogBytes",
      `is ${maxLogBytes}; must be at least twice fileSizeBytes (${fileSizeBytes})`,
    );
  }
  return Object.freeze({
    directory,
    memtable: options.memtable ?? (() => new ListMemtable()),
    durability: oneOf("durability", options.durability ?? "fdatasync", SERIES_DURABILITY_LEVELS),
    wal,
    persistent: onOrOff("persistent", options.persistent),
    layout: oneOf("layout", options.layout ?? "v2", SERIES_LAYOUTS),
    compression: oneOf("compression", options.compression ?? "snappy", CODEC_NAMES),
    encryption: options.encryption, // Checked by the log underneath.
    recovery: oneOf("recovery", options.recovery ?? "default", RECOVERY_MODES),
    onFlushWanted: options.onFlushWanted ?? ((): void => undefined),
    ...numbers,
  });
}

function numbersOf(options: SeriesLogOptions): Record<NumberOption, number> {
  // The keys of NUMBERS are exactly the number options.
  const keys = Object.keys(NUMBERS) as NumberOption[];
  const numbers = keys.map((key) => {
    const [byDefault, min, max] = NUMBERS[key];
    const value = options[key] ?? byDefault;
    if (!Number.isSafeInteger(value) || value < min || value > max) {
      throw invalid(key, `is ${String(value)}; must be a whole number from ${min} to ${max}`);
    }
    return [key, value] as const;
  });
  return Object.fromEntries(numbers) as Record<NumberOption, number>;
}

function oneOf<T extends string>(key: string, value: string, allowed: readonly T[]): T {
  const found = allowed.find((one) => one === value);
  if (found !== undefined) return found;
  throw invalid(key, `is "${value}"; must be one of ${allowed.join(", ")}`);
}

function onOrOff(key: string, value: boolean | undefined): boolean {
  if (value === undefined || typeof value === "boolean") return value ?? true;
  throw invalid(key, `is ${String(value)}; must be true or false`);
}

function invalid(option: string, what: string): SeriesError {
  return new SeriesError("SERIES_INVALID_OPTION", `option ${option}: ${what}`, {
    details: { option },
  });
}
