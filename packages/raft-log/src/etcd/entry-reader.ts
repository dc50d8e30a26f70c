/**
 * Reads ranges of entries from the files of the WAL, one read for each file, and verifies them.
 *
 * The checksum is a rolling one: a record's value can only be checked against the value of the record before. So a read begins with
 * the entry record before the first one wanted (or with the file's own first record, which says the value), believes the value
 * found there, and checks every record from there on. Damage to the value believed shows as damage of the first entry. As type,
 * term, index and data of an entry are all inside what the checksum covers, what passes is what was written.
 */
import type { EntryRun } from "../entry-index.ts";
import type { GroupState } from "../group-state.ts";
import type { Entry } from "../raft-types.ts";
import { crc32c } from "./crc32c.ts";
import type { FramePositions } from "./frame-positions.ts";
import { decodeEntry } from "./raft-messages.ts";
import type { SegmentFiles } from "./segment-files.ts";
import { damageError } from "./wal-damage.ts";
import { decodeFrame, RECORD_TYPE } from "./wal-record.ts";

/** What a frame takes beyond the data of its entry, at most. */
const MAX_OVERHEAD_BYTES = 128;

export interface EntrySource {
  readonly state: GroupState;
  readonly positions: FramePositions;
  readonly files: SegmentFiles;
}

/** Entries that stand in one file, one behind the other. */
interface Stretch {
  readonly firstIndex: number;
  readonly firstNumber: number;
  readonly count: number;
}

/**
 * Reads entries from `lo` up to but not including `hi`, which are there.
 *
 * @throws {RaftLogError} `RAFT_CORRUPT`
 */
export async function readEntries(
  source: EntrySource,
  { lo, hi }: { readonly lo: number; readonly hi: number },
): Promise<Entry[]> {
  const stretches = source.state.index
    .runs(lo, hi)
    .flatMap((run) => perFile(source.positions, run));
  const reads = stretches.map((stretch) => plan(source, stretch));
  const entries: Entry[] = [];
  for (const read of reads) {
    const bytes = await source.files.read(read.sequence, read);
    takeEntries(source, read, bytes, entries);
  }
  return entries;
}

interface PlannedRead {
  readonly sequence: number;
  readonly offsetBytes: number;
  readonly lengthBytes: number;
  /** Whether the file's own first record is where the read begins. */
  readonly fromStart: boolean;
  readonly firstIndex: number;
  /** Where each of the entries stands in the file. */
  readonly offsets: readonly number[];
}

/** Everything a read needs, taken before it: meanwhile the log may be cut and compacted. */
function plan({ positions, state }: EntrySource, stretch: Stretch): PlannedRead {
  const { firstIndex, firstNumber, count } = stretch;
  const offsets = Array.from(
    { length: count },
    (_, at) => positions.at(firstNumber + at).offsetBytes,
  );
  const { sequence } = positions.at(firstNumber);
  const fromStart = positions.isFirstOfFile(firstNumber);
  const offsetBytes = fromStart ? 0 : positions.at(firstNumber - 1).offsetBytes;
  const lastBytes = state.index.sizeOf(firstIndex + count - 1) + MAX_OVERHEAD_BYTES;
  const lengthBytes = (offsets.at(-1) ?? offsetBytes) + lastBytes - offsetBytes;
  return { sequence, offsetBytes, lengthBytes, fromStart, firstIndex, offsets };
}

function perFile(positions: FramePositions, run: EntryRun): Stretch[] {
  const stretches: Stretch[] = [];
  for (let taken = 0; taken < run.count;) {
    const firstNumber = run.firstLsn + taken;
    const count = Math.min(run.count - taken, positions.endOfFile(firstNumber) - firstNumber);
    stretches.push({ firstIndex: run.firstIndex + taken, firstNumber, count });
    taken += count;
  }
  return stretches;
}

function takeEntries(
  source: EntrySource,
  read: PlannedRead,
  bytes: Uint8Array,
  entries: Entry[],
): void {
  let crc: number | undefined;
  let taken = 0;
  for (let at = 0; taken < read.offsets.length;) {
    const offsetBytes = read.offsetBytes + at;
    const damaged = (kind: "crc-mismatch" | "unparsable", reason: string): never => {
      const lastIndex = read.firstIndex + taken - 1;
      throw damageError({
        kind,
        path: source.files.pathOf(read.sequence),
        offsetBytes,
        lastIndex,
        reason,
      });
    };
    const frame = decodeFrame(bytes, at);
    if (frame.kind !== "frame")
      return damaged("unparsable", "an entry was written here and is not");
    const { record, endOffset } = frame;
    const isBelieved = crc === undefined || record.type === RECORD_TYPE.crc;
    if (!isBelieved && crc32c(crc ?? 0, record.data) !== record.crc) {
      return damaged("crc-mismatch", "the data has not the checksum of its record");
    }
    ({ crc } = record);
    if (offsetBytes === read.offsets[taken]) {
      const entry = record.type === RECORD_TYPE.entry ? decodeEntry(record.data) : undefined;
      if (entry?.index !== read.firstIndex + taken) {
        return damaged("unparsable", "another record stands where the entry was written");
      }
      entries.push(entry);
      taken++;
    }
    at = endOffset;
  }
}
