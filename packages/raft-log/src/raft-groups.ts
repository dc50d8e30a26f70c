/**
 * The contract of a node's storage: the logs of all Raft groups that it is a member of.
 */
import type { RaftLog, RaftLogStatus } from "./raft-log.ts";

/** A node about itself. Sizes in bytes. */
export interface RaftGroupsStatus {
  readonly backend: string;
  readonly groupCount: number;
  /** Data of all entries that can be read. */
  readonly entryBytes: number;
  /** Memory for finding entries, roughly. */
  readonly indexBytes: number;
  /** Data of entries kept in memory, and its limit. */
  readonly cachedBytes: number;
  readonly cacheLimitBytes: number;
  /**
   * The group for whose sake files are kept that no other needs: compact it, or call `purge`. `undefined` where no group holds
   * another's room.
   */
  readonly holder: GroupHolding | undefined;
}

/** What one group holds back. */
export interface GroupHolding {
  readonly groupId: number;
  /** Files that would be released if this group needed nothing of them, in bytes. */
  readonly heldBytes: number;
}

/** Sums of a node's groups. */
export function groupsStatus(
  backend: string,
  groups: readonly RaftLogStatus[],
  holder: GroupHolding | undefined,
): RaftGroupsStatus {
  const sum = (of: (group: RaftLogStatus) => number): number =>
    groups.reduce((total, group) => total + of(group), 0);
  return {
    backend,
    groupCount: groups.length,
    entryBytes: sum((group) => group.entryBytes),
    indexBytes: sum((group) => group.indexBytes),
    cachedBytes: sum((group) => group.cachedBytes),
    cacheLimitBytes: groups[0]?.cacheLimitBytes ?? 0,
    holder,
  };
}

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

  status(): RaftGroupsStatus;

  /** Ends all logs. Idempotent. */
  close(): Promise<void>;
}
