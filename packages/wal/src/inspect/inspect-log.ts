/**
 * A log at a glance: segments with their headers and extents, where it begins and ends, who holds space and since when.
 *
 * Cheap: reads headers, and the frames of the last segment only. Takes no lock and writes nothing.
 */
import { FRAME_KIND, frameLengthBytes } from "../format/frame.ts";
import { SEGMENT_FORMAT_VERSION, SEGMENT_HEADER_BYTES } from "../format/segment-header.ts";
import { NodeStorage } from "../storage/node-storage.ts";
import type { Storage } from "../storage/storage.ts";
import { headerDamage, holeDamage, type ChainedSegment } from "./segment-chain.ts";
import type { Damage } from "./damage.ts";
import { assertLog, type InspectOptions } from "./inspect-options.ts";
import type { LogChain } from "./log-chain.ts";
import { LogWalker } from "./log-walker.ts";
import type { WalkEnd } from "./segment-walker.ts";

export interface InspectedSegment {
  readonly segmentId: number;
  readonly name: string;
  readonly path: string;
  readonly state: "sealed" | "closed" | "last";
  readonly firstLsn: number;
  /** `firstLsn - 1` when it holds no record; `undefined` when a hole behind it leaves that open. */
  readonly lastLsn: number | undefined;
  /** Header and frames. */
  readonly usedBytes: number;
  /** Zeros that were written ahead. */
  readonly zeroBytes: number;
  readonly fileBytes: number;
  readonly createdAtMs: number;
  readonly formatVersion: number;
  /** Hexadecimal. */
  readonly salt: string;
  readonly previousSegmentId: number;
  readonly previousEndOffset: number;
  /** Hexadecimal. */
  readonly previousDigest: string;
}

/** A place in the last segment and in the log. */
export interface LogPosition {
  readonly segmentId: number;
  readonly offsetBytes: number;
  readonly lsn: number;
}

export interface InspectedCursor {
  readonly name: string;
  /** `undefined` when the file is damaged. */
  readonly ackedLsn: number | undefined;
  /** When the cursor last moved. */
  readonly movedAtMs: number | undefined;
  /** Records that its owner still needs. */
  readonly heldRecords: number;
  /** Bytes of the files that hold them. */
  readonly heldBytes: number;
  /** True for the one (or several) without which more could be released. */
  readonly isLowest: boolean;
}

export interface LogInspection {
  readonly directory: string;
  readonly firstLsn: number;
  readonly segments: readonly InspectedSegment[];
  /** Last record that a later frame vouches for; the device has at least that. */
  readonly vouched: LogPosition | undefined;
  /** Last record of a complete batch. */
  readonly written: LogPosition | undefined;
  readonly lastTimeMs: number | undefined;
  readonly checkpoint:
    | { readonly firstSegmentId: number; readonly firstLsn: number; readonly writtenAtMs: number }
    | undefined;
  readonly cursors: readonly InspectedCursor[];
  /** Every name in the directory. */
  readonly names: readonly string[];
  /** Names of files that are no part of the log any more: released or superseded, not removed yet. */
  readonly leftovers: readonly string[];
  /** What is wrong as far as headers and the last segment tell; `verifyLog` checks everything. */
  readonly damage: readonly Damage[];
}

/**
 * Looks at a log.
 *
 * @throws {WalError} `WAL_INVALID_OPTION`, `WAL_UNSUPPORTED_FORMAT`, `WAL_IO`
 */
export async function inspectLog(options: InspectOptions): Promise<LogInspection> {
  const storage = options.storage ?? new NodeStorage();
  await assertLog(storage, options.directory);
  const { chain, end, damage } = await walkLastSegment(storage, options.directory);
  const { listing, links, superseded } = chain;
  const headerProblems = links.flatMap((link): readonly Damage[] => {
    if (link.kind === "hole") return [holeDamage(link.hole, undefined)];
    const problem = headerDamage(link.segment);
    return problem === undefined ? [] : [problem];
  });
  const chained = links.flatMap((link) => (link.kind === "segment" ? [link.segment] : []));
  const segments = chained.map((segment) => describeSegment(segment, end));
  const begin = segments[0]?.firstLsn ?? 1;
  const { checkpoint } = listing;
  return {
    directory: options.directory,
    firstLsn: Math.max(checkpoint?.firstLsn ?? 1, begin),
    segments,
    vouched: positionOf(segments, end?.vouched),
    written: positionOf(segments, end?.batchEnd),
    lastTimeMs: end?.lastTimeMs,
    checkpoint,
    cursors: describeCursors(chain, segments),
    names: listing.names,
    leftovers: [...listing.releasedNames, ...superseded.map(({ path }) => nameOf(path))],
    damage: [...headerProblems, ...damage],
  };
}

/** Walks the last segment; the chain is the one in which it was still the last. */
async function walkLastSegment(
  storage: Storage,
  directory: string,
): Promise<{ chain: LogChain; end: WalkEnd | undefined; damage: readonly Damage[] }> {
  const walker = new LogWalker({
    storage,
    directory,
    fromLsn: Number.MAX_SAFE_INTEGER,
    keepsChunks: false,
  });
  const damage: Damage[] = [];
  try {
    for (;;) {
      const step = await walker.next();
      // Headers are judged from the chain as it stands at the end.
      if (step.kind === "damage" && step.damage.kind === "frames") damage.push(step.damage);
      if (step.kind !== "end") continue;
      const { chain } = walker;
      if (chain === undefined) throw new RangeError("a walk that has ended has seen the chain");
      return { chain, end: step.end, damage };
    }
  } finally {
    await walker.close();
  }
}

function describeSegment(segment: ChainedSegment, end: WalkEnd | undefined): InspectedSegment {
  const { segmentId, path, header, successor, fileBytes, isLast } = segment;
  const usedBytes =
    successor?.previousEndOffset ?? (isLast ? (end?.position.offset ?? fileBytes) : fileBytes);
  const markBytes = frameLengthBytes(SEGMENT_HEADER_BYTES);
  const isSealed = successor !== undefined && fileBytes === usedBytes + markBytes;
  const isSealedLast = isLast && end?.lastFrameKind === FRAME_KIND.seal;
  const extent = isSealed ? usedBytes + markBytes : usedBytes;
  const nextLsn = successor?.firstLsn ?? (isLast ? end?.batchEnd.nextLsn : undefined);
  return {
    segmentId,
    name: nameOf(path),
    path,
    state: isSealed || isSealedLast ? "sealed" : isLast ? "last" : "closed",
    firstLsn: header.firstLsn,
    lastLsn: nextLsn === undefined ? undefined : nextLsn - 1,
    usedBytes: extent,
    zeroBytes: Math.max(0, fileBytes - extent),
    fileBytes: Math.max(fileBytes, extent),
    createdAtMs: header.createdAtMs,
    formatVersion: SEGMENT_FORMAT_VERSION,
    salt: Buffer.from(header.salt).toString("hex"),
    previousSegmentId: header.previousSegmentId,
    previousEndOffset: header.previousEndOffset,
    previousDigest: header.previousDigest.toString(16).padStart(8, "0"),
  };
}

function positionOf(
  segments: readonly InspectedSegment[],
  place: { readonly offset: number; readonly nextLsn: number } | undefined,
): LogPosition | undefined {
  const last = segments.at(-1);
  if (last === undefined || place === undefined) return undefined;
  const { offset, nextLsn } = place;
  return { segmentId: last.segmentId, offsetBytes: offset, lsn: nextLsn - 1 };
}

function describeCursors(
  chain: LogChain,
  segments: readonly InspectedSegment[],
): readonly InspectedCursor[] {
  const { cursors, checkpoint } = chain.listing;
  const lastLsn = segments.at(-1)?.lastLsn ?? 0;
  const begin = Math.max(checkpoint?.firstLsn ?? 1, segments[0]?.firstLsn ?? 1);
  const lowest = Math.min(...cursors.map(({ cursor }) => cursor?.ackedLsn ?? 0));
  return cursors.map(({ name, cursor }) => {
    // A cursor whose position is not known may need everything.
    const ackedLsn = cursor?.ackedLsn ?? 0;
    const held = segments.filter((segment) => (segment.lastLsn ?? lastLsn) > ackedLsn);
    return {
      name,
      ackedLsn: cursor?.ackedLsn,
      movedAtMs: cursor?.writtenAtMs,
      heldRecords: Math.max(0, lastLsn - Math.max(ackedLsn, begin - 1)),
      heldBytes: held.reduce((total, segment) => total + segment.fileBytes, 0),
      isLowest: ackedLsn === lowest,
    };
  });
}

function nameOf(path: string): string {
  return path.slice(path.lastIndexOf("/") + 1);
}
