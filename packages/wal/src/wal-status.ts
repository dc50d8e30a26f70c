/**
 * What a log says about itself: plain data for status pages, logs and tests.
 */
import type { DropReport } from "./capacity/drop-report.ts";
import type { GuardedCommit } from "./capacity/guarded-commit.ts";
import type { GroupCommit } from "./commit/group-commit.ts";
import type { FrameEncryptor } from "./encryption/frame-cipher.ts";
import type { CursorSet } from "./log/cursors.ts";
import type { Retention } from "./log/retention.ts";
import type { SegmentedLog } from "./log/segmented-log.ts";
import type { DurabilityLevel, ResolvedWalOptions } from "./options.ts";
import type { SalvageReport } from "./recovery/salvage-apply.ts";
import type { WalObserver } from "./observe/wal-observer.ts";
import type { ClosedSegment } from "./segment/segment-info.ts";
import { survivalOf, volumeWarnings, type VolumeStatus } from "./survival.ts";

/** Four places in the log, as LSNs; an empty log has `firstLsn` 1 and 0 for the others. */
export interface WalPositions {
  /** First LSN that is still there (or will be the first). */
  readonly firstLsn: number;
  /** Last LSN that was given out. */
  readonly appendedLsn: number;
  /** Last LSN that the operating system has. */
  readonly writtenLsn: number;
  /** Last LSN that is on the device. */
  readonly durableLsn: number;
}

/** What recovery did when the log was opened. */
export interface RecoveryReport {
  readonly segments: number;
  readonly records: number;
  /** Bytes of frames that were read and verified. */
  readonly scannedBytes: number;
  readonly durationMs: number;
  /** Bytes of an unfinished last write that were cut. */
  readonly tornTailBytes: number;
  /** Records of the last group that nothing vouched for and that were written anew. */
  readonly rewrittenRecords: number;
  /** Row of the table in docs/recovery.md; "T0" for a log without segments. */
  readonly verdict: string;
  /** Mode "salvage": what was damaged and where it is now; `undefined` when nothing was. */
  readonly salvage: SalvageReport | undefined;
}

export interface SegmentStatus {
  readonly segmentId: number;
  readonly name: string;
  readonly path: string;
  /** Bytes of header and frames; the file of the active segment can be longer by zeros. */
  readonly sizeBytes: number;
  readonly firstLsn: number;
  /** `firstLsn - 1` when the segment holds no record. */
  readonly lastLsn: number;
  readonly createdAtMs: number;
  readonly isSealed: boolean;
}

export interface WalStatus {
  readonly directory: string;
  readonly durability: DurabilityLevel;
  /** What the directory is stored on, as it was when the log was opened. */
  readonly volume: VolumeStatus;
  /** The worst that an acknowledged record survives, in words. */
  readonly survives: string;
  /** What an operator should know; empty when all is as it should be. */
  readonly warnings: readonly string[];
  /** Key of new frames; `undefined` when they are not encrypted. */
  readonly encryptionKeyId: number | undefined;
  readonly state: "open" | "closing" | "closed" | "poisoned";
  /** Message of what poisoned the log. */
  readonly failure: string | undefined;
  readonly positions: WalPositions;
  readonly segments: readonly SegmentStatus[];
  readonly cursors: readonly { readonly name: string; readonly lsn: number }[];
  readonly totals: {
    readonly appendedRecords: number;
    readonly appendedBytes: number;
    readonly writtenBytes: number;
    readonly frames: number;
    readonly syncs: number;
    readonly rotations: number;
    readonly releasedSegments: number;
  };
  readonly pendingBytes: number;
  /** Milliseconds since the active segment was begun; `undefined` without one. */
  readonly activeSegmentAgeMs: number | undefined;
  /** Why space could not be released at the last attempt. */
  readonly releaseFailure: string | undefined;
  /** What policies "drop-oldest" and "drop-newest" have dropped; `undefined` for a log without limits. */
  readonly dropped: DropReport | undefined;
  /** Appends that wait for room. */
  readonly waitingForRoom: number;
}

/** Parts of a log that a status is made of. */
export interface StatusParts {
  readonly options: ResolvedWalOptions;
  readonly observer: WalObserver;
  readonly log: SegmentedLog;
  readonly commit: GroupCommit;
  readonly guard: GuardedCommit | undefined;
  readonly retention: Retention;
  readonly cursors: CursorSet;
  readonly encryptor: FrameEncryptor | undefined;
  readonly volume: VolumeStatus;
}

/** What only the log as a whole knows. */
export interface StatusFacts {
  readonly lifecycle: "open" | "closing" | "closed";
  readonly positions: WalPositions;
  readonly appendedRecords: number;
  readonly appendedBytes: number;
}

/** A status as of now. */
export function describeWal(parts: StatusParts, facts: StatusFacts): WalStatus {
  const { options, log, commit, guard, volume } = parts;
  const { lifecycle, positions, appendedRecords, appendedBytes } = facts;
  const { writtenBytes, frames, syncs, rotations, releasedSegments } = parts.observer.totals;
  const { failure } = commit;
  return {
    directory: options.directory,
    durability: options.durability,
    volume,
    survives: survivalOf(options, volume),
    warnings: volumeWarnings(volume),
    encryptionKeyId: parts.encryptor?.keyId,
    state: failure !== undefined && lifecycle === "open" ? "poisoned" : lifecycle,
    failure: failure?.message,
    positions,
    segments: segmentStatuses(log),
    cursors: parts.cursors.positions().map(({ name, durableLsn }) => ({ name, lsn: durableLsn })),
    totals: {
      appendedRecords,
      appendedBytes,
      writtenBytes,
      frames,
      syncs,
      rotations,
      releasedSegments,
    },
    pendingBytes: commit.pendingBytes,
    activeSegmentAgeMs: log.activeAgeMs(),
    releaseFailure: parts.retention.failure,
    dropped: guard?.drops,
    waitingForRoom: guard?.waiting ?? 0,
  };
}

function segmentStatuses(log: SegmentedLog): readonly SegmentStatus[] {
  const { closed, active } = log.state;
  const segments = closed.map((segment) => segmentStatus(segment, true));
  if (active === undefined) return segments;
  const { offset, lastLsn } = active.written;
  return [...segments, segmentStatus({ ...active.info, endOffset: offset, lastLsn }, false)];
}

function segmentStatus(
  segment: Omit<ClosedSegment, "closingDigest">,
  isSealed: boolean,
): SegmentStatus {
  const { segmentId, path, firstLsn, lastLsn, createdAtMs, endOffset } = segment;
  const name = path.slice(path.lastIndexOf("/") + 1);
  return { segmentId, name, path, sizeBytes: endOffset, firstLsn, lastLsn, createdAtMs, isSealed };
}
