/**
 * A Raft log that is only looked at: whose it is, its groups, their entries. Writes nothing and takes no lock, so that it is safe
 * beside the node that writes; what is seen is what the system had when the log was opened.
 */
import type { RaftBackend } from "../raft-log-options.ts";
import type { RaftLog } from "../raft-log.ts";

/** One group, as it was when the source was opened. */
export type RaftSourceGroup = Pick<
  RaftLog,
  "firstIndex" | "lastIndex" | "initialState" | "term" | "entries" | "snapshot"
> & {
  /** Index of the newest snapshot; 0 for none. */
  readonly snapshotIndex: number;
};

/** A place where something is not as it was written. */
export interface RaftDamage {
  /** "torn" is what a crash leaves at the end; see docs/raft-log.md for the others. */
  readonly kind: string;
  readonly path: string;
  /** `undefined` where the whole file is meant. */
  readonly offsetBytes: number | undefined;
  /** Index of the last entry before it, where that is known. */
  readonly lastIndex: number | undefined;
  readonly reason: string;
}

export interface RaftSource {
  readonly backend: RaftBackend;
  /** The node's directory, which may be inside the one that was asked for: `member` of etcd. */
  readonly directory: string;
  readonly clusterId: bigint;
  readonly peerId: bigint;
  readonly groups: ReadonlyMap<number, RaftSourceGroup>;
  /** Records and bytes that were read. */
  readonly records: number;
  readonly bytes: number;
  /** Behind the first of these nothing was looked at, but for wrong checksums. */
  readonly damage: readonly RaftDamage[];
  close(): Promise<void>;
}

/** How far the reading has come. */
export type RaftProgress = (done: {
  readonly bytesDone: number;
  readonly bytesTotal: number;
}) => void;
