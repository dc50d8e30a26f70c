/**
 * The records of one save, in memory that is used again: the log underneath copies them before its `append` returns.
 */
import { ByteWriter } from "../byte-writer.ts";
import type { Entry, HardState } from "../raft-types.ts";
import {
  writeEntry,
  writeGroupState,
  writeHardStateRecord,
  type GroupStateRecord,
} from "./stream-record.ts";

/** What is appended as one, in this order. */
export interface SavedRecords {
  readonly groupState: GroupStateRecord | undefined;
  readonly hardState: HardState | undefined;
  readonly entries: readonly Entry[];
}

export class SaveEncoder {
  readonly #groupId: number;
  readonly #writer = new ByteWriter();

  constructor(groupId: number) {
    this.#groupId = groupId;
  }

  /** One record each; valid until the next call. The hard state rides with the first entry: LSNs of entries follow each other. */
  save({ groupState, hardState, entries }: SavedRecords): readonly Uint8Array[] {
    const writer = this.#writer;
    const ends: number[] = [];
    writer.reset();
    if (groupState !== undefined) {
      writeGroupState(writer, groupState);
      ends.push(writer.length);
    }
    if (entries.length === 0 && hardState !== undefined) {
      writeHardStateRecord(writer, this.#groupId, hardState);
      ends.push(writer.length);
    }
    for (const [position, entry] of entries.entries()) {
      writeEntry(writer, this.#groupId, position === 0 ? hardState : undefined, entry);
      ends.push(writer.length);
    }
    return ends.map((end, record) => writer.view(ends[record - 1] ?? 0, end));
  }
}
