/**
 * Where new segment files come from: prepared with zeros beside the commits, or made when one is needed.
 *
 * Also the keeper of `CHECKPOINT`, the file that says where the log begins.
 */
import { encodeCheckpoint } from "../format/checkpoint-file.ts";
import type { SegmentHeader } from "../format/segment-header.ts";
import { CHECKPOINT_NAME, PREWRITE_NAME, TEMPORARY_SUFFIX } from "../format/segment-name.ts";
import { SMALL_GROUP_BYTES } from "../segment/prewriter.ts";
import { NoSpaceError } from "../storage/system-error.ts";
import { keepReserve, removeIfThere, replaceFile, RESERVE_NAME } from "../storage/replace-file.ts";
import { joinPath, type Storage } from "../storage/storage.ts";
import type { CarryFrames } from "./carry-frames.ts";
import {
  createSegment,
  prepareFile,
  type CreatedSegment,
  type PreparedFile,
} from "./next-segment.ts";

export interface SegmentFactoryOptions {
  readonly storage: Storage;
  readonly directory: string;
  readonly segmentSizeBytes: number;
  readonly prewriteStepBytes: number;
  readonly nowMs: () => number;
}

export class SegmentFactory {
  readonly #options: SegmentFactoryOptions;
  #prepared: Promise<PreparedFile | undefined> | undefined;
  #checkpointing: Promise<void> = Promise.resolve();
  #hasReserve = false;
  /** The last group found no room. */
  #hasRunFull = false;

  constructor(options: SegmentFactoryOptions) {
    this.#options = options;
  }

  /** Prepares the next segment's file beside the commits once the active one is half full. */
  prepareIfDue(writtenOffset: number, groupBytes: number): void {
    const { prewriteStepBytes, segmentSizeBytes, storage, directory } = this.#options;
    if (this.#prepared !== undefined || prewriteStepBytes === 0) return;
    if (writtenOffset < segmentSizeBytes / 2) return;
    const isSmall = groupBytes <= SMALL_GROUP_BYTES;
    const zeroBytes = isSmall ? Math.min(prewriteStepBytes, segmentSizeBytes) : 0;
    // Without room for zeros the rotation makes its own file, and says so if that fails as well.
    this.#prepared = prepareFile(storage, directory, zeroBytes).catch(() => undefined);
  }

  /** To be called when a group has found no room: the next segment is filled without zeros, which would take what its records need. */
  ranFull(): void {
    this.#hasRunFull = true;
  }

  /** Creates the segment's file; without space for it nothing has changed and the unfinished file is gone. */
  async create(
    header: SegmentHeader,
    carry: CarryFrames | undefined,
  ): Promise<CreatedSegment & { readonly prewriteStepBytes: number }> {
    const { storage, directory } = this.#options;
    const prepared = await this.#prepared;
    this.#prepared = undefined;
    try {
      const created = await createSegment(storage, directory, header, prepared, carry);
      const prewriteStepBytes = this.#hasRunFull ? 0 : this.#options.prewriteStepBytes;
      this.#hasRunFull = false;
      return { ...created, prewriteStepBytes };
    } catch (error) {
      if (error instanceof NoSpaceError) await this.removePrepared();
      throw error;
    }
  }

  /** Waits for a preparation under way. */
  async settled(): Promise<void> {
    await this.#prepared;
  }

  /** Removes the prepared file: a closed log keeps no zeros. */
  async removePrepared(): Promise<void> {
    const { storage, directory } = this.#options;
    await removeIfThere(storage, joinPath(directory, PREWRITE_NAME));
  }

  /** Removes what a crash may have left of unfinished files. */
  async removeLeftovers(): Promise<void> {
    const { storage, directory } = this.#options;
    await this.removePrepared();
    for (const name of [CHECKPOINT_NAME, RESERVE_NAME]) {
      await removeIfThere(storage, joinPath(directory, name + TEMPORARY_SUFFIX));
    }
  }

  /** Replaces the checkpoint; one replacement at a time, in call order. */
  writeCheckpoint(firstSegmentId: number, firstLsn: number): Promise<void> {
    const { storage, directory, nowMs } = this.#options;
    const bytes = encodeCheckpoint({ firstSegmentId, firstLsn, writtenAtMs: nowMs() });
    const step = this.#checkpointing.then(async () => {
      const isReserveKept = await replaceFile(storage, directory, CHECKPOINT_NAME, bytes);
      if (!isReserveKept) this.#hasReserve = false;
      if (!this.#hasReserve) this.#hasReserve = await keepReserve(storage, directory);
    });
    this.#checkpointing = step.catch(() => undefined);
    return step;
  }
}
