/**
 * Options of a log: what each means, its unit, default and range, and the one place that checks them.
 */
import { CODEC_NAMES, type CodecName } from "./codec/codecs.ts";
import { encryptionProblem, type EncryptionOptions } from "./encryption/encryption-options.ts";
import type { CapacityGroup } from "./capacity/capacity-group.ts";
import { FULL_POLICIES, type FullPolicy } from "./capacity/guarded-commit.ts";
import { WalError } from "./errors.ts";
import { MAX_RECORD_BYTES } from "./format/record.ts";
import type { RecoveryMode, RecoveryProgress } from "./recovery/recover.ts";

/** When an append resolves, and what that survives; see docs/durability.md. */
export const DURABILITY_LEVELS = [
  "fsync",
  "fdatasync",
  "interval",
  "async",
  "memory",
  "off",
] as const;
export type DurabilityLevel = (typeof DURABILITY_LEVELS)[number];

export interface WalOptions {
  /** Directory of the log; created when it is not there. One log, one directory. */
  readonly directory: string;
  /** When an append resolves. Default "fdatasync". Can be chosen per append as well. */
  readonly durability?: DurabilityLevel | undefined;
  /**
   * Size at which the active segment is closed, in bytes. A batch is never split, so a segment can exceed this by one
   * batch. Larger: fewer files. Smaller: space is released sooner. Default 64 MiB. Range 8 KiB to 1 GiB.
   */
  readonly segmentSizeBytes?: number | undefined;
  /**
   * Age at which a segment with records is closed even if it is small, in milliseconds, by a timer. 0 turns it off.
   * Default 1 hour.
   */
  readonly segmentMaxAgeMs?: number | undefined;
  /**
   * Level "interval": longest time from an append to its sync, in milliseconds. Default 100. Range 1 to 3,600,000.
   */
  readonly syncIntervalMs?: number | undefined;
  /** Level "interval": bytes after which a sync is due at once. Default 1 MiB. Range 1 and more. */
  readonly syncIntervalBytes?: number | undefined;
  /** Compression of each frame, skipped where it does not shrink. Default "none". */
  readonly codec?: CodecName | undefined;
  /** Encryption of each frame with AES-256-GCM; see docs/encryption.md. Default none. */
  readonly encryption?: EncryptionOptions | undefined;
  /**
   * Size of one commit buffer in bytes; there are three at most, none before the first append and (see `attestDelayMs`) none in an idle
   * log. Larger: larger groups under heavy load. Default 1 MiB. Range 64 KiB to 256 MiB.
   */
  readonly bufferSizeBytes?: number | undefined;
  /**
   * Most bytes that may wait for the disk; appends beyond reject with `WAL_OVERLOADED`. Default 256 MiB. Range
   * `bufferSizeBytes` to 1 GiB. Looked at when a buffer is full, so it can be exceeded by one buffer. Also the largest batch.
   */
  readonly maxPendingBytes?: number | undefined;
  /** Largest payload in bytes. Default 64 MiB. Range 1 to 268,435,455. */
  readonly maxRecordBytes?: number | undefined;
  /**
   * Zeros written ahead of the active segment's end, in bytes, which makes small synced writes a third faster. 0
   * turns it off (advised on copy-on-write file systems). Default 1 MiB.
   */
  readonly prewriteBytes?: number | undefined;
  /**
   * Idle time after which a frame that vouches for the last group is written, and commit buffers are given back, in milliseconds. 0 turns
   * it off. Default 100.
   */
  readonly attestDelayMs?: number | undefined;
  /**
   * Most bytes that the log may hold on disk; 0 for no limit. Counts frames, not zeros ahead of them. Default 0. Range
   * `segmentSizeBytes` and more. See docs/capacity.md.
   */
  readonly maxLogBytes?: number | undefined;
  /** A budget shared with other logs; their guaranteed bytes are not to be had. */
  readonly capacityGroup?: CapacityGroup | undefined;
  /** Bytes of the group's budget that no other log can take. Default 0. */
  readonly guaranteedBytes?: number | undefined;
  /** Free bytes of the device that the log leaves alone, by `statfs`; 0 does not ask. Default 0. */
  readonly reserveFreeBytes?: number | undefined;
  /**
   * What an append meets when budget, group or reserve are exhausted. "reject": `WAL_NO_SPACE`. "block": waits for room until
   * `blockTimeoutMs`, then rejects. "drop-oldest": the oldest segments go, whoever still needs them; each range is named in
   * `status().dropped`. "drop-newest": the append resolves with LSN 0, nothing is kept, and is counted. Default "reject".
   */
  readonly whenFull?: FullPolicy | undefined;
  /** Longest wait of policy "block", in milliseconds. Default 30,000. Range 1 to 3,600,000. */
  readonly blockTimeoutMs?: number | undefined;
  /** What happens to segments that no cursor needs: removed, or kept as `*.wal.recovered`. Default "delete". */
  readonly released?: "delete" | "archive" | undefined;
  /** Where archived segments go. Default the log's directory. */
  readonly archiveDirectory?: string | undefined;
  /** Archived segments begun longer ago go, in milliseconds; 0 keeps them. Default 0. */
  readonly archiveMaxAgeMs?: number | undefined;
  /** The oldest archived segments go while all together are larger, in bytes; 0 keeps them. Default 0. */
  readonly archiveMaxBytes?: number | undefined;
  /**
   * Opens the log as it was at an LSN or a time (milliseconds since 1970): what came later is dropped for good, as by
   * `truncateBack`. For restored backups.
   */
  readonly recoverUntil?: RecoverUntil | undefined;
  /** What recovery checks and accepts; see docs/recovery.md. Default "default". */
  readonly recovery?: RecoveryMode | undefined;
  /** Told how far recovery has come. An exception it throws ends the opening. */
  readonly onRecoveryProgress?: ((progress: RecoveryProgress) => void) | undefined;
}

/** Where recovery stops. Times are those of frames: what was committed together stays together. */
export type RecoverUntil = { readonly lsn: number } | { readonly timeMs: number };

type NumberOption =
  | "segmentSizeBytes"
  | "segmentMaxAgeMs"
  | "syncIntervalMs"
  | "syncIntervalBytes"
  | "bufferSizeBytes"
  | "maxPendingBytes"
  | "maxRecordBytes"
  | "prewriteBytes"
  | "attestDelayMs"
  | "maxLogBytes"
  | "guaranteedBytes"
  | "reserveFreeBytes"
  | "blockTimeoutMs"
  | "archiveMaxAgeMs"
  | "archiveMaxBytes";

/** Options with every default filled in. */
export type ResolvedWalOptions = Readonly<Record<NumberOption, number>> & {
  readonly directory: string;
  readonly durability: DurabilityLevel;
  readonly codec: CodecName;
  readonly encryption: EncryptionOptions | undefined;
  readonly recovery: RecoveryMode;
  readonly onRecoveryProgress: ((progress: RecoveryProgress) => void) | undefined;
  readonly capacityGroup: CapacityGroup | undefined;
  readonly whenFull: FullPolicy;
  readonly released: "delete" | "archive";
  readonly archiveDirectory: string;
  readonly recoverUntil: RecoverUntil | undefined;
};

/** Defaults of all options that have one. */
export const DEFAULT_WAL_OPTIONS: Readonly<Record<NumberOption, number>> & {
  readonly durability: DurabilityLevel;
  readonly codec: CodecName;
  readonly recovery: RecoveryMode;
  readonly whenFull: FullPolicy;
  readonly released: "delete" | "archive";
} = {
  durability: "fdatasync",
  segmentSizeBytes: 64 * 1024 * 1024, // 64 MiB
  segmentMaxAgeMs: 60 * 60 * 1000, // 1 hour
  syncIntervalMs: 100,
  syncIntervalBytes: 1024 * 1024, // 1 MiB
  codec: "none",
  bufferSizeBytes: 1024 * 1024, // 1 MiB
  maxPendingBytes: 256 * 1024 * 1024, // 256 MiB
  maxRecordBytes: 64 * 1024 * 1024, // 64 MiB
  prewriteBytes: 1024 * 1024, // 1 MiB
  attestDelayMs: 100,
  maxLogBytes: 0,
  guaranteedBytes: 0,
  reserveFreeBytes: 0,
  blockTimeoutMs: 30_000,
  archiveMaxAgeMs: 0,
  archiveMaxBytes: 0,
  whenFull: "reject",
  released: "delete",
  recovery: "default",
};

const RANGES: Readonly<Record<NumberOption, readonly [min: number, max: number]>> = {
  segmentSizeBytes: [8 * 1024, 1024 * 1024 * 1024],
  segmentMaxAgeMs: [0, Number.MAX_SAFE_INTEGER],
  syncIntervalMs: [1, 3_600_000],
  syncIntervalBytes: [1, Number.MAX_SAFE_INTEGER],
  bufferSizeBytes: [64 * 1024, 256 * 1024 * 1024],
  // A batch lies in one segment, and offsets in a segment have 32 bits.
  maxPendingBytes: [64 * 1024, 1024 * 1024 * 1024],
  maxRecordBytes: [1, MAX_RECORD_BYTES],
  prewriteBytes: [0, 1024 * 1024 * 1024],
  attestDelayMs: [0, 3_600_000],
  maxLogBytes: [0, Number.MAX_SAFE_INTEGER],
  guaranteedBytes: [0, Number.MAX_SAFE_INTEGER],
  reserveFreeBytes: [0, Number.MAX_SAFE_INTEGER],
  blockTimeoutMs: [1, 3_600_000],
  archiveMaxAgeMs: [0, Number.MAX_SAFE_INTEGER],
  archiveMaxBytes: [0, Number.MAX_SAFE_INTEGER],
};

const KNOWN_KEYS: ReadonlySet<string> = new Set([
  "directory",
  "durability",
  "codec",
  "encryption",
  "recovery",
  "onRecoveryProgress",
  "capacityGroup",
  "whenFull",
  "released",
  "archiveDirectory",
  "recoverUntil",
  ...Object.keys(RANGES),
]);

/** Fills in defaults and checks everything; the only place that does. Throws `WAL_INVALID_OPTION`. */
export function resolveWalOptions(options: WalOptions): ResolvedWalOptions {
  for (const key of Object.keys(options)) {
    if (!KNOWN_KEYS.has(key)) {
      throw invalid(key, `unknown option; known are ${[...KNOWN_KEYS].sort().join(", ")}`);
    }
  }
  if (typeof options.directory !== "string" || options.directory === "") {
    throw invalid("directory", "must be a path");
  }
  const { encryption } = options;
  const problem = encryption === undefined ? undefined : encryptionProblem(encryption);
  if (problem !== undefined) throw invalid("encryption", problem);
  const resolved: ResolvedWalOptions = Object.freeze({
    directory: options.directory,
    durability: oneOf("durability", options.durability, DURABILITY_LEVELS),
    codec: oneOf("codec", options.codec, CODEC_NAMES),
    encryption,
    recovery: oneOf("recovery", options.recovery, ["default", "strict", "salvage"] as const),
    onRecoveryProgress: options.onRecoveryProgress,
    capacityGroup: options.capacityGroup,
    whenFull: oneOf("whenFull", options.whenFull, FULL_POLICIES),
    released: oneOf("released", options.released, ["delete", "archive"] as const),
    archiveDirectory: options.archiveDirectory ?? options.directory,
    recoverUntil: options.recoverUntil,
    ...numbersOf(options),
  });
  if (resolved.maxPendingBytes < resolved.bufferSizeBytes) {
    throw invalid(
      "maxPendingBytes",
      `must be at least bufferSizeBytes (${resolved.bufferSizeBytes})`,
    );
  }
  const { maxLogBytes, segmentSizeBytes, guaranteedBytes, capacityGroup } = resolved;
  if (guaranteedBytes > 0 && capacityGroup === undefined) {
    throw invalid("guaranteedBytes", "is a share of a capacityGroup, and there is none");
  }
  if (maxLogBytes > 0 && maxLogBytes < segmentSizeBytes) {
    // Only whole segments can be released: with less than one there would never be room again.
    throw invalid("maxLogBytes", `must be at least segmentSizeBytes (${segmentSizeBytes})`);
  }
  return resolved;
}

function numbersOf(options: WalOptions): Record<NumberOption, number> {
  // The keys of RANGES are exactly the number options.
  const keys = Object.keys(RANGES) as NumberOption[];
  const numbers = Object.fromEntries(keys.map((key) => [key, inRange(key, options[key])]));
  return numbers as Record<NumberOption, number>;
}

function inRange(key: NumberOption, value: number | undefined): number {
  const checked = value ?? DEFAULT_WAL_OPTIONS[key];
  const [min, max] = RANGES[key];
  if (!Number.isSafeInteger(checked) || checked < min || checked > max) {
    throw invalid(key, `is ${String(value)}; must be a whole number from ${min} to ${max}`);
  }
  return checked;
}

function oneOf<T extends string>(
  key: "durability" | "codec" | "recovery" | "whenFull" | "released",
  value: T | undefined,
  allowed: readonly T[],
): T {
  // The defaults are members of the lists they stand for.
  const checked = value ?? (DEFAULT_WAL_OPTIONS[key] as T);
  if (!allowed.includes(checked)) {
    throw invalid(key, `is "${String(value)}"; must be one of ${allowed.join(", ")}`);
  }
  return checked;
}

function invalid(key: string, problem: string): WalError {
  return new WalError("WAL_INVALID_OPTION", `option ${key} ${problem}`, {
    details: { option: key },
  });
}
