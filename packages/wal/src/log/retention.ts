/**
 * Retention: cursors move, and what none of them needs any more is released.
 *
 * All of this writes files beside the commit loop, so it must have ended before the directory's lock is given up: another writer
 * would find its checkpoint replaced by an older one. `stop` refuses new work and waits for what is under way.
 */
import { asWalError } from "../storage/system-error.ts";
import type { CursorSet } from "./cursors.ts";
import type { DropCounter } from "../capacity/drop-report.ts";
import type { GroupCommit } from "../commit/group-commit.ts";
import type { ClosedSegment } from "../segment/segment-info.ts";
import type { LogState } from "./log-state.ts";
import type { SegmentedLog } from "./segmented-log.ts";

export class Retention {
  readonly #cursors: CursorSet;
  readonly #log: SegmentedLog;
  readonly #underWay = new Set<Promise<void>>();
  readonly #released: (() => void | Promise<void>)[] = [];
  #isStopped = false;
  #failure: string | undefined;

  constructor(cursors: CursorSet, log: SegmentedLog) {
    this.#cursors = cursors;
    this.#log = log;
  }

  /** Why space could not be released at the last attempt; `undefined` when it could. */
  get failure(): string | undefined {
    return this.#failure;
  }

  /** Calls back after each release, successful or not; whoever has caused it waits for the answer. */
  onReleased(callback: () => void | Promise<void>): void {
    this.#released.push(callback);
  }

  /**
   * Drops the oldest closed segment, whoever still needs it: cursors before its end move up. Closes the active segment when there
   * is no other. False when there is nothing to drop.
   */
  async dropOldest(
    commit: Pick<GroupCommit, "exclusive">,
    drops: DropCounter,
    timeMs: number,
  ): Promise<boolean> {
    let hasDropped = false;
    await this.#track(async () => {
      const present = oldestToDrop(this.#log.state);
      if (present === undefined) await commit.exclusive(() => this.#log.rotate());
      // What may yet be taken back cannot be dropped: wait for the end of its group.
      else if (present.lastLsn > this.#log.writtenLsn) await commit.exclusive(async () => {});
      const oldest = oldestToDrop(this.#log.state);
      if (oldest === undefined) return;
      const { firstLsn } = this.#log.state;
      const { lastLsn } = oldest;
      const readers = this.#cursors.positions();
      const behind = await this.#cursors.raiseTo(lastLsn);
      await this.#log.release(lastLsn);
      hasDropped = true;
      const cursors = behind.map(({ name }) => name);
      // What every cursor had passed is not missed by anybody; without cursors nobody can tell.
      const hadLsn = readers.length === 0 ? 0 : Math.min(...readers.map((one) => one.ackedLsn));
      const lostFirstLsn = Math.max(firstLsn, hadLsn + 1);
      if (lostFirstLsn <= lastLsn) {
        const bytes = oldest.endOffset;
        drops.countOldest({ firstLsn: lostFirstLsn, lastLsn, bytes, timeMs, cursors });
      }
      await this.#tell();
    });
    return hasDropped;
  }

  /**
   * Releases what all cursors have passed, the active segment included: it is closed for that when everything in it is acknowledged.
   * A log that is full of records which nobody needs would otherwise stay full.
   */
  async reclaim(commit: Pick<GroupCommit, "exclusive">): Promise<void> {
    await this.#track(async () => {
      const lowest = this.#cursors.lowestDurableLsn();
      const { active } = this.#log.state;
      if (lowest === undefined || active === undefined || active.recordCount === 0) return;
      if (lowest < active.written.lastLsn || this.#isStopped) return;
      await commit.exclusive(() => this.#log.rotate());
      await this.#release();
    });
  }

  /**
   * Moves a cursor forward; resolves when that is durable and what it alone was holding has been released. Waits for the record first:
   * until it is written it may be taken back, and its LSN given to another one, which the cursor would then skip.
   */
  ack(
    commit: Pick<GroupCommit, "exclusive" | "isRewinding">,
    name: string,
    lsn: number,
  ): Promise<void> {
    return this.#track(async () => {
      const isSettled = lsn <= this.#log.writtenLsn && !commit.isRewinding;
      if (!isSettled) await commit.exclusive(async () => {});
      await this.#cursors.ack(name, lsn);
      await this.#release();
    });
  }

  /** Forgets a cursor and releases what it alone was holding. */
  remove(name: string): Promise<void> {
    return this.#track(async () => {
      await this.#cursors.remove(name);
      await this.#release();
    });
  }

  /** Resolves when nothing is under way; nothing begins any more. Never rejects. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    await Promise.allSettled(this.#underWay);
  }

  async #tell(): Promise<void> {
    for (const callback of this.#released) await callback();
  }

  async #track(run: () => Promise<void>): Promise<void> {
    const work = run();
    this.#underWay.add(work);
    try {
      await work;
    } catch (error) {
      throw asWalError(error, "the cursor could not be moved");
    } finally {
      this.#underWay.delete(work);
    }
  }

  /** The acks behind a release are durable: its failure costs space, nothing else. */
  async #release(): Promise<void> {
    if (this.#isStopped) return;
    try {
      await this.#cursors.persistAll();
      const lowest = this.#cursors.lowestDurableLsn();
      if (lowest !== undefined) await this.#log.release(lowest);
      this.#failure = undefined;
    } catch (error) {
      this.#failure = error instanceof Error ? error.message : String(error);
    }
    await this.#tell();
  }
}

/** The first closed segment, unless it is the last of all: a log always keeps one. */
function oldestToDrop(state: LogState): ClosedSegment | undefined {
  const isLastOfAll = state.active === undefined && state.closed.length === 1;
  return isLastOfAll ? undefined : state.closed[0];
}
