/**
 * Messages of etcd's raft library and of its WAL: `raftpb.Entry`, `HardState`, `ConfState`, `Snapshot`, `walpb.Snapshot`, and the
 * metadata that etcd keeps. Pure.
 *
 * Written as etcd up to 3.6 does it, with every number, also 0, in the order of the fields; read as any version writes it. A message
 * that cannot be read is a `RangeError`.
 */
import { ByteWriter } from "../byte-writer.ts";
import type { ConfState, Entry, EntryType, HardState, Snapshot } from "../raft-types.ts";
import {
  bytesOf,
  idOf,
  idsOf,
  numberOf,
  readFields,
  writeBytesField,
  writeBytesHead,
  writeIdField,
  writeNumberField,
} from "./proto-fields.ts";

/** What the WAL says about a snapshot. Members since etcd 3.5. */
export interface WalSnapshot {
  readonly index: number;
  readonly term: number;
  readonly confState: ConfState | undefined;
}

/** Whose WAL it is. */
export interface NodeMetadata {
  readonly peerId: bigint;
  readonly clusterId: bigint;
}

const EMPTY = new Uint8Array(0);

/** An entry but for its data, which follows. Etcd leaves empty data out, as it does for a new leader's entry. */
export function writeEntryHead(writer: ByteWriter, { index, term, type, data }: Entry): void {
  writeNumberField(writer, 1, type);
  writeNumberField(writer, 2, term);
  writeNumberField(writer, 3, index);
  if (data.byteLength > 0) writeBytesHead(writer, 4, data.byteLength);
}

/** An entry; its data is a view of `bytes`. */
export function decodeEntry(bytes: Uint8Array): Entry {
  let type = 0;
  let term = 0;
  let index = 0;
  let data: Uint8Array = EMPTY;
  for (const { number, value } of readFields(bytes)) {
    if (number === 1) type = numberOf(value);
    else if (number === 2) term = numberOf(value);
    else if (number === 3) index = numberOf(value);
    else if (number === 4) data = bytesOf(value);
  }
  if (!isEntryType(type)) throw new RangeError(`an entry of type ${type}`);
  return { index, term, type, data };
}

function isEntryType(type: number): type is EntryType {
  return type === 0 || type === 1 || type === 2;
}

export function encodeHardState({ term, vote, commit }: HardState): Uint8Array {
  const writer = new ByteWriter();
  writeNumberField(writer, 1, term);
  writeIdField(writer, 2, vote);
  writeNumberField(writer, 3, commit);
  return writer.view(0, writer.length);
}

export function decodeHardState(bytes: Uint8Array): HardState {
  let term = 0;
  let vote = 0n;
  let commit = 0;
  for (const { number, value } of readFields(bytes)) {
    if (number === 1) term = numberOf(value);
    else if (number === 2) vote = idOf(value);
    else if (number === 3) commit = numberOf(value);
  }
  return { term, vote, commit };
}

export function encodeConfState(state: ConfState): Uint8Array {
  const writer = new ByteWriter();
  const lists = [state.voters, state.learners, state.votersOutgoing, state.learnersNext];
  for (const [position, ids] of lists.entries()) {
    for (const id of ids) writeIdField(writer, position + 1, id);
  }
  writeNumberField(writer, 5, state.autoLeave ? 1 : 0);
  return writer.view(0, writer.length);
}

export function decodeConfState(bytes: Uint8Array): ConfState {
  const lists: readonly bigint[][] = [[], [], [], []];
  let autoLeave = false;
  for (const { number, value } of readFields(bytes)) {
    if (number === 5) autoLeave = numberOf(value) !== 0;
    else lists[number - 1]?.push(...idsOf(value));
  }
  const [voters = [], learners = [], votersOutgoing = [], learnersNext = []] = lists;
  return { voters, learners, votersOutgoing, learnersNext, autoLeave };
}

export function encodeWalSnapshot({ index, term, confState }: WalSnapshot): Uint8Array {
  const writer = new ByteWriter();
  writeNumberField(writer, 1, index);
  writeNumberField(writer, 2, term);
  if (confState !== undefined) writeBytesField(writer, 3, encodeConfState(confState));
  return writer.view(0, writer.length);
}

export function decodeWalSnapshot(bytes: Uint8Array): WalSnapshot {
  let index = 0;
  let term = 0;
  let confState: ConfState | undefined;
  for (const { number, value } of readFields(bytes)) {
    if (number === 1) index = numberOf(value);
    else if (number === 2) term = numberOf(value);
    else if (number === 3) confState = decodeConfState(bytesOf(value));
  }
  return { index, term, confState };
}

/** A snapshot as pieces one behind the other; the data is not copied. */
export function encodeRaftSnapshot({ metadata, data }: Snapshot): readonly Uint8Array[] {
  const inner = new ByteWriter();
  writeBytesField(inner, 1, encodeConfState(metadata.confState));
  writeNumberField(inner, 2, metadata.index);
  writeNumberField(inner, 3, metadata.term);
  const tail = new ByteWriter();
  writeBytesField(tail, 2, inner.view(0, inner.length));
  if (data.byteLength === 0) return [tail.view(0, tail.length)];
  const head = new ByteWriter();
  writeBytesHead(head, 1, data.byteLength);
  return [head.view(0, head.length), data, tail.view(0, tail.length)];
}

/** A snapshot; its data is a view of `bytes`. */
export function decodeRaftSnapshot(bytes: Uint8Array): Snapshot {
  let data: Uint8Array = EMPTY;
  let index = 0;
  let term = 0;
  let confState = decodeConfState(EMPTY);
  for (const { number, value } of readFields(bytes)) {
    if (number === 1) data = bytesOf(value);
    if (number !== 2) continue;
    for (const inner of readFields(bytesOf(value))) {
      if (inner.number === 1) confState = decodeConfState(bytesOf(inner.value));
      else if (inner.number === 2) index = numberOf(inner.value);
      else if (inner.number === 3) term = numberOf(inner.value);
    }
  }
  return { metadata: { index, term, confState }, data };
}

/** `etcdserverpb.Metadata`: without it etcd does not know its own WAL. */
export function encodeNodeMetadata({ peerId, clusterId }: NodeMetadata): Uint8Array {
  const writer = new ByteWriter();
  writeIdField(writer, 1, peerId);
  writeIdField(writer, 2, clusterId);
  return writer.view(0, writer.length);
}

/** `undefined` for metadata of somebody else: it is opaque to the WAL. */
export function decodeNodeMetadata(bytes: Uint8Array): NodeMetadata | undefined {
  let peerId: bigint | undefined;
  let clusterId: bigint | undefined;
  try {
    for (const { number, value } of readFields(bytes)) {
      if (number === 1) peerId = idOf(value);
      else if (number === 2) clusterId = idOf(value);
    }
  } catch (error) {
    if (error instanceof RangeError) return undefined;
    throw error;
  }
  return peerId === undefined || clusterId === undefined ? undefined : { peerId, clusterId };
}
