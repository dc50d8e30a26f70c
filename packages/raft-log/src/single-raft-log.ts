/** The only log of a node: closing it closes what it stands on. */
import type { RaftGroups } from "./raft-groups.ts";
import type { RaftLog, RaftLogStatus, SaveOptions } from "./raft-log.ts";
import type { ConfState, Entry, HardState, Snapshot } from "./raft-types.ts";

export class SingleRaftLog implements RaftLog {
  readonly #log: RaftLog;
  readonly #groups: RaftGroups;

  constructor(log: RaftLog, groups: RaftGroups) {
    this.#log = log;
    this.#groups = groups;
  }

  get firstIndex(): number {
    return this.#log.firstIndex;
  }

  get lastIndex(): number {
    return this.#log.lastIndex;
  }

  initialState(): { readonly hardState: HardState; readonly confState: ConfState } {
    return this.#log.initialState();
  }

  save(
    hardState: HardState | undefined,
    entries: readonly Entry[],
    options?: SaveOptions,
  ): Promise<void> {
    return this.#log.save(hardState, entries, options);
  }

  entries(lo: number, hi: number, maxBytes?: number): Promise<readonly Entry[]> {
    return this.#log.entries(lo, hi, maxBytes);
  }

  term(index: number): number {
    return this.#log.term(index);
  }

  snapshot(): Promise<Snapshot | undefined> {
    return this.#log.snapshot();
  }

  saveSnapshot(snapshot: Snapshot): Promise<void> {
    return this.#log.saveSnapshot(snapshot);
  }

  compact(index: number): Promise<void> {
    return this.#log.compact(index);
  }

  purge(): Promise<void> {
    return this.#groups.purge();
  }

  status(): RaftLogStatus {
    return this.#log.status();
  }

  close(): Promise<void> {
    return this.#groups.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}
