/** Damage in etcd's files as an error: what, in which file, where, at which entry. */
import { RaftLogError } from "../errors.ts";

/** What is wrong at a place of the WAL. Names follow etcd's errors. */
export type WalDamageKind =
  /** The checksum over all data so far is not the one of the record: `ErrCRCMismatch`. */
  | "crc-mismatch"
  /** The file ends inside a record, or power was lost while it was written: `io.ErrUnexpectedEOF`. */
  | "torn"
  /** Bytes that are no record, or a record whose data is no message of its type. */
  | "unparsable"
  | "unknown-type"
  /** Two files say that they belong to different nodes: `ErrMetadataConflict`. */
  | "metadata-conflict"
  /** An entry does not follow those before it: `ErrSliceOutOfRange`. */
  | "gap"
  /** A file between two others is not there. */
  | "missing-segment"
  /** The log begins in the middle, and nothing says with which term: `ErrSnapshotNotFound`. */
  | "snapshot-not-found";

export interface WalDamage {
  readonly kind: WalDamageKind;
  readonly path: string;
  readonly offsetBytes: number;
  /** Index of the last entry before the damage; 0 for none. */
  readonly lastIndex: number;
  readonly reason: string;
}

/** @returns `RAFT_CORRUPT` */
export function damageError(damage: WalDamage): RaftLogError {
  const { kind, path, offsetBytes, lastIndex, reason } = damage;
  return new RaftLogError(
    "RAFT_CORRUPT",
    `${path}, offset ${offsetBytes}, behind entry ${lastIndex}: ${reason}; nothing was changed. ` +
      "`walnut raft verify` names all damage; restore the directory, or remove this node and add it anew",
    { details: { kind, path, offsetBytes, index: lastIndex } },
  );
}
