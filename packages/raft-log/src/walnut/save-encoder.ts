/**
 * The records of one save, in memory that is used again: the log underneath copies them before its `append` returns.
 */
import { ByteWriter } from "../byte-writer.ts";
import type { SavedRecords } from "../group/group-medium.ts";
import { writeEntry, writeGroupState, writeHardStateRecord } from "./stream-record.ts";

/** A writer that has grown beyond this is given up after the save. */
const MAX_KEPT_BYTES = 1024 * 1024; // 1 MiB

/** One for all groups of a node: an idle group has none. */
export class SaveEncoder {
  #writer = new ByteWriter();

  /** One record each; valid until the next call. The hard state rides with the first entry: LSNs of entries follow each other. */
  save(groupId: number, { groupState, hardState, entries }: SavedRecords): readonly Uint8Array[] {
    if (this.#writer.length > MAX_KEPT_BYTES) this.#writer = new ByteWriter();
    const writer = this.#writer;
    const ends: number[] = [];
    writer.reset();
    if (groupState !== undefined) {
      writeGroupState(writer, groupState);
      ends.push(writer.length);
    }
    if (entries.length === 0 && hardState !== undefined) {
      writeHardStateRecord(writer, groupId, hardState);
      ends.push(writer.length);
    }
    for (const [position, entry] of entries.entries()) {
      writeEntry(writer, groupId, position === 0 ? hardState : undefined, entry);
      ends.push(writer.length);
    }
    return ends.map((end, record) => writer.view(ends[record - 1] ?? 0, end));
  }
}
