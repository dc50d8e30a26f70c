/**
 * The contract of a node's storage: the logs of all Raft groups that it is a member of.
 */
import type { RaftLog } from "./raft-log.ts";

/** Durable storage of all groups of one node. */
export interface RaftGroups extends AsyncDisposable {
  /**
   * The log of a group, the same object each time; a group that is not known is made with its first save.
   *
   * @param groupId - a whole number from 0
   */
  group(groupId: number): RaftLog;

  /** Ids of the groups that hold something, ascending. */
  readonly groupIds: readonly number[];

  /** Removes a group with its entries, its hard state and its snapshots. Durable when it resolves. */
  removeGroup(groupId: number): Promise<void>;

  /** As `RaftLog.purge`, for all groups; and writes what quiet groups hold anew where they keep the files of busy ones. */
  purge(): Promise<void>;

  /** Ends all logs. Idempotent. */
  close(): Promise<void>;
}
