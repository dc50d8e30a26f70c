/** Members of a cluster as bytes: four lists of ids and a flag. Part of log records and snapshot files. */
import type { ByteReader } from "./byte-reader.ts";
import type { ByteWriter } from "./byte-writer.ts";
import type { ConfState } from "./raft-types.ts";

export function writeConfState(writer: ByteWriter, state: ConfState): void {
  for (const ids of [state.voters, state.learners, state.votersOutgoing, state.learnersNext]) {
    writer.varint(ids.length);
    for (const id of ids) writer.u64(id);
  }
  writer.u8(state.autoLeave ? 1 : 0);
}

/** @throws {RangeError} when the bytes are too few */
export function readConfState(reader: ByteReader): ConfState {
  const ids = (): bigint[] => {
    const count = reader.varint();
    if (count * 8 > reader.left) throw new RangeError(`${count} ids in ${reader.left} bytes`);
    return Array.from({ length: count }, () => reader.u64());
  };
  return {
    voters: ids(),
    learners: ids(),
    votersOutgoing: ids(),
    learnersNext: ids(),
    autoLeave: reader.u8() === 1,
  };
}
