/**
 * Recovery: gather, decide, and a plan of what is to be written. Applying the plan is the log's work.
 *
 * See docs/recovery.md. Everything here only reads; whatever is wrong is named before a byte is changed.
 */
import { WalError, type WalErrorDetails } from "../errors.ts";
import type { SegmentHeader } from "../format/segment-header.ts";
import { TEMPORARY_SUFFIX } from "../format/segment-name.ts";
import type { ScanPosition } from "../segment/frame-scanner.ts";
import { closedAt, segmentInfo, type ClosedSegment } from "../segment/segment-info.ts";
import { joinPath, type Storage } from "../storage/storage.ts";
import { chainVerdict, type ReadableSegment, type SegmentFileFacts } from "./chain-verdict.ts";
import {
  gatherCheckpoint,
  gatherClosing,
  gatherSegments,
  gatherTail,
  type ScanProgress,
} from "./gather.ts";
import { tailVerdict } from "./tail-verdict.ts";

export type RecoveryMode = "default" | "strict" | "salvage";

/** How far recovery has come. */
export interface RecoveryProgress {
  readonly segmentsDone: number;
  readonly segmentsTotal: number;
  readonly bytesDone: number;
  readonly bytesTotal: number;
}

/** What the log is, and what must be written before it is that on disk. */
export interface RecoveryPlan {
  readonly closed: readonly ClosedSegment[];
  readonly firstLsn: number;
  readonly lastSegmentId: number;
  /** The last segment's header asks for a copy of `[from, endOffset)` into a new segment. */
  readonly doubtful: { readonly from: ScanPosition; readonly end: ScanPosition } | undefined;
  /** Closed segments whose seal is missing. */
  readonly unsealed: readonly ClosedSegment[];
  /** Files of segments before the first one: a release was interrupted. */
  readonly releasedPaths: readonly string[];
  /** Files of segments that a truncation at the back has passed by. */
  readonly supersededPaths: readonly string[];
  /** Unfinished replacements of files. */
  readonly temporaryPaths: readonly string[];
  readonly hasCheckpoint: boolean;
  /** Row of the tail table that applied; "T0" for a log without segments. */
  readonly verdict: string;
  readonly tornTailBytes: number;
  readonly scannedBytes: number;
}

export interface RecoverOptions {
  readonly storage: Storage;
  readonly directory: string;
  /** "default" trusts the seals of closed segments, "strict" verifies every frame. */
  readonly mode: Exclude<RecoveryMode, "salvage">;
  readonly onProgress: ((progress: RecoveryProgress) => void) | undefined;
}

/** Reads a log and decides what it is. Throws `WAL_CORRUPT` or `WAL_UNSUPPORTED_FORMAT`; changes nothing. */
export async function planRecovery(options: RecoverOptions): Promise<RecoveryPlan> {
  const { storage, directory } = options;
  const names = await storage.listDirectory(directory);
  const checkpoint = await gatherCheckpoint(storage, directory);
  if (checkpoint.kind === "unsupported-version") {
    throw newerFormat(`${directory}/CHECKPOINT`, checkpoint.version);
  }
  if (checkpoint.kind === "invalid") {
    const path = `${directory}/CHECKPOINT`;
    throw corrupt(`${path}: the checkpoint is damaged; restore it, or salvage the log`, { path });
  }
  const known = checkpoint.kind === "valid" ? checkpoint.checkpoint : undefined;
  const chain = chainVerdict(directory, await gatherSegments(storage, directory, names), known);
  switch (chain.kind) {
    case "empty":
      return emptyPlan();
    case "newer":
      throw newerFormat(chain.path, chain.version);
    case "damage":
      throw corrupt(`${chain.path}: ${chain.reason}`, {
        path: chain.path,
        offsetBytes: chain.offset,
        reason: chain.reason,
        ...lsnRange(chain.firstLsn, chain.lastLsn),
      });
    case "chain": {
      const firstId = chain.segments[0]?.segmentId ?? 0;
      return await planChain(options, chain.segments, {
        releasedPaths: pathsOf(chain.leftovers, (id) => id < firstId),
        supersededPaths: pathsOf(chain.leftovers, (id) => id > firstId),
        temporaryPaths: names
          .filter((name) => name.endsWith(TEMPORARY_SUFFIX))
          .map((name) => joinPath(directory, name)),
        hasCheckpoint: known !== undefined,
        // A truncation at the front can begin the log in the middle of a segment.
        firstLsn: Math.max(known?.firstLsn ?? 1, chain.segments[0]?.header.firstLsn ?? 1),
      });
    }
  }
}

async function planChain(
  options: RecoverOptions,
  segments: readonly ReadableSegment[],
  known: Pick<
    RecoveryPlan,
    "releasedPaths" | "supersededPaths" | "temporaryPaths" | "hasCheckpoint" | "firstLsn"
  >,
): Promise<RecoveryPlan> {
  const { storage, mode } = options;
  const progress = new ProgressCounter(options, segments);
  const closed: ClosedSegment[] = [];
  const unsealed: ClosedSegment[] = [];
  for (const [index, segment] of segments.entries()) {
    const successor = segments[index + 1];
    if (successor === undefined) break;
    const { info, expected } = closing(segment, successor.header);
    const facts = await gatherClosing(
      storage,
      info,
      expected,
      segment.fileBytes,
      mode === "strict",
      progress.add,
    );
    if (facts.kind === "mismatch") throw closingMismatch(segment, successor, facts.position);
    const { offset, nextLsn, digest } = expected;
    const closedSegment = closedAt(info, { offset, nextLsn, chain: digest });
    closed.push(closedSegment);
    if (facts.kind === "verified") unsealed.push(closedSegment);
    progress.segmentDone(segment.fileBytes);
  }
  return await planTail(options, segments, { ...known, closed, unsealed }, progress);
}

async function planTail(
  options: RecoverOptions,
  segments: readonly ReadableSegment[],
  known: Pick<
    RecoveryPlan,
    | "releasedPaths"
    | "supersededPaths"
    | "temporaryPaths"
    | "hasCheckpoint"
    | "firstLsn"
    | "closed"
    | "unsealed"
  >,
  progress: ProgressCounter,
): Promise<RecoveryPlan> {
  const first = segments[0];
  const last = segments.at(-1);
  if (first === undefined || last === undefined) throw new RangeError("a chain is never empty");
  const info = segmentInfo(last.path, last.header);
  const scan = await gatherTail(options.storage, info, last.fileBytes, progress.add);
  const row = tailVerdict(scan.facts);
  if (row.action === "damage") {
    const vouchedBy = scan.rest.vouchedBy;
    throw corrupt(
      `${last.path}: damage at offset ${scan.brokenOffset}, LSN ${scan.end.nextLsn} (${row.why}); verify the disk, then restore or repair`,
      {
        path: last.path,
        segmentId: last.segmentId,
        offsetBytes: scan.brokenOffset,
        reason: row.why,
        verdict: row.label,
        ...lsnRange(
          scan.end.nextLsn,
          vouchedBy === undefined ? undefined : Math.max(scan.end.nextLsn, vouchedBy.firstLsn - 1),
        ),
      },
    );
  }
  const isDoubtful = scan.end.nextLsn > scan.vouched.nextLsn;
  progress.segmentDone(last.fileBytes);
  return {
    ...known,
    closed: [...known.closed, closedAt(info, scan.vouched)],
    lastSegmentId: last.segmentId,
    doubtful: isDoubtful ? { from: scan.vouched, end: scan.end } : undefined,
    verdict: row.label,
    tornTailBytes: Math.max(0, scan.rest.endOffset - scan.end.offset),
    scannedBytes: progress.bytesDone,
  };
}

/** A predecessor as its successor's header describes it. */
function closing(
  segment: ReadableSegment,
  successor: SegmentHeader,
): {
  readonly info: ReturnType<typeof segmentInfo>;
  readonly expected: { readonly offset: number; readonly digest: number; readonly nextLsn: number };
} {
  return {
    info: segmentInfo(segment.path, segment.header),
    expected: {
      offset: successor.previousEndOffset,
      digest: successor.previousDigest,
      nextLsn: successor.firstLsn,
    },
  };
}

function pathsOf(
  files: readonly SegmentFileFacts[],
  isWanted: (segmentId: number) => boolean,
): readonly string[] {
  return files.filter((file) => isWanted(file.segmentId)).map((file) => file.path);
}

class ProgressCounter {
  readonly #onProgress: RecoverOptions["onProgress"];
  readonly #segmentsTotal: number;
  readonly #bytesTotal: number;
  #segmentsDone = 0;
  #bytesOfDone = 0;
  #bytesReported = 0;
  bytesDone = 0;

  constructor(options: RecoverOptions, segments: readonly ReadableSegment[]) {
    this.#onProgress = options.onProgress;
    this.#segmentsTotal = segments.length;
    this.#bytesTotal = segments.reduce((total, segment) => total + segment.fileBytes, 0);
  }

  add: ScanProgress = (bytes: number): void => {
    this.bytesDone += bytes;
    if (this.bytesDone - this.#bytesReported < 4 * 1024 * 1024) return;
    this.#bytesReported = this.bytesDone;
    this.#report(Math.min(this.bytesDone, this.#bytesTotal));
  };

  segmentDone(fileBytes: number): void {
    this.#segmentsDone++;
    this.#bytesOfDone += fileBytes;
    this.#report(this.#bytesOfDone);
  }

  #report(bytesDone: number): void {
    this.#onProgress?.({
      segmentsDone: this.#segmentsDone,
      segmentsTotal: this.#segmentsTotal,
      bytesDone,
      bytesTotal: this.#bytesTotal,
    });
  }
}

function emptyPlan(): RecoveryPlan {
  return {
    closed: [],
    firstLsn: 1,
    lastSegmentId: 0,
    doubtful: undefined,
    unsealed: [],
    releasedPaths: [],
    supersededPaths: [],
    temporaryPaths: [],
    hasCheckpoint: false,
    verdict: "T0",
    tornTailBytes: 0,
    scannedBytes: 0,
  };
}

function closingMismatch(
  segment: ReadableSegment,
  successor: ReadableSegment,
  position: ScanPosition,
): WalError {
  return corrupt(
    `${segment.path}: damage at offset ${position.offset}, LSN ${position.nextLsn}: the frames do not lead to the end that segment ${successor.segmentId} describes; verify the disk, then restore or repair`,
    {
      path: segment.path,
      segmentId: segment.segmentId,
      offsetBytes: position.offset,
      reason: "frames do not lead to the end that the next segment describes",
      ...lsnRange(position.nextLsn, successor.header.firstLsn - 1),
    },
  );
}

function lsnRange(firstLsn: number | undefined, lastLsn: number | undefined): WalErrorDetails {
  return {
    ...(firstLsn === undefined ? {} : { firstLsn }),
    ...(lastLsn === undefined ? {} : { lastLsn }),
  };
}

function corrupt(message: string, details: WalErrorDetails): WalError {
  return new WalError("WAL_CORRUPT", message, { details });
}

function newerFormat(path: string, version: number): WalError {
  return new WalError(
    "WAL_UNSUPPORTED_FORMAT",
    `${path}: format version ${version} is newer than this version of Walnut understands; upgrade`,
    { details: { path, version } },
  );
}
