/** Raft logs in words: whose they are, their groups, what is damaged. Pure. */
import type { RaftDamage, RaftSource } from "@walnut/raft-log";
import { formatCount, formatLsns } from "./quantity-text.ts";
import type { Terminal } from "./terminal.ts";
import { tableLines } from "./text-table.ts";

/** Ids up to this are written as people give them; those that etcd drew are in hexadecimal, as etcd writes them. */
const MAX_DECIMAL_ID = 0xffff_ffffn;

/** An id of a cluster or peer. */
export function idText(id: bigint): string {
  return id <= MAX_DECIMAL_ID ? id.toString() : `0x${id.toString(16)}`;
}

/** "etcd, cluster 0xcdf8…, peer 0x8e9e…". */
export function ownerText({
  backend,
  clusterId,
  peerId,
}: Pick<RaftSource, "backend" | "clusterId" | "peerId">): string {
  return `${backend}, cluster ${idText(clusterId)}, peer ${idText(peerId)}`;
}

/** A group in numbers, as JSON has it. */
export interface GroupSummary {
  readonly groupId: number;
  readonly firstIndex: number;
  readonly lastIndex: number;
  readonly term: number;
  readonly vote: bigint;
  readonly commit: number;
  readonly snapshotIndex: number;
  readonly voters: readonly bigint[];
}

export function groupSummaries({ groups }: RaftSource): readonly GroupSummary[] {
  return [...groups].map(([groupId, group]) => {
    const { hardState, confState } = group.initialState();
    const { firstIndex, lastIndex, snapshotIndex } = group;
    return {
      groupId,
      firstIndex,
      lastIndex,
      ...hardState,
      snapshotIndex,
      voters: confState.voters,
    };
  });
}

/** A table of groups. */
export function groupLines(groups: readonly GroupSummary[], terminal: Terminal): string[] {
  return tableLines(
    [
      { title: "group", align: "right" },
      { title: "entries", align: "right" },
      { title: "term", align: "right" },
      { title: "vote", align: "right" },
      { title: "commit", align: "right" },
      { title: "snapshot", align: "right" },
    ],
    groups.map(({ groupId, firstIndex, lastIndex, term, vote, commit, snapshotIndex }) => [
      String(groupId),
      lastIndex < firstIndex ? "-" : formatLsns(firstIndex, lastIndex),
      formatCount(term),
      vote === 0n ? "-" : idText(vote),
      formatCount(commit),
      snapshotIndex === 0 ? "-" : formatCount(snapshotIndex),
    ]),
    terminal,
  );
}

/** A table of damage; names of files relative to the node's directory. */
export function raftDamageLines(
  damage: readonly RaftDamage[],
  directory: string,
  terminal: Terminal,
): string[] {
  return tableLines(
    [
      { title: "damaged file", align: "left" },
      { title: "offset", align: "right" },
      { title: "behind entry", align: "right" },
      { title: "what", align: "left" },
    ],
    damage.map(({ path, offsetBytes, lastIndex, kind, reason }) => [
      path.startsWith(`${directory}/`) ? path.slice(directory.length + 1) : path,
      offsetBytes === undefined ? "-" : formatCount(offsetBytes),
      lastIndex === undefined ? "-" : formatCount(lastIndex),
      `${kind}: ${reason}`,
    ]),
    terminal,
  );
}

/** What a crash left at the end of a log. */
export function tornText({ path, offsetBytes, lastIndex }: RaftDamage): string {
  const from = offsetBytes === undefined ? "" : ` from offset ${formatCount(offsetBytes)}`;
  const behind = lastIndex === undefined ? "" : ` (behind entry ${formatCount(lastIndex)})`;
  return `an unfinished last write${from}${behind} in ${path}`;
}
