/**
 * Options of Raft storage: meaning, units, defaults, ranges. Checked here and nowhere else.
 */
import { RaftLogError } from "./errors.ts";
import type { LevelStore } from "./level/level-store.ts";

/** How the log is kept. Which to choose is in docs/raft-log.md. */
export const RAFT_BACKENDS = ["walnut", "etcd", "level", "memory"] as const;
export type RaftBackend = (typeof RAFT_BACKENDS)[number];

/** Options of `openRaftLog` and `openRaftGroups`. */
export interface RaftLogOptions {
  /** Directory of the node: the log goes into `wal/`, snapshots into `snap/`. Made if it is missing. */
  readonly storageRootDirectory: string;
  /** Id of the cluster; written at the first open, and refused when it differs later. */
  readonly clusterId: bigint | number;
  /** Id of this node in the cluster; as `clusterId`. */
  readonly peerId: bigint | number;
  /** Default "walnut". */
  readonly backend?: RaftBackend | undefined;
  /**
   * For backend "level": the store, an abstract-level one (3.x) that holds nothing else; it is not closed with the log. Default:
   * classic-level in `wal/level`, to be installed beside this package.
   */
  readonly level?: LevelStore | undefined;
  /** Data of recent entries kept in memory, of all groups together, in bytes. Default 4 MiB. Range 0 to 16 GiB. */
  readonly cacheBytes?: number | undefined;
  /** Size of a file of the log, in bytes. Default 64 MiB; 64,000,000 for "etcd", as etcd has it. Range 64 KiB to 1 GiB. */
  readonly segmentSizeBytes?: number | undefined;
  /** Snapshots kept of each group, the newest included. Default 2. Range 1 to 1,000. */
  readonly keepSnapshots?: number | undefined;
  /**
   * Saves resolve before they are on the device: a power loss may take back votes and entries, and with them the promises of
   * Raft. For tests and for clusters whose every node may be lost. Default false.
   */
  readonly unsafeNoSync?: boolean | undefined;
  /** Told of what needs attention and is no failure: a broken snapshot that was passed over. Default: nobody. */
  readonly onWarning?: ((message: string) => void) | undefined;
}

/** {@link RaftLogOptions} with every default filled in and every value checked. */
export interface ResolvedRaftLogOptions {
  readonly storageRootDirectory: string;
  readonly clusterId: bigint;
  readonly peerId: bigint;
  readonly backend: RaftBackend;
  readonly level: LevelStore | undefined;
  readonly cacheBytes: number;
  readonly segmentSizeBytes: number;
  readonly keepSnapshots: number;
  readonly unsafeNoSync: boolean;
  readonly onWarning: (message: string) => void;
}

const KIB = 1024;
const MIB = 1024 * KIB;
const GIB = 1024 * MIB;

/** Etcd's `SegmentSizeBytes`: millions, not mebibytes. */
const ETCD_SEGMENT_BYTES = 64_000_000;

/** Default, smallest and largest value of each number. */
const NUMBERS = {
  cacheBytes: [4 * MIB, 0, 16 * GIB],
  segmentSizeBytes: [64 * MIB, 64 * KIB, GIB],
  keepSnapshots: [2, 1, 1_000],
} as const;

const KNOWN: ReadonlySet<string> = new Set([
  "storageRootDirectory",
  "clusterId",
  "peerId",
  "backend",
  "level",
  "unsafeNoSync",
  "onWarning",
  ...Object.keys(NUMBERS),
]);

const MAX_ID = 2n ** 64n - 1n;

/** @throws {RaftLogError} `RAFT_INVALID_OPTION` */
export function resolveRaftLogOptions(options: RaftLogOptions): ResolvedRaftLogOptions {
  for (const key of Object.keys(options)) {
    if (!KNOWN.has(key)) throw invalid(key, "is not known");
  }
  const { storageRootDirectory, backend = "walnut", unsafeNoSync = false } = options;
  if (typeof storageRootDirectory !== "string" || storageRootDirectory === "") {
    throw invalid("storageRootDirectory", "must be a path");
  }
  if (!RAFT_BACKENDS.includes(backend)) {
    throw invalid(
      "backend",
      `is "${backend as string}"; must be one of ${RAFT_BACKENDS.join(", ")}`,
    );
  }
  if (typeof unsafeNoSync !== "boolean") throw invalid("unsafeNoSync", "must be true or false");
  if (options.level !== undefined && backend !== "level") {
    throw invalid("level", `is of use with backend "level" only; backend is "${backend}"`);
  }
  return Object.freeze({
    storageRootDirectory,
    clusterId: idOf("clusterId", options.clusterId),
    peerId: idOf("peerId", options.peerId),
    backend,
    level: options.level,
    cacheBytes: numberOf("cacheBytes", options.cacheBytes),
    segmentSizeBytes: numberOf(
      "segmentSizeBytes",
      options.segmentSizeBytes ?? (backend === "etcd" ? ETCD_SEGMENT_BYTES : undefined),
    ),
    keepSnapshots: numberOf("keepSnapshots", options.keepSnapshots),
    unsafeNoSync,
    onWarning: options.onWarning ?? (() => undefined),
  });
}

/** A group id: a whole number from 0 to 2^53 - 1. */
export function assertGroupId(groupId: number): void {
  if (!Number.isSafeInteger(groupId) || groupId < 0) {
    throw invalid("groupId", `is ${groupId}; must be a whole number from 0`);
  }
}

function idOf(key: string, value: bigint | number): bigint {
  const isId = typeof value === "bigint" || Number.isSafeInteger(value);
  if (!isId || BigInt(value) < 0n || BigInt(value) > MAX_ID) {
    throw invalid(key, `is ${String(value)}; must be a whole number from 0 to 2^64 - 1`);
  }
  return BigInt(value);
}

function numberOf(key: keyof typeof NUMBERS, value: number | undefined): number {
  const [fallback, min, max] = NUMBERS[key];
  const checked = value ?? fallback;
  if (!Number.isSafeInteger(checked) || checked < min || checked > max) {
    throw invalid(key, `is ${String(value)}; must be a whole number from ${min} to ${max}`);
  }
  return checked;
}

function invalid(key: string, problem: string): RaftLogError {
  return new RaftLogError("RAFT_INVALID_OPTION", `option ${key} ${problem}`, {
    details: { option: key },
  });
}
