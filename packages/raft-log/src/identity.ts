/**
 * Whose storage a directory is: cluster and peer, written once, before anything else, and compared at each open.
 *
 * A node that comes up with another node's log would answer for votes it never gave.
 */
import { crc32 } from "node:zlib";
import { joinPath, type Storage } from "@walnut/wal";
import { ByteReader } from "./byte-reader.ts";
import { ByteWriter } from "./byte-writer.ts";
import { RaftLogError } from "./errors.ts";
import { readWhole, writeWhole } from "./whole-file.ts";

/** File in the node's directory that holds its identity. */
export const IDENTITY_NAME = "raft-identity";

const MAGIC = 0x44495752; // "RWID"

export interface RaftIdentity {
  readonly clusterId: bigint;
  readonly peerId: bigint;
  /** A directory is of one backend: another's files would be overlooked. */
  readonly backend: string;
}

/**
 * Writes the identity of a new node, or compares that of a known one. Durable when it resolves. Steps, and what a crash right after
 * each leaves behind:
 * 1. temporary file written and synced: a leftover, replaced by the next open (CRASH: raft-identity-1)
 * 2. renamed, directory synced: the identity (CRASH: raft-identity-2)
 *
 * @throws {RaftLogError} `RAFT_WRONG_CLUSTER`, `RAFT_CORRUPT`
 */
export async function claimDirectory(
  storage: Storage,
  directory: string,
  identity: RaftIdentity,
): Promise<void> {
  await storage.ensureDirectory(directory);
  if ((await storage.listDirectory(directory)).includes(IDENTITY_NAME)) {
    compare(directory, await readIdentity(storage, directory), identity);
    return;
  }
  const path = joinPath(directory, IDENTITY_NAME);
  const temporaryPath = `${path}.tmp`;
  await writeWhole(storage, temporaryPath, [encode(identity)]);
  await storage.rename(temporaryPath, path);
  await storage.syncDirectory(directory);
}

/** @throws {RaftLogError} `RAFT_CORRUPT` */
export async function readIdentity(storage: Storage, directory: string): Promise<RaftIdentity> {
  const path = joinPath(directory, IDENTITY_NAME);
  const bytes = await readWhole(storage, path);
  try {
    return decode(bytes);
  } catch (cause) {
    if (!(cause instanceof RangeError)) throw cause;
    throw new RaftLogError(
      "RAFT_CORRUPT",
      `${path} is damaged: it should say whose log this is; restore it from a copy of the node's directory`,
      { details: { path }, cause },
    );
  }
}

function compare(directory: string, found: RaftIdentity, expected: RaftIdentity): void {
  for (const key of ["clusterId", "peerId", "backend"] as const) {
    if (found[key] === expected[key]) continue;
    throw new RaftLogError(
      "RAFT_WRONG_CLUSTER",
      `${directory} belongs to ${key} ${found[key]}, not ${expected[key]}; ` +
        "open it as what it is, or choose another directory",
      { details: { directory, key, found: found[key], expected: expected[key] } },
    );
  }
}

function encode({ clusterId, peerId, backend }: RaftIdentity): Uint8Array {
  const writer = new ByteWriter();
  const name = new TextEncoder().encode(backend);
  writer.u32(MAGIC);
  writer.u64(clusterId);
  writer.u64(peerId);
  writer.varint(name.byteLength);
  writer.raw(name);
  writer.u32(crc32(writer.view(0, writer.length)));
  return writer.view(0, writer.length);
}

function decode(bytes: Uint8Array): RaftIdentity {
  const reader = new ByteReader(bytes);
  if (reader.u32() !== MAGIC) throw new RangeError("no identity");
  const clusterId = reader.u64();
  const peerId = reader.u64();
  const backend = new TextDecoder().decode(reader.raw(reader.varint()));
  const checked = bytes.byteLength - reader.left;
  if (reader.u32() !== crc32(bytes.subarray(0, checked))) throw new RangeError("checksum");
  return { clusterId, peerId, backend };
}
