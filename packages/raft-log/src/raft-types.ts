/**
 * The values that Raft libraries keep: entries, hard state, snapshots.
 *
 * Names and meaning follow the Raft paper and etcd's raft library. Terms and indexes are whole numbers from 0 to 2^53 - 1; ids of
 * peers are bigints, because etcd draws them from all 64 bits. Values are never changed by the storage; do not change them after
 * handing them over.
 */

/** What an entry is to the state machine: the numbers of etcd's `raftpb.EntryType`. */
export const ENTRY_TYPE = { normal: 0, confChange: 1, confChangeV2: 2 } as const;

export type EntryType = (typeof ENTRY_TYPE)[keyof typeof ENTRY_TYPE];

/** One entry of the replicated log. */
export interface Entry {
  /** From 1, without gaps. */
  readonly index: number;
  readonly term: number;
  readonly type: EntryType;
  /** May be empty, as a new leader's first entry is. */
  readonly data: Uint8Array;
}

/** What a node must not forget, besides its entries. */
export interface HardState {
  readonly term: number;
  /** Id of the peer that got this node's vote in `term`; 0 for none. */
  readonly vote: bigint;
  /** Highest index known to be committed. May be stale after a crash: it is learned again. */
  readonly commit: number;
}

/** Members of the cluster, as of a snapshot. */
export interface ConfState {
  readonly voters: readonly bigint[];
  readonly learners: readonly bigint[];
  /** Voters of the outgoing half of a joint configuration. */
  readonly votersOutgoing: readonly bigint[];
  readonly learnersNext: readonly bigint[];
  readonly autoLeave: boolean;
}

/** What a snapshot stands for: every entry up to and including `index`. */
export interface SnapshotMetadata {
  readonly index: number;
  readonly term: number;
  readonly confState: ConfState;
}

/** The state machine at an index. */
export interface Snapshot {
  readonly metadata: SnapshotMetadata;
  readonly data: Uint8Array;
}

/** The hard state of a node that has not seen anything. */
export const NO_HARD_STATE: HardState = Object.freeze({ term: 0, vote: 0n, commit: 0 });

/** A cluster that nobody has configured. */
export const NO_CONF_STATE: ConfState = Object.freeze({
  voters: [],
  learners: [],
  votersOutgoing: [],
  learnersNext: [],
  autoLeave: false,
});

/** Whether a term or a vote differs: what must be on the disk before a node may speak. */
export function changesVote(before: HardState, after: HardState): boolean {
  return before.term !== after.term || before.vote !== after.vote;
}
