/**
 * The open groups of a node: each made when it is first asked for, and the same object from then on. No I/O.
 */
import { assertGroupId } from "../raft-log-options.ts";
import type { RaftLogStatus } from "../raft-log.ts";
import { newStreamGroup, type StreamGroup } from "../walnut/stream-replay.ts";
import type { RaftGroupLog } from "./raft-group-log.ts";

export class GroupSet {
  readonly #open: (group: StreamGroup) => RaftGroupLog;
  readonly #logs = new Map<number, RaftGroupLog>();

  /** @param replayed - the groups that were found on the disk */
  constructor(open: (group: StreamGroup) => RaftGroupLog, replayed: Iterable<StreamGroup>) {
    this.#open = open;
    for (const group of replayed) this.#add(group);
  }

  /** Ids of the groups that hold something, ascending. */
  get ids(): readonly number[] {
    const born = [...this.#logs].filter(([, log]) => log.isBorn);
    return born.map(([groupId]) => groupId).toSorted((a, b) => a - b);
  }

  get logs(): Iterable<RaftGroupLog> {
    return this.#logs.values();
  }

  /** The log of a group; one that is not known begins empty. */
  get(groupId: number): RaftGroupLog {
    assertGroupId(groupId);
    return this.#logs.get(groupId) ?? this.#add(newStreamGroup(groupId));
  }

  /** The log of a group, if it was asked for or found. */
  known(groupId: number): RaftGroupLog | undefined {
    return this.#logs.get(groupId);
  }

  forget(groupId: number): void {
    this.#logs.delete(groupId);
  }

  status(): readonly RaftLogStatus[] {
    return [...this.#logs.values()].map((log) => log.status());
  }

  /** Ends all logs. */
  async close(): Promise<void> {
    for (const log of this.#logs.values()) await log.close();
  }

  #add(group: StreamGroup): RaftGroupLog {
    const log = this.#open(group);
    this.#logs.set(group.state.groupId, log);
    return log;
  }
}
