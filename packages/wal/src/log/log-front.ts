/**
 * The front of the log: where it begins, and what happens to segments that no longer belong to it.
 *
 * Works beside the commit loop, one step at a time, and never touches the active segment.
 */
import type { WalObserver } from "../observe/wal-observer.ts";
import { removeIfThere } from "../storage/replace-file.ts";
import type { Storage } from "../storage/storage.ts";
import type { SegmentArchive } from "./segment-archive.ts";
import { segmentsUpTo, withoutFirst, type BetweenGroups, type LogState } from "./log-state.ts";
import type { SegmentFactory } from "./segment-factory.ts";

/** The present state of a log; replaced as a whole by whoever changes it. */
export interface StateCell {
  state: LogState;
  /** While a group is written: what the log was before it, and how much of it has been written. It may yet be taken back. */
  group: (BetweenGroups & { writtenBytes: number }) | undefined;
}

export interface LogFrontOptions {
  readonly storage: Storage;
  readonly factory: SegmentFactory;
  readonly cell: StateCell;
  /** Keeps released segments instead of removing them. */
  readonly archive: SegmentArchive | undefined;
  readonly observer: WalObserver;
}

export class LogFront {
  readonly #options: LogFrontOptions;
  /** Files that have left the log and are still there: disposing of them has failed, and is tried again at the next release. */
  #undisposed: readonly string[] = [];
  #tail: Promise<unknown> = Promise.resolve();

  constructor(options: LogFrontOptions) {
    this.#options = options;
  }

  /** Runs steps that change which segments there are one at a time, in call order; a failed one does not stop the next. */
  serialize<T>(step: () => Promise<T>): Promise<T> {
    const result = this.#tail.then(step);
    this.#tail = result.catch(() => undefined);
    return result;
  }

  /** Resolves when no step is under way. Never rejects. */
  async settled(): Promise<void> {
    await this.#tail;
  }

  /**
   * Removes (or archives) closed segments whose records are all at or below `lsn`. Logical first: the checkpoint and the state
   * move, then files go. Steps, and what a crash right after each leaves behind:
   * 1. checkpoint replaced: files that no longer belong to the log; the next open disposes of them (CRASH: release-1)
   * 2. some files gone: the same (CRASH: release-2)
   *
   * A failed release leaves the log as it was, or with files that the next release or the next open disposes of.
   */
  release(lsn: number): Promise<void> {
    return this.serialize(() => this.#releaseNow(lsn));
  }

  /**
   * Makes the log begin with `firstLsn`; everything before it must be durable, so that the log cannot end before it begins.
   * Steps, and what a crash right after each leaves behind:
   * 1. checkpoint replaced: the log begins there, or as before (CRASH: truncate-front-1)
   * 2. files of segments before it go, as in {@link release}
   */
  dropBefore(firstLsn: number): Promise<void> {
    return this.serialize(async () => {
      const { cell } = this.#options;
      // A release may have gone further meanwhile; a log never begins earlier again.
      if (firstLsn <= cell.state.firstLsn) return;
      await this.#writeCheckpoint(cell.state, firstLsn);
      cell.state = { ...cell.state, firstLsn };
      await this.#releaseNow(firstLsn - 1);
    });
  }

  /** Writes the checkpoint of the state as it is: once when the log is born. */
  async writeCheckpoint(): Promise<void> {
    const { state } = this.#options.cell;
    await this.#writeCheckpoint(state, state.firstLsn);
  }

  /** Disposes of files that have left the log: released segments, or what a crash kept of them. */
  async disposeOf(paths: readonly string[]): Promise<void> {
    const { storage, archive } = this.#options;
    this.#undisposed = [...this.#undisposed, ...paths];
    for (let path = this.#undisposed[0]; path !== undefined; path = this.#undisposed[0]) {
      if (archive === undefined) await removeIfThere(storage, path);
      else await archive.take(path);
      this.#undisposed = this.#undisposed.slice(1);
    }
  }

  async #releaseNow(lsn: number): Promise<void> {
    const { cell, archive, observer } = this.#options;
    // No segment with records of a group that may yet be taken back.
    const settledLsn = cell.group === undefined ? lsn : Math.min(lsn, cell.group.nextLsn - 1);
    const released = segmentsUpTo(cell.state, settledLsn);
    if (released.length === 0) return;
    const next = withoutFirst(cell.state, released.length);
    await this.#writeCheckpoint(next, next.firstLsn);
    // The commit loop may have rotated meanwhile: the same segments leave whatever the state is now.
    cell.state = withoutFirst(cell.state, released.length);
    await this.disposeOf(released.map(({ path }) => path));
    await archive?.clean();
    const segmentIds = released.map(({ segmentId }) => segmentId);
    observer.segmentsReleased(segmentIds, cell.state.firstLsn);
  }

  async #writeCheckpoint(state: LogState, firstLsn: number): Promise<void> {
    const first = state.closed[0]?.segmentId ?? state.active?.info.segmentId;
    if (first === undefined) throw new RangeError("a log without segments has no checkpoint");
    await this.#options.factory.writeCheckpoint(first, firstLsn);
  }
}
