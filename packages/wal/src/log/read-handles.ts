/**
 * Open files of segments for readers. A few stay open for the next read of the same segment: to open a file costs as much as to read a
 * frame from it.
 *
 * Bounded. A file is closed as soon as its segment has left the log, so that its room on the disk is free, and all are with the log.
 * Each is lent to one reader at a time.
 */
import type { SegmentInfo } from "../segment/segment-info.ts";
import type { Storage, StorageFile } from "../storage/storage.ts";
import { holdsSegment, isSameSegment, type LogState, type SegmentKey } from "./log-state.ts";

/** Files of one log that stay open while nobody reads them. */
const MAX_IDLE_FILES = 16;

interface IdleFile {
  readonly segment: SegmentKey;
  readonly file: StorageFile;
}

export class ReadHandles {
  readonly #storage: Storage;
  readonly #state: () => LogState;
  /** The one used last comes last. */
  #idle: IdleFile[] = [];
  #seen: Pick<LogState, "closed" | "active"> | undefined;
  #closing: Promise<unknown> = Promise.resolve();
  #isClosed = false;

  constructor(storage: Storage, state: () => LogState) {
    this.#storage = storage;
    this.#state = state;
  }

  /** A file of the segment, to be given back. @throws the system's error */
  async borrow(info: SegmentInfo): Promise<StorageFile> {
    const at = this.#idle.findLastIndex(({ segment }) => isSameSegment(segment, info));
    const [kept] = at < 0 ? [] : this.#idle.splice(at, 1);
    return kept?.file ?? (await this.#storage.openFile(info.path, "read"));
  }

  /**
   * Takes a file back.
   *
   * @param isKept - another read of its kind is likely, and this one has met no failure
   * @throws the system's error when the file cannot be closed
   */
  async giveBack(info: SegmentInfo, file: StorageFile, isKept: boolean): Promise<void> {
    if (!isKept || this.#isClosed || !holdsSegment(this.#state(), info)) {
      await file.close();
      return;
    }
    const { segmentId, saltSeed } = info;
    this.#idle.push({ segment: { segmentId, saltSeed }, file });
    if (this.#idle.length > MAX_IDLE_FILES) await this.#idle.shift()?.file.close();
  }

  /** To be called whenever the log has changed: closes files of segments that have left it, in the background. */
  sweep(): void {
    if (this.#idle.length === 0) return;
    const state = this.#state();
    if (state.closed === this.#seen?.closed && state.active === this.#seen.active) return;
    this.#seen = { closed: state.closed, active: state.active };
    const gone = this.#idle.filter(({ segment }) => !holdsSegment(state, segment));
    if (gone.length === 0) return;
    this.#idle = this.#idle.filter((idle) => !gone.includes(idle));
    this.#close(gone);
  }

  /** Closes what is idle; what is lent is closed when it comes back. Never rejects. */
  async close(): Promise<void> {
    this.#isClosed = true;
    this.#close(this.#idle);
    this.#idle = [];
    await this.#closing;
  }

  /** Nothing was written through these files: that one of them cannot be closed means nothing for the log. */
  #close(files: readonly IdleFile[]): void {
    const closed = files.map(({ file }) => file.close());
    this.#closing = Promise.allSettled([this.#closing, ...closed]);
  }
}
