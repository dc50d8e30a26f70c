/**
 * Which files are the log, as far as headers tell, with every hole named: where recovery stops at the first problem, this goes on.
 *
 * Pure; the rules are those of docs/recovery.md, "Which segments are the log".
 */
import type { Checkpoint } from "../format/checkpoint-file.ts";
import { SEGMENT_HEADER_BYTES, type SegmentHeader } from "../format/segment-header.ts";
import { formatSegmentName } from "../format/segment-name.ts";
import { joinPath } from "../storage/storage.ts";
import type { Damage } from "./damage.ts";

/** A segment file with its header as read, or as restored from a copy. */
export interface ChainFile {
  readonly segmentId: number;
  readonly path: string;
  readonly fileBytes: number;
  /** `undefined` when neither the header nor a copy of it can be read. */
  readonly header: SegmentHeader | undefined;
  /** What is wrong with the header in its place; `undefined` when it is fine. */
  readonly headerProblem: string | undefined;
}

/** A segment that can be read. */
export interface ChainedSegment extends Omit<ChainFile, "header"> {
  readonly header: SegmentHeader;
  /** Says where this segment ends; `undefined` for the last one and before a hole. */
  readonly successor: SegmentHeader | undefined;
  readonly isLast: boolean;
}

/** A file that is missing, or whose header is lost. */
export interface ChainHole {
  readonly segmentId: number;
  readonly path: string;
  readonly fileBytes: number;
  readonly kind: "missing-segment" | "header";
  readonly reason: string;
  readonly successor: SegmentHeader | undefined;
}

export interface SegmentChain {
  /** From the first to the last one. */
  readonly links: readonly (
    | { readonly kind: "segment"; readonly segment: ChainedSegment }
    | { readonly kind: "hole"; readonly hole: ChainHole }
  )[];
  /** Files that a truncation has left behind: no part of the log. */
  readonly superseded: readonly ChainFile[];
}

/**
 * @param files - from the checkpoint on, ascending by id
 * @param checkpoint - "damaged" when there is one that cannot be read: then the log begins with the first file that is there
 */
export function followChain(
  directory: string,
  files: readonly ChainFile[],
  checkpoint: Checkpoint | "damaged" | undefined,
): SegmentChain {
  const firstId = firstIdOf(files, checkpoint);
  const byId = new Map(files.map((file) => [file.segmentId, file]));
  const links: SegmentChain["links"][number][] = [];
  const seen = new Set<number>();
  let id = files.at(-1)?.segmentId ?? firstId ?? 0;
  let successor: SegmentHeader | undefined;
  while (id > 0 && !seen.has(id)) {
    const file = byId.get(id);
    seen.add(id);
    if (file?.header === undefined) {
      links.unshift({ kind: "hole", hole: holeAt(directory, id, file, successor) });
      successor = undefined;
      if (id === firstId) break;
      id = lowerId(files, id) ?? firstId ?? 0;
      continue;
    }
    const { header } = file;
    const isLast = links.length === 0;
    links.unshift({ kind: "segment", segment: { ...file, header, successor, isLast } });
    if (id === firstId) break;
    successor = header;
    id = header.previousSegmentId;
    if (firstId !== undefined && id < firstId) {
      // The chain passes by the segment that the checkpoint names.
      links.unshift({ kind: "hole", hole: holeAt(directory, firstId, undefined, header) });
      break;
    }
  }
  return { links, superseded: files.filter((file) => !seen.has(file.segmentId)) };
}

function firstIdOf(
  files: readonly ChainFile[],
  checkpoint: Checkpoint | "damaged" | undefined,
): number | undefined {
  return checkpoint === "damaged" ? files[0]?.segmentId : checkpoint?.firstSegmentId;
}

/** Nobody says which segment came before a hole; the next lower file is the best guess. */
function lowerId(files: readonly ChainFile[], id: number): number | undefined {
  return files.findLast((file) => file.segmentId < id)?.segmentId;
}

function holeAt(
  directory: string,
  segmentId: number,
  file: ChainFile | undefined,
  successor: SegmentHeader | undefined,
): ChainHole {
  if (file === undefined) {
    const path = joinPath(directory, formatSegmentName(segmentId));
    const reason = `segment ${segmentId} is missing`;
    return { segmentId, path, fileBytes: 0, kind: "missing-segment", reason, successor };
  }
  const { path, fileBytes } = file;
  const reason = `${file.headerProblem ?? "the header is damaged"}; no mark carries a copy`;
  return { segmentId, path, fileBytes, kind: "header", reason, successor };
}

/** What a restored header is reported as: its place is damaged, and no record is lost by it. */
export function headerDamage(segment: ChainedSegment): Damage | undefined {
  const { headerProblem, path, segmentId } = segment;
  if (headerProblem === undefined) return undefined;
  return {
    kind: "header",
    path,
    segmentId,
    offsetBytes: 0,
    endOffsetBytes: SEGMENT_HEADER_BYTES,
    firstLsn: undefined,
    lastLsn: undefined,
    reason: `${headerProblem}; a mark carries a copy from which it can be restored`,
    vouchedBy: "a segment gets its name only after its header is durable",
  };
}

/** A hole as damage, with the first LSN that the segments before it leave open. */
export function holeDamage(hole: ChainHole, firstLsn: number | undefined): Damage {
  const { kind, path, segmentId, fileBytes, reason, successor } = hole;
  const vouchedBy =
    successor === undefined ? "the checkpoint" : `the header of segment ${successor.segmentId}`;
  return {
    kind,
    path,
    segmentId,
    offsetBytes: 0,
    endOffsetBytes: fileBytes,
    firstLsn,
    lastLsn: successor === undefined ? undefined : successor.firstLsn - 1,
    reason,
    vouchedBy,
  };
}
