/**
 * Cursors: named, durable positions that say who still needs what.
 *
 * A cursor file is replaced as a whole. Acks that arrive while one is being written are merged: the next write carries the
 * highest. A cursor holds space from the moment it is created; its file exists before anything is released.
 */
import { WalError } from "../errors.ts";
import { decodeCursorFile, encodeCursorFile } from "../format/cursor-file.ts";
import { CURSOR_DIRECTORY, CURSOR_SUFFIX, TEMPORARY_SUFFIX } from "../format/segment-name.ts";
import {
  keepReserve,
  listIfThere,
  readSmallFile,
  removeIfThere,
  replaceFile,
} from "../storage/replace-file.ts";
import { joinPath, type Storage } from "../storage/storage.ts";
import { ifThereIsSpace } from "../storage/system-error.ts";

interface CursorState {
  ackedLsn: number;
  durableLsn: number;
  movedAtMs: number;
  isOnDisk: boolean;
  isRemoved: boolean;
  writing: Promise<void> | undefined;
}

/** A cursor as seen from outside. `durableLsn` is what a restart would find. */
export interface CursorPosition {
  readonly name: string;
  readonly ackedLsn: number;
  readonly durableLsn: number;
  /** When it last moved, by the wall clock. */
  readonly movedAtMs: number;
}

export class CursorSet {
  readonly #storage: Storage;
  readonly #directory: string;
  readonly #nowMs: () => number;
  readonly #cursors = new Map<string, CursorState>();
  /** Cursors that had a file when the log was opened. */
  readonly #loaded = new Set<string>();
  #hasDirectory = false;
  #hasReserve = false;

  constructor(storage: Storage, logDirectory: string, nowMs: () => number) {
    this.#storage = storage;
    this.#directory = joinPath(logDirectory, CURSOR_DIRECTORY);
    this.#nowMs = nowMs;
  }

  /**
   * Reads all cursor files and removes unfinished replacements. A damaged file is named and nothing is opened: guessing a
   * position would either lose records or deliver them twice.
   *
   * @param onDamaged - moves a damaged file aside instead; its cursor is then unknown
   */
  async load(onDamaged?: (path: string, name: string) => Promise<void>): Promise<void> {
    const names = await listIfThere(this.#storage, this.#directory);
    if (names === undefined) return;
    // A process that was killed may have renamed a cursor's file and not synced the name: what is read must stay.
    await this.#storage.syncDirectory(this.#directory);
    this.#hasDirectory = true;
    for (const name of names) {
      const path = joinPath(this.#directory, name);
      if (name.endsWith(TEMPORARY_SUFFIX)) await removeIfThere(this.#storage, path);
      else if (name.endsWith(CURSOR_SUFFIX)) await this.#loadOne(name, path, onDamaged);
    }
  }

  positions(): readonly CursorPosition[] {
    return [...this.#cursors]
      .map(([name, cursor]) => positionOf(name, cursor))
      .sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  /** Lowest durable position of all cursors, or `undefined` when there is none and nothing may be released. */
  lowestDurableLsn(): number | undefined {
    let lowest: number | undefined;
    for (const { durableLsn } of this.#cursors.values()) {
      lowest = lowest === undefined ? durableLsn : Math.min(lowest, durableLsn);
    }
    return lowest;
  }

  /** What a restart would find, `undefined` for an unknown cursor. */
  durableLsn(name: string): number | undefined {
    return this.#cursors.get(name)?.durableLsn;
  }

  /** Makes a cursor known, in memory at once: from now on it holds what is behind `ackedLsn`. */
  create(name: string, ackedLsn: number): void {
    if (this.#cursors.has(name)) return;
    this.#cursors.set(name, {
      ackedLsn,
      durableLsn: ackedLsn,
      movedAtMs: this.#nowMs(),
      isOnDisk: false,
      isRemoved: false,
      writing: undefined,
    });
  }

  /**
   * Moves a cursor forward; resolves when a restart would find it at `lsn` or further. Never moves it back.
   *
   * @throws {WalError} `WAL_CURSOR_REMOVED`
   */
  async ack(name: string, lsn: number): Promise<void> {
    const cursor = this.#cursors.get(name);
    if (cursor === undefined) throw removedError(name);
    if (lsn > cursor.ackedLsn) {
      cursor.ackedLsn = lsn;
      cursor.movedAtMs = this.#nowMs();
    }
    // A truncation may move the cursor back meanwhile: then there is nothing left to wait for.
    while (
      !cursor.isRemoved &&
      (cursor.durableLsn < Math.min(lsn, cursor.ackedLsn) || !cursor.isOnDisk)
    ) {
      await this.#writeOnce(name, cursor);
    }
  }

  /** Makes sure that every cursor has its file, so that a release cannot outrun one that is only in memory. */
  async persistAll(): Promise<void> {
    for (const [name, cursor] of this.#cursors) {
      if (!cursor.isOnDisk) await this.ack(name, cursor.ackedLsn);
    }
  }

  /** Forgets a cursor; durable when it resolves. What it alone was holding may be released after that. */
  async remove(name: string): Promise<void> {
    const cursor = this.#cursors.get(name);
    if (cursor === undefined) return;
    // First the mark, then the wait: an ack that is waiting must not begin another write behind us.
    cursor.isRemoved = true;
    await cursor.writing;
    this.#cursors.delete(name);
    if (!this.#hasDirectory) return;
    await removeIfThere(this.#storage, joinPath(this.#directory, name + CURSOR_SUFFIX));
    await this.#storage.syncDirectory(this.#directory);
  }

  /**
   * Moves cursors that lie behind the end of the log back to it: the records they speak of were never durable and are gone, and
   * their LSNs will be given to others. To be called, and awaited, before anything is appended.
   */
  async clampTo(lastLsn: number): Promise<readonly CursorPosition[]> {
    const clamped: CursorPosition[] = [];
    for (const [name, cursor] of this.#cursors) {
      const before = positionOf(name, cursor);
      // First in memory, so that no write that begins from here on can carry the old position.
      cursor.ackedLsn = Math.min(cursor.ackedLsn, lastLsn);
      await cursor.writing;
      if (cursor.durableLsn > lastLsn) await this.#writeOnce(name, cursor);
      if (before.ackedLsn > lastLsn) clamped.push(before);
    }
    return clamped;
  }

  /**
   * As {@link clampTo}, for an opening: cursors stand where the log ends at once, as far as anybody can see. Without space for their
   * files that is made good by {@link persistClamped}.
   */
  async clampOnOpen(lastLsn: number): Promise<void> {
    for (const cursor of this.#cursors.values()) {
      if (cursor.durableLsn <= lastLsn) continue;
      cursor.ackedLsn = lastLsn;
      cursor.durableLsn = lastLsn;
      cursor.isOnDisk = false;
    }
    await ifThereIsSpace(() => this.persistClamped());
  }

  /**
   * To be awaited before anything is appended: LSNs of records that a power loss has taken are about to be given out again, and no
   * cursor file may still claim them.
   */
  async persistClamped(): Promise<void> {
    for (const [name, cursor] of this.#cursors) {
      if (!cursor.isOnDisk && this.#loaded.has(name)) await this.#writeOnce(name, cursor);
    }
  }

  /** Moves cursors that stand before `lsn` up to it: what they held is being dropped on purpose. Durable when it resolves. */
  async raiseTo(lsn: number): Promise<readonly CursorPosition[]> {
    const raised: CursorPosition[] = [];
    for (const [name, cursor] of this.#cursors) {
      if (cursor.ackedLsn >= lsn) continue;
      raised.push(positionOf(name, cursor));
      await this.ack(name, lsn);
    }
    return raised;
  }

  /** One replacement of a cursor's file at a time; whoever comes meanwhile waits for the one under way. */
  #writeOnce(name: string, cursor: CursorState): Promise<void> {
    cursor.writing ??= this.#write(name, cursor).finally(() => {
      cursor.writing = undefined;
    });
    return cursor.writing;
  }

  async #write(name: string, cursor: CursorState): Promise<void> {
    const ackedLsn = cursor.ackedLsn;
    if (!this.#hasDirectory) {
      await this.#storage.ensureDirectory(this.#directory);
      this.#hasDirectory = true;
    }
    // It may have found no room, or have given its own away, when the disk was full.
    if (!this.#hasReserve) this.#hasReserve = await keepReserve(this.#storage, this.#directory);
    const bytes = encodeCursorFile({ name, ackedLsn, writtenAtMs: this.#nowMs() });
    const fileName = name + CURSOR_SUFFIX;
    const isReserveKept = await replaceFile(this.#storage, this.#directory, fileName, bytes);
    if (!isReserveKept) this.#hasReserve = false;
    cursor.durableLsn = ackedLsn;
    cursor.isOnDisk = true;
  }

  async #loadOne(
    fileName: string,
    path: string,
    onDamaged: ((path: string, name: string) => Promise<void>) | undefined,
  ): Promise<void> {
    const bytes = await readSmallFile(this.#storage, path);
    if (bytes === undefined) return;
    const result = decodeCursorFile(bytes);
    if (result.kind === "unsupported-version") {
      throw new WalError(
        "WAL_UNSUPPORTED_FORMAT",
        `${path}: cursor format ${result.version} is newer than this version of Walnut understands; upgrade`,
        { details: { path, version: result.version } },
      );
    }
    const name = fileName.slice(0, -CURSOR_SUFFIX.length);
    if (result.kind === "invalid" || result.cursor.name !== name) {
      if (onDamaged !== undefined) {
        await onDamaged(path, name);
        return;
      }
      throw new WalError(
        "WAL_CORRUPT",
        `${path}: the cursor file is damaged; restore it, or remove it if its owner may start again from the first record`,
        { details: { path } },
      );
    }
    const { ackedLsn, writtenAtMs } = result.cursor;
    this.#loaded.add(name);
    this.#cursors.set(name, {
      ackedLsn,
      durableLsn: ackedLsn,
      movedAtMs: writtenAtMs,
      isOnDisk: true,
      isRemoved: false,
      writing: undefined,
    });
  }
}

function removedError(name: string): WalError {
  return new WalError(
    "WAL_CURSOR_REMOVED",
    `the cursor ${name} has been removed; ask the log for cursor("${name}") again if it is still needed: it then holds every record`,
    { details: { cursor: name } },
  );
}

function positionOf(name: string, cursor: CursorState): CursorPosition {
  const { ackedLsn, durableLsn, movedAtMs } = cursor;
  return { name, ackedLsn, durableLsn, movedAtMs };
}
