/**
 * Replay: the records of etcd's WAL, in order, put back into what is known of the log. No I/O.
 *
 * Etcd begins at the snapshot that it restores and looks at nothing before; here the log keeps all it has. So an entry at the
 * beginning of what was released stands for the beginning of the log, until a snapshot record or the node's own note
 * (`start-file.ts`) says more. A snapshot record that does not fit the entries came from a leader, and empties the log.
 */
import { GroupState, type LogStart } from "../group-state.ts";
import { FramePositions } from "./frame-positions.ts";
import {
  decodeEntry,
  decodeHardState,
  decodeWalSnapshot,
  type WalSnapshot,
} from "./raft-messages.ts";
import type { ScannedRecord } from "./segment-scanner.ts";
import type { WalDamageKind } from "./wal-damage.ts";
import { RECORD_TYPE } from "./wal-record.ts";

const GROUP_ID = 0;

/** What is wrong with a record that passed its checksum. */
export interface ReplayProblem {
  readonly kind: WalDamageKind;
  readonly reason: string;
}

export class EtcdReplay {
  readonly state: GroupState = new GroupState(GROUP_ID);
  readonly positions: FramePositions = new FramePositions();
  metadata: Uint8Array | undefined;
  /** Snapshot records, in the order of the log; that of a new log, at index 0, is none. */
  readonly snapshots: WalSnapshot[] = [];
  /** Entry records that were met, replaced ones included. */
  entryRecords = 0;
  /** False while the term before the first entry is not known. */
  #knowsStart = false;
  #isEmpty = true;
  /** Whether the log once began with other files. */
  readonly #isReleased: boolean;

  constructor({ isReleased }: { readonly isReleased: boolean }) {
    this.#isReleased = isReleased;
  }

  /** Takes the next record. @returns what is wrong with it, and then nothing of it is taken */
  take(sequence: number, record: ScannedRecord): ReplayProblem | undefined {
    try {
      return this.#take(sequence, record);
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
      return { kind: "unparsable", reason: `a record of type ${record.type}: ${error.message}` };
    }
  }

  #take(sequence: number, record: ScannedRecord): ReplayProblem | undefined {
    switch (record.type) {
      case RECORD_TYPE.metadata:
        return this.#takeMetadata(record.data);
      case RECORD_TYPE.entry:
        return this.#takeEntry(sequence, record);
      case RECORD_TYPE.state:
        this.state.hardState = decodeHardState(record.data);
        return undefined;
      case RECORD_TYPE.crc:
        return undefined;
      case RECORD_TYPE.snapshot:
        this.takeSnapshot(decodeWalSnapshot(record.data));
        return undefined;
      default:
        return { kind: "unknown-type", reason: `a record of type ${record.type}` };
    }
  }

  #takeMetadata(data: Uint8Array): ReplayProblem | undefined {
    if (this.metadata !== undefined && Buffer.compare(this.metadata, data) !== 0) {
      return {
        kind: "metadata-conflict",
        reason: "the metadata differs from that of the files before",
      };
    }
    this.metadata = data.slice();
    return undefined;
  }

  #takeEntry(sequence: number, { offsetBytes, data }: ScannedRecord): ReplayProblem | undefined {
    const entry = decodeEntry(data);
    const { state } = this;
    this.entryRecords++;
    if (this.#beginsAnew(entry.index)) {
      state.clear({ index: entry.index - 1, term: 0 });
      this.#knowsStart = entry.index === 1;
      this.#isEmpty = false;
    }
    if (entry.index > state.lastIndex + 1) {
      return {
        kind: "gap",
        reason: `entry ${entry.index} where ${state.lastIndex + 1} or one before is expected`,
      };
    }
    const number = this.positions.add({ sequence, offsetBytes });
    // At or before a snapshot that emptied the log: the snapshot holds it.
    if (entry.index < state.firstIndex) return undefined;
    state.put(entry.index, entry.term, number, entry.data.byteLength);
    return undefined;
  }

  /** Whether what is known says nothing about where the log begins, or less than this entry does. */
  #beginsAnew(index: number): boolean {
    if (this.#isEmpty) return true;
    if (!this.#knowsStart) return index < this.state.firstIndex;
    // Files before were released, and with them entries behind an old snapshot whose record came after them.
    return this.#isReleased && this.positions.next === 0 && index > this.state.lastIndex + 1;
  }

  /** Takes a snapshot record, on replay and when it has just been written. */
  takeSnapshot(snapshot: WalSnapshot): void {
    const { state } = this;
    const { index, term } = snapshot;
    if (index > 0) this.snapshots.push(snapshot);
    if (index < state.start.index || (index === 0 && !this.#isEmpty)) return;
    const isStart = index === state.start.index && !this.#knowsStart;
    const fits = index <= state.lastIndex && (isStart || state.termOf(index) === term);
    if (fits && !this.#isEmpty) {
      if (isStart) this.startAfter({ index, term });
      return;
    }
    state.clear({ index, term });
    this.#knowsStart = true;
    this.#isEmpty = false;
  }

  /** Snapshots from which the log goes on without a gap, newest first: the newest, and older ones as far as entries reach back. */
  loadableSnapshots(): readonly WalSnapshot[] {
    const { start, snapshot } = this.state;
    return this.snapshots
      .filter(({ index }) => index === snapshot?.index || index >= start.index)
      .toReversed();
  }

  /** Moves the beginning of the log to an entry that is there. */
  startAfter(start: LogStart): void {
    this.state.startAfter(start);
    this.#knowsStart = true;
  }

  /**
   * Ends the replay.
   *
   * @param noted - where the node's own note says that the log begins
   * @returns what is missing
   */
  finish(noted: LogStart | undefined): ReplayProblem | undefined {
    const { state } = this;
    const { firstIndex, lastIndex } = state;
    if (noted !== undefined && noted.index > state.start.index) {
      if (noted.index > lastIndex) {
        return {
          kind: "gap",
          reason: `the log ends with entry ${lastIndex}; it was compacted up to ${noted.index}`,
        };
      }
      this.startAfter(noted);
    } else if (noted !== undefined && noted.index === state.start.index && !this.#knowsStart) {
      this.startAfter(noted);
    } else if (noted !== undefined && !this.#knowsStart && noted.index < state.start.index) {
      return {
        kind: "missing-segment",
        reason: `the log begins with entry ${firstIndex}; ${noted.index + 1} is the first that was kept`,
      };
    }
    if (this.#knowsStart || this.#isEmpty) return undefined;
    const oldest = this.snapshots.find(
      ({ index, term }) =>
        index >= state.firstIndex && index <= lastIndex && state.termOf(index) === term,
    );
    if (oldest === undefined) {
      return {
        kind: "snapshot-not-found",
        reason: `the log begins with entry ${firstIndex}, and no snapshot comes behind it`,
      };
    }
    this.startAfter({ index: oldest.index, term: oldest.term });
    return undefined;
  }
}
