/**
 * A disk in memory that keeps apart what was written and what is durable, and can lose the difference.
 *
 * It implements `Storage` of @walnut/wal and keeps exactly the promises written there; what is not promised
 * is taken away by {@link SimulatedDisk.afterPowerLoss}:
 *
 * - a write that no sync covered: each 512-byte sector kept, lost or torn on its own, in any order;
 * - a length that no sync covered: old, new, or a block boundary in between;
 * - a creation, rename or removal that no directory sync covered: any subset undone (a file whose entry was
 *   never synced is gone, whatever was synced inside it);
 * - a call in flight: happened wholly, partly or not at all;
 * - a sync covers only what had taken effect when it was *called*;
 * - a durable write settles its own bytes and nothing else.
 *
 * {@link SimulatedDisk.afterProcessCrash} is kill -9: all that took effect stays, but stays as little durable
 * as it was. A failed sync is modelled in `simulated-file.ts`.
 *
 * Every call is an event, numbered from 1 in the order in which calls take effect. The disk also watches its
 * user: a buffer changed while its write is in flight, and two writes in flight on the same bytes, are
 * recorded in {@link SimulatedDisk.violations}.
 */

import type {
  DirectoryLock,
  DirectoryLockRefusal,
  Storage,
  StorageFile,
  VolumeFacts,
} from "@walnut/wal";

import { CallQueue, crashedError, type DiskEvent } from "./call-queue.ts";
import { immediateScheduler, type CallScheduler } from "./call-scheduler.ts";
import {
  ExhaustiveChooser,
  LoseAllChooser,
  RandomChooser,
  type CrashChooser,
} from "./crash-choice.ts";
import {
  crashStateCountOf,
  treeAfterPowerLoss,
  treeAfterProcessCrash,
  type RunningDisk,
} from "./crashed-tree.ts";
import { isMutating } from "./in-flight-call.ts";
import type { SeededRandom } from "./seeded-random.ts";
import { SimulatedFile } from "./simulated-file.ts";
import { SimulatedHandle, type HandleHost } from "./simulated-handle.ts";
import { normalizePath, SimulatedTree } from "./simulated-tree.ts";
import { formatStorageCall, StorageError, type StorageCall } from "./storage-call.ts";

/** What a disk can be made with. */
export interface SimulatedDiskOptions {
  /** When calls take effect. Default: in order, as microtasks. */
  readonly scheduler?: CallScheduler;
  /** Writes that would need more than this fail with ENOSPC after a short write. Default: unlimited. */
  readonly capacityBytes?: number;
  /** Opening more files than this at once fails with EMFILE. Default: unlimited. */
  readonly maxOpenFiles?: number;
}

/** An in-memory `Storage` that crashes. */
export class SimulatedDisk implements Storage {
  /** See {@link SimulatedDiskOptions.capacityBytes}; may be changed at any time. */
  capacityBytes: number;
  /** See {@link SimulatedDiskOptions.maxOpenFiles}; may be changed at any time. */
  maxOpenFiles: number;
  /** What the disk says that it is; may be changed at any time. */
  volume: Partial<Pick<VolumeFacts, "type" | "isVolatile" | "isNetwork">> = {};

  #tree = new SimulatedTree();
  readonly #calls: CallQueue;
  readonly #locks = new Set<string>();
  readonly #handles = new Set<SimulatedHandle>();
  #sequence = 0;
  #changes = 0;
  readonly #host: HandleHost = {
    submit: (call, effect, parts) => this.#calls.submit(call, effect, parts),
    nextSequence: () => this.#nextSequence(),
    lastSequence: () => this.#sequence,
    noteSettled: () => {
      this.#changes += 1;
    },
    roomFor: (file, endBytes) => this.#roomFor(file, endBytes),
    forget: (handle) => void this.#handles.delete(handle),
  };

  constructor(options: SimulatedDiskOptions = {}) {
    this.#calls = new CallQueue(options.scheduler ?? immediateScheduler);
    this.capacityBytes = options.capacityBytes ?? Number.POSITIVE_INFINITY;
    this.maxOpenFiles = options.maxOpenFiles ?? Number.POSITIVE_INFINITY;
  }

  // --- Storage -------------------------------------------------------------------------------------------

  ensureDirectory(path: string): Promise<void> {
    const at = normalizePath(path);
    return this.#calls.submit({ kind: "ensureDirectory", path: at }, (call) => {
      if (this.#tree.ensureDirectory(at, call) > 0) this.#changes += 1;
    });
  }

  listDirectory(path: string): Promise<readonly string[]> {
    const at = normalizePath(path);
    return this.#calls.submit({ kind: "listDirectory", path: at }, (call) =>
      // "In no particular order": neither sorted nor by age, so that nobody comes to rely on it.
      sortedFromTheEnd(this.#tree.list(at, call)),
    );
  }

  syncDirectory(path: string): Promise<void> {
    const at = normalizePath(path);
    const covered = this.#sequence;
    return this.#calls.submit({ kind: "syncDirectory", path: at }, (call) => {
      this.#tree.settle(at, covered, call);
      this.#changes += 1;
    });
  }

  createFile(path: string): Promise<StorageFile> {
    const at = normalizePath(path);
    return this.#calls.submit({ kind: "createFile", path: at }, (call) => {
      this.#tree.assertCanCreate(at, call);
      this.#assertCanOpen(call);
      const file = new SimulatedFile();
      this.#tree.create(at, file, this.#nextSequence(), call);
      return this.#open(path, file, "write");
    });
  }

  openFile(path: string, mode: "read" | "write"): Promise<StorageFile> {
    const at = normalizePath(path);
    return this.#calls.submit({ kind: "openFile", path: at, mode }, (call) => {
      const file = this.#tree.find(at, call);
      this.#assertCanOpen(call);
      return this.#open(path, file, mode);
    });
  }

  rename(from: string, to: string): Promise<void> {
    const path = normalizePath(from);
    const target = normalizePath(to);
    return this.#calls.submit({ kind: "rename", path, to: target }, (call) => {
      this.#tree.rename(path, target, this.#nextSequence(), call);
    });
  }

  remove(path: string): Promise<void> {
    const at = normalizePath(path);
    return this.#calls.submit({ kind: "remove", path: at }, (call) => {
      this.#tree.remove(at, this.#nextSequence(), call);
    });
  }

  lockDirectory(path: string): Promise<DirectoryLock | DirectoryLockRefusal> {
    const at = normalizePath(path);
    return this.#calls.submit({ kind: "lockDirectory", path: at }, (call) => {
      if (!this.#tree.hasDirectory(at)) throw new StorageError("ENOENT", call);
      if (this.#locks.has(at)) return { kind: "refused", owner: "another user of this disk" };
      this.#locks.add(at);
      let isHeld = true;
      return {
        kind: "held",
        release: () =>
          this.#calls.submit({ kind: "releaseLock", path: at }, () => {
            if (isHeld) this.#locks.delete(at);
            isHeld = false;
          }),
      };
    });
  }

  /** No event: it changes nothing, and nothing that it tells depends on calls in flight. */
  describeVolume(path: string): Promise<VolumeFacts> {
    const call: StorageCall = { kind: "describeVolume", path: normalizePath(path) };
    if (this.isDead) return Promise.reject(crashedError(call));
    if (!this.#tree.hasDirectory(call.path) && this.peek(call.path) === undefined) {
      return Promise.reject(new StorageError("ENOENT", call));
    }
    const totalBytes = Math.min(this.capacityBytes, Number.MAX_SAFE_INTEGER);
    const freeBytes = Math.max(0, totalBytes - this.usedBytes);
    return Promise.resolve({
      type: "simulated",
      isVolatile: false,
      isNetwork: false,
      ...this.volume,
      freeBytes,
      totalBytes,
    });
  }

  // --- Watching ------------------------------------------------------------------------------------------

  /** Misuse by the caller, in words. A test that ends with violations has failed. */
  get violations(): readonly string[] {
    return this.#calls.violations;
  }

  /** Called before each call takes effect. */
  set onEvent(listener: (event: DiskEvent) => void) {
    this.#calls.onEvent = listener;
  }

  /** How many calls have taken effect. */
  get events(): number {
    return this.#calls.events;
  }

  /** The lengths of all files together. */
  get usedBytes(): number {
    return this.#tree.entries().reduce((sum, [, file]) => sum + file.lengthBytes, 0);
  }

  /** Calls made that have not taken effect, in words. */
  get inFlight(): string[] {
    return [...this.#calls.inFlight].map((entry) => formatStorageCall(entry.call));
  }

  /** Paths of the handles that are open. */
  get openFiles(): string[] {
    return [...this.#handles].map((handle) => handle.path);
  }

  /** Directories that are locked. */
  get lockedDirectories(): string[] {
    return [...this.#locks];
  }

  /** True after {@link crash}, {@link processCrash} or the event of {@link crashBefore}. */
  get isDead(): boolean {
    return this.#calls.isDead;
  }

  /** Changes whenever a crash now could leave something else than a crash before. */
  get changeStamp(): string {
    let stamp = String(this.#changes);
    for (const entry of this.#calls.inFlight) {
      if (isMutating(entry)) stamp += `,${entry.callNumber}`;
    }
    return stamp;
  }

  /** Content of a file as programs see it now, or `undefined`. No event. */
  peek(path: string): Uint8Array | undefined {
    const at = normalizePath(path);
    return this.#tree
      .entries()
      .find(([name]) => name === at)?.[1]
      .content();
  }

  /** All files as programs see them now: path and content, sorted. No events. */
  snapshot(): [path: string, content: Uint8Array][] {
    return this.#tree.entries().map(([path, file]) => [path, file.content()]);
  }

  /** True when this directory exists. No event. */
  hasDirectory(path: string): boolean {
    return this.#tree.hasDirectory(normalizePath(path));
  }

  /** Puts a durable file there, for tests that start from given bytes. No event. */
  plant(path: string, content: Uint8Array): void {
    const at = normalizePath(path);
    const call: StorageCall = { kind: "createFile", path: at };
    const directory = normalizePath(
      at.slice(0, Math.max(at.lastIndexOf("/"), at.startsWith("/") ? 1 : 0)),
    );
    this.#tree.ensureDirectory(directory, call);
    this.#tree.create(at, new SimulatedFile(content.slice()), this.#nextSequence(), call);
    this.#tree.settle(directory, this.#sequence, call);
  }

  // --- Crashing ------------------------------------------------------------------------------------------

  /** The disk dies instead of letting event `number` (counted from 1) take effect. */
  crashBefore(number: number): void {
    this.#calls.crashEvent = number;
  }

  /** Power loss, decided by a random stream. This disk is dead; the answer is what a restart finds. */
  crash(options: { readonly random: SeededRandom; readonly tearSectors?: boolean }): SimulatedDisk {
    const image = this.afterPowerLoss(new RandomChooser(options.random, options));
    this.#calls.die();
    return image;
  }

  /** Kill -9. This disk is dead; the answer still has what was written, no more durable than before. */
  processCrash(options: { readonly random: SeededRandom }): SimulatedDisk {
    const image = this.afterProcessCrash(new RandomChooser(options.random));
    this.#calls.die();
    return image;
  }

  /** What a power loss now could leave, as a new disk. This one stays as it is. */
  afterPowerLoss(chooser: CrashChooser): SimulatedDisk {
    return this.#reborn(treeAfterPowerLoss(this.#running, chooser));
  }

  /** What kill -9 now could leave, as a new disk: calls in flight happened wholly, partly or not at all. */
  afterProcessCrash(chooser: CrashChooser): SimulatedDisk {
    const disk = this.#reborn(treeAfterProcessCrash(this.#running, chooser));
    disk.#sequence = this.#sequence + this.#calls.inFlight.size;
    return disk;
  }

  /** An upper bound of the different disks that {@link enumerateCrashes} would go through. */
  crashStateCount(): number {
    return crashStateCountOf(this.#running);
  }

  /**
   * Every disk that a power loss now could leave (without torn sectors), up to `limit`.
   *
   * @returns (at the end) whether that was all of them
   */
  *enumerateCrashes(limit: number): Generator<SimulatedDisk, { readonly isComplete: boolean }> {
    const chooser = new ExhaustiveChooser();
    for (let count = 0; count < limit; count += 1) {
      yield this.afterPowerLoss(chooser);
      if (!chooser.advance()) return { isComplete: true };
    }
    return { isComplete: false };
  }

  // --- Inside --------------------------------------------------------------------------------------------

  #nextSequence(): number {
    this.#sequence += 1;
    this.#changes += 1;
    return this.#sequence;
  }

  #assertCanOpen(call: StorageCall): void {
    if (this.#handles.size >= this.maxOpenFiles) throw new StorageError("EMFILE", call);
  }

  #open(path: string, file: SimulatedFile, mode: "read" | "write"): StorageFile {
    const handle = new SimulatedHandle(this.#host, { path, file, mode });
    this.#handles.add(handle);
    return handle;
  }

  /** How far a growth to `endBytes` can go. */
  #roomFor(file: SimulatedFile, endBytes: number): number {
    if (this.capacityBytes === Number.POSITIVE_INFINITY) return endBytes;
    const usedByOthers = this.usedBytes - file.lengthBytes;
    return Math.max(file.lengthBytes, Math.min(endBytes, this.capacityBytes - usedByOthers));
  }

  get #running(): RunningDisk {
    return { tree: this.#tree, calls: this.#calls.inFlight, sequence: this.#sequence };
  }

  /** Another disk of this kind that holds `tree`. */
  #reborn(tree: SimulatedTree, scheduler: CallScheduler = immediateScheduler): SimulatedDisk {
    const { capacityBytes, maxOpenFiles } = this;
    const disk = new SimulatedDisk({ scheduler, capacityBytes, maxOpenFiles });
    disk.volume = this.volume;
    disk.#tree = tree;
    return disk;
  }

  /** The same disk under another scheduler: the next life of an image, before its first call. */
  withScheduler(scheduler: CallScheduler): SimulatedDisk {
    const disk = this.#reborn(this.#tree, scheduler);
    disk.#sequence = this.#sequence;
    this.#calls.die();
    return disk;
  }

  /** What remains when nothing but the promised survives, as a new disk. */
  onlyDurable(): SimulatedDisk {
    return this.afterPowerLoss(new LoseAllChooser());
  }
}

function sortedFromTheEnd(names: readonly string[]): string[] {
  const keyed = names.map((name) => ({ name, key: [...name].toReversed().join("") }));
  return keyed.sort((left, right) => (left.key < right.key ? -1 : 1)).map(({ name }) => name);
}
