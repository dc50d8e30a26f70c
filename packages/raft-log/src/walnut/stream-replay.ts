/**
 * Replay: the records of a stream, in order, put back into groups. No I/O.
 *
 * The log underneath releases whole files, so a stream may begin in the middle of a group's history. What is needed is there: its
 * newest group state and every entry behind that state's start. What comes before is taken as it is found: an entry that does not
 * follow begins the log anew, and a group state may speak of entries that are gone. In the end, nothing that is needed may be missing.
 *
 * Entries that leave a gap belong to a save that was refused because one before it had failed; live they were never seen, and they
 * are passed over here.
 */
import { RaftLogError } from "../errors.ts";
import { GroupState, type LogStart } from "../group-state.ts";
import { decodeStreamRecord, type GroupStateRecord, type StreamRecord } from "./stream-record.ts";

/** A group of the stream, and the record that begins its known history. */
export interface StreamGroup {
  readonly state: GroupState;
  /** LSN of its newest group state; 0 as long as none was found. */
  stateLsn: number;
  /** Where the log begins by that group state. What was found may begin later: then it is not whole. */
  statedStart: LogStart;
}

/** A group that has no history. */
export function newStreamGroup(groupId: number): StreamGroup {
  const state = new GroupState(groupId);
  return { state, stateLsn: 0, statedStart: state.start };
}

/** Everything is there that the newest group state speaks of. */
function isWhole({ state, stateLsn, statedStart }: StreamGroup): boolean {
  return stateLsn > 0 && state.start.index === statedStart.index;
}

export class StreamReplay {
  readonly #groups = new Map<number, StreamGroup>();

  /** @throws {RaftLogError} `RAFT_CORRUPT` */
  take(lsn: number, payload: Uint8Array): void {
    const record = decode(lsn, payload);
    if (record.kind === "removed") {
      this.#groups.delete(record.groupId);
      return;
    }
    const group = this.#group(record.groupId);
    if (record.kind === "group-state") {
      applyGroupState(group, lsn, record);
      return;
    }
    if (record.hardState !== undefined) group.state.hardState = record.hardState;
    if (record.kind === "entry") this.#takeEntry(group, lsn, record);
  }

  /** @throws {RaftLogError} `RAFT_CORRUPT` when the records that a group begins with are missing */
  finish(): Map<number, StreamGroup> {
    for (const group of this.#groups.values()) {
      if (isWhole(group)) continue;
      const { state } = group;
      throw new RaftLogError(
        "RAFT_CORRUPT",
        `group ${state.groupId}: the records that its log begins with are missing from the stream`,
        { details: { groupId: state.groupId } },
      );
    }
    return this.#groups;
  }

  #takeEntry(
    group: StreamGroup,
    lsn: number,
    { entry }: StreamRecord & { readonly kind: "entry" },
  ): void {
    const { state, statedStart } = group;
    const { index, term, data } = entry;
    const isBehindStart = index < state.firstIndex;
    if (!isWhole(group) && (isBehindStart || state.lastIndex === 0)) {
      const before = index - 1;
      state.clear(before === statedStart.index ? statedStart : { index: before, term: 0 });
    } else if (isBehindStart || index > state.lastIndex + 1) {
      return;
    }
    state.put(index, term, lsn, data.byteLength);
  }

  #group(groupId: number): StreamGroup {
    let group = this.#groups.get(groupId);
    if (group === undefined) {
      group = newStreamGroup(groupId);
      this.#groups.set(groupId, group);
    }
    return group;
  }
}

/** Takes over a group state, live and on replay. On replay what it speaks of may be gone, as long as a later one no longer does. */
export function applyGroupState(group: StreamGroup, lsn: number, record: GroupStateRecord): void {
  const { state } = group;
  const { start, lastIndex } = record;
  state.hardState = record.hardState;
  state.snapshot = record.snapshot;
  group.stateLsn = lsn;
  group.statedStart = start;
  if (record.clearsEntries || lastIndex === start.index) {
    state.clear(start);
  } else if (state.lastIndex < state.firstIndex) {
    state.clear({ index: lastIndex, term: 0 }); // None of them was found.
  } else if (lastIndex !== state.lastIndex) {
    throw entriesMissing(lsn, record, state);
  } else if (start.index >= state.firstIndex - 1) {
    state.startAfter(start);
  }
}

function entriesMissing(lsn: number, record: GroupStateRecord, found: GroupState): RaftLogError {
  const { groupId, start, lastIndex } = record;
  return new RaftLogError(
    "RAFT_CORRUPT",
    `group ${groupId}: record ${lsn} says that entries ${start.index + 1} to ${lastIndex} are before it; ` +
      `found ${found.firstIndex} to ${found.lastIndex}`,
    { details: { groupId, lsn, firstIndex: start.index + 1, lastIndex } },
  );
}

function decode(lsn: number, payload: Uint8Array): StreamRecord {
  try {
    return decodeStreamRecord(payload);
  } catch (cause) {
    throw new RaftLogError(
      "RAFT_CORRUPT",
      `record ${lsn} of the stream passed its checksum and is no record of Raft storage`,
      { details: { lsn }, cause },
    );
  }
}
