/**
 * openWal: the composition root. Options, then storage and lock, then recovery, then the parts of a `Wal`.
 *
 * The only file of the engine that knows real clocks, timers and randomness.
 */
import { randomBytes } from "node:crypto";
import type { BackupProgress } from "./backup/backup.ts";
import { copyLog } from "./backup/restore.ts";
import type { GuardedCommit } from "./capacity/guarded-commit.ts";
import { CodecRegistry } from "./codec/codecs.ts";
import { commitFailure, overloadedError } from "./commit-failure.ts";
import { GroupCommit } from "./commit/group-commit.ts";
import type { WalEnvironment } from "./environment.ts";
import { WalError } from "./errors.ts";
import { FRAME_HEADER_BYTES } from "./format/frame.ts";
import { RECORD_HEAD_BYTES } from "./format/record.ts";
import { Retention } from "./log/retention.ts";
import type { SegmentedLog } from "./log/segmented-log.ts";
import { guardOf } from "./open-guard.ts";
import { openKeyring } from "./open-keyring.ts";
import { WalObserver } from "./observe/wal-observer.ts";
import {
  resolveWalOptions,
  type RecoverUntil,
  type ResolvedWalOptions,
  type WalOptions,
} from "./options.ts";
import { recoverLog } from "./recover-log.ts";
import { closedError } from "./refusals.ts";
import { readKeyFile } from "./storage/node-key-file.ts";
import { NodeStorage } from "./storage/node-storage.ts";
import type { DirectoryLock, Storage } from "./storage/storage.ts";
import { asWalError } from "./storage/system-error.ts";
import { UNKNOWN_VOLUME, volumeStatus, type VolumeStatus } from "./survival.ts";
import { Wal } from "./wal.ts";
import type { WalPositions } from "./wal-status.ts";

/** Frames are closed at this size, so that one bad bit costs little and a scan needs little memory. */
const TARGET_FRAME_BODY_BYTES = 128 * 1024; // 128 KiB
const BUFFER_COUNT = 3;
const MAX_TIMER_MS = 2 ** 31 - 1;

/**
 * Opens a log for writing, recovers it, and takes the one writer's lock on its directory.
 *
 * Creates the directory when it is not there. When this resolves, everything that was acknowledged before is readable.
 *
 * @throws {WalError} `WAL_INVALID_OPTION`, `WAL_LOCKED`, `WAL_CORRUPT`, `WAL_UNSUPPORTED_FORMAT`, `WAL_CODEC_MISSING`,
 * `WAL_KEY_MISSING`, `WAL_KEY_WRONG`, `WAL_NO_SPACE`, `WAL_IO`
 */
export async function openWal(options: WalOptions): Promise<Wal> {
  return await openWalWith(nodeEnvironment(), options);
}

/** As {@link openWal}, in a given environment: for simulated disks and clocks. */
export async function openWalWith(environment: WalEnvironment, options: WalOptions): Promise<Wal> {
  const resolved = resolveWalOptions(options);
  const { storage } = environment;
  try {
    await storage.ensureDirectory(resolved.directory);
    const lock = await takeLock(environment, resolved.directory);
    try {
      return await openLocked(environment, resolved, lock);
    } catch (error) {
      await lock.release();
      throw error;
    }
  } catch (error) {
    throw asWalError(error, `cannot open the log ${resolved.directory}`);
  }
}

/**
 * Copies a backup into a new directory and leaves it there as a closed log, up to an LSN or a time if so wanted.
 *
 * @throws {WalError} `WAL_INVALID_OPTION` when the directory is not empty, `WAL_CORRUPT` when the backup is incomplete or damaged, and
 * as {@link openWal}
 */
export async function restoreWal(options: RestoreOptions): Promise<WalPositions> {
  const environment = nodeEnvironment();
  const { backup, directory, until, onProgress } = options;
  try {
    await copyLog(environment.storage, backup, directory, onProgress);
  } catch (error) {
    throw asWalError(error, `restoring ${backup} into ${directory} failed`);
  }
  const wal = await openWalWith(environment, {
    ...options.open,
    directory,
    recovery: "strict",
    ...(until === undefined ? {} : { recoverUntil: until }),
  });
  const positions = wal.positions;
  await wal.close();
  return positions;
}

export interface RestoreOptions {
  /** Directory of the backup; only read. */
  readonly backup: string;
  /** Directory of the new log; empty or missing. */
  readonly directory: string;
  readonly until?: RecoverUntil | undefined;
  /** Options that opening the log needs, such as `encryption`. */
  readonly open?: Omit<WalOptions, "directory" | "recovery" | "recoverUntil"> | undefined;
  readonly onProgress?: BackupProgress | undefined;
}

/** Real disk, clocks, timers and randomness. */
export function nodeEnvironment(): WalEnvironment {
  return {
    storage: new NodeStorage(),
    nowMs: () => Date.now(),
    monotonicMs: () => performance.now(),
    setTimer: (delayMs, callback, keepsAlive = false) => {
      // A longer delay would overflow and fire at once; those who wait longer look at the time and set another timer.
      const timer = setTimeout(callback, Math.min(delayMs, MAX_TIMER_MS));
      if (!keepsAlive) timer.unref();
      return { cancel: () => clearTimeout(timer) };
    },
    defer: (callback) => {
      setImmediate(callback);
    },
    randomBytes: (length) => randomBytes(length),
    readKeyFile,
  };
}

async function takeLock(environment: WalEnvironment, directory: string): Promise<DirectoryLock> {
  const lock = await environment.storage.lockDirectory(directory);
  if (lock.kind === "held") return lock;
  throw new WalError(
    "WAL_LOCKED",
    `the log ${directory} is open for writing already: ${lock.owner}; stop it, or use another directory`,
    { details: { path: directory, owner: lock.owner } },
  );
}

async function openLocked(
  environment: WalEnvironment,
  options: ResolvedWalOptions,
  lock: DirectoryLock,
): Promise<Wal> {
  const codecs = new CodecRegistry();
  const observer = new WalObserver(options.directory, () => environment.monotonicMs());
  const aids = { codecs, observer, ...(await openKeyring(environment, options)) };
  const { log, cursors, recovery } = await recoverLog(environment, options, aids);
  let guard: GuardedCommit | undefined;
  try {
    const commit = groupCommitOf(environment, options, log, observer);
    const retention = new Retention(cursors, log);
    guard = await guardOf(environment, options, { commit, log, retention });
    const volume = await volumeOf(environment.storage, options.directory);
    const parts = { options, environment, lock, log, commit, guard, retention, cursors, volume };
    const wal = new Wal({ ...parts, ...aids, recovery });
    if (options.recoverUntil !== undefined) await wal.recoverUntil(options.recoverUntil);
    observer.recovered(recovery);
    return wal;
  } catch (error) {
    guard?.close(closedError(options.directory));
    await log.abandon();
    throw error;
  }
}

/** Only for status: a log opens on a volume that cannot be described. */
async function volumeOf(storage: Storage, directory: string): Promise<VolumeStatus> {
  try {
    return volumeStatus(await storage.describeVolume(directory));
  } catch {
    return UNKNOWN_VOLUME;
  }
}

function groupCommitOf(
  environment: WalEnvironment,
  options: ResolvedWalOptions,
  log: SegmentedLog,
  observer: WalObserver,
): GroupCommit {
  return new GroupCommit({
    sink: (buffers, durable) => log.write(buffers, durable),
    geometry: {
      frameHeaderBytes: FRAME_HEADER_BYTES,
      recordHeadBytes: RECORD_HEAD_BYTES,
      targetBodyBytes: Math.min(TARGET_FRAME_BODY_BYTES, Math.floor(options.segmentSizeBytes / 4)),
    },
    bufferSizeBytes: options.bufferSizeBytes,
    bufferCount: BUFFER_COUNT,
    maxPendingBytes: options.maxPendingBytes,
    nextLsn: log.nextLsn,
    defer: (callback) => environment.defer(callback),
    overloaded: (pendingBytes) => overloadedError(options, pendingBytes),
    onFailure: (cause) => {
      log.notify();
      const failure = commitFailure(options.directory, cause, log.nextLsn);
      const { code, message } = failure.first;
      const isFinal = failure.later !== undefined;
      return { ...failure, afterwards: () => observer.failed({ code, message, isFinal }) };
    },
  });
}
