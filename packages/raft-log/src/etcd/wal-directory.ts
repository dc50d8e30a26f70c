/**
 * The files of etcd's WAL as one log: which there are, and what they hold. Reads only, and takes no lock.
 *
 * Safe beside the process that writes: what was written last may be missing or torn, and files may come and go.
 */
import { isErrno, joinPath, type Storage } from "@walnut/wal";
import type { LogStart } from "../group-state.ts";
import { EtcdReplay, type ReplayProblem } from "./etcd-replay.ts";
import { parseSegmentName, segmentName, type SegmentName } from "./segment-name.ts";
import { SegmentScanner, type ScanEnd } from "./segment-scanner.ts";
import type { WalDamage } from "./wal-damage.ts";
import { RECORD_TYPE } from "./wal-record.ts";

export interface Segment extends SegmentName {
  readonly path: string;
}

/** The segments of a directory, oldest first; none when there is no such directory. */
export async function listSegments(storage: Storage, directory: string): Promise<Segment[]> {
  const names = await namesIn(storage, directory);
  return names
    .flatMap((name) => {
      const parsed = parseSegmentName(name);
      return parsed === undefined ? [] : [{ ...parsed, path: joinPath(directory, name) }];
    })
    .toSorted((a, b) => a.sequence - b.sequence);
}

/** Names in a directory; none when it is not there. */
export async function namesIn(storage: Storage, directory: string): Promise<readonly string[]> {
  try {
    return await storage.listDirectory(directory);
  } catch (error) {
    if (isErrno(error, "ENOENT")) return [];
    throw error;
  }
}

/** A WAL that was read from its beginning to its end, or to the first damage. */
export interface ReplayedWal {
  readonly replay: EtcdReplay;
  readonly segments: readonly Segment[];
  /** Bytes of the newest file that hold whole records; the file may be longer. */
  readonly endOffsetBytes: number;
  readonly newestFileBytes: number;
  /** The rolling checksum at the end. */
  readonly crc: number;
  readonly records: number;
  readonly bytes: number;
  /** What the reading ended with; "torn" in the newest file is what a crash may leave. */
  readonly damage: WalDamage | undefined;
}

export interface ReplayOptions {
  /** Where the log begins, as the node noted. */
  readonly noted: LogStart | undefined;
  /** Told of wrong checksums, behind which the reading then goes on. */
  readonly onMismatch?: ((damage: WalDamage) => void) | undefined;
  readonly onProgress?:
    | ((done: { readonly bytesDone: number; readonly bytesTotal: number }) => void)
    | undefined;
}

/** Reads the segments given. @throws the system's error when a file cannot be read */
export async function replayWal(
  storage: Storage,
  segments: readonly Segment[],
  options: ReplayOptions,
): Promise<ReplayedWal> {
  const replay = new EtcdReplay({ isReleased: (segments[0]?.sequence ?? 0) > 0 });
  const read = { endOffsetBytes: 0, newestFileBytes: 0, crc: 0, records: 0, bytes: 0 };
  const bytesTotal = await totalBytes(storage, segments, options);
  for (const [position, segment] of segments.entries()) {
    const before = segments[position - 1];
    const outcome =
      before !== undefined && before.sequence + 1 !== segment.sequence
        ? missingSegment(before, segment, replay)
        : await replaySegment({
            storage,
            segment,
            isNewest: position === segments.length - 1,
            replay,
            read,
            options: { ...options, bytesTotal },
          });
    if (outcome === undefined) continue;
    // What is before a torn end is a whole log.
    if (outcome.kind === "torn") replay.finish(options.noted);
    return { replay, segments, ...read, damage: outcome };
  }
  const problem = replay.finish(options.noted);
  const first = segments[0];
  const damage =
    problem === undefined || first === undefined
      ? undefined
      : { ...problem, path: first.path, offsetBytes: 0, lastIndex: replay.state.lastIndex };
  return { replay, segments, ...read, damage };
}

interface SegmentReplay {
  readonly storage: Storage;
  readonly segment: Segment;
  readonly isNewest: boolean;
  readonly replay: EtcdReplay;
  readonly read: {
    endOffsetBytes: number;
    newestFileBytes: number;
    crc: number;
    records: number;
    bytes: number;
  };
  readonly options: ReplayOptions & { readonly bytesTotal: number };
}

async function replaySegment(parts: SegmentReplay): Promise<WalDamage | undefined> {
  const { storage, segment, isNewest, replay, read, options } = parts;
  const { onMismatch, onProgress, bytesTotal } = options;
  const damageAt = (place: Pick<WalDamage, "kind" | "offsetBytes" | "reason">): WalDamage => ({
    ...place,
    path: segment.path,
    lastIndex: replay.state.lastIndex,
  });
  const file = await storage.openFile(segment.path, "read");
  try {
    const sizeBytes = await file.size();
    const goesOn = onMismatch !== undefined;
    const scanner = new SegmentScanner(file, sizeBytes, { crc: read.crc, isNewest, goesOn });
    const bytesBefore = read.bytes;
    read.newestFileBytes = sizeBytes;
    read.endOffsetBytes = 0;
    while (scanner.end === undefined) {
      for (const record of await scanner.next()) {
        const { offsetBytes, endOffsetBytes, crc, isDamaged } = record;
        if (isDamaged)
          onMismatch?.(damageAt({ kind: "crc-mismatch", offsetBytes, reason: MISMATCH }));
        const isMisplaced = offsetBytes === 0 && record.type !== RECORD_TYPE.crc;
        const problem = isMisplaced ? NO_HEAD : replay.take(segment.sequence, record);
        if (problem !== undefined) return damageAt({ ...problem, offsetBytes });
        read.crc = crc;
        read.endOffsetBytes = endOffsetBytes;
        read.records++;
      }
      read.bytes = bytesBefore + read.endOffsetBytes;
      onProgress?.({ bytesDone: read.bytes, bytesTotal });
    }
    const end = judged(scanner.end, isNewest);
    return end === undefined ? undefined : damageAt(end);
  } finally {
    await file.close();
  }
}

const MISMATCH = "the data has not the checksum of its record";
const NO_HEAD: ReplayProblem = {
  kind: "unparsable",
  reason: "the file does not begin with a checksum record",
};

/** What an end means: only the newest file may end inside a record, and only behind its first ones. */
function judged(
  { kind, offsetBytes, reason }: ScanEnd,
  isNewest: boolean,
): Pick<WalDamage, "kind" | "offsetBytes" | "reason"> | undefined {
  if (offsetBytes === 0) return { ...NO_HEAD, offsetBytes };
  if (kind === "end") return undefined;
  if (kind === "torn" && !isNewest) return { kind: "unparsable", offsetBytes, reason };
  return { kind, offsetBytes, reason };
}

async function totalBytes(
  storage: Storage,
  segments: readonly Segment[],
  { onProgress }: ReplayOptions,
): Promise<number> {
  if (onProgress === undefined) return 0;
  let total = 0;
  for (const { path } of segments) {
    const file = await storage.openFile(path, "read");
    try {
      total += await file.size();
    } finally {
      await file.close();
    }
  }
  return total;
}

function missingSegment(before: Segment, segment: Segment, replay: EtcdReplay): WalDamage {
  const name = segmentName({ sequence: before.sequence + 1, firstIndex: 0 }).slice(0, 16);
  return {
    kind: "missing-segment",
    path: segment.path,
    offsetBytes: 0,
    lastIndex: replay.state.lastIndex,
    reason: `the file with the sequence number ${name} is not there`,
  };
}
