/**
 * openWal: the composition root. Options, then storage and lock, then recovery, then the parts of a `Wal`.
 *
 * The only file of the engine that knows real clocks, timers and randomness.
 */
import { randomBytes } from "node:crypto";
import { CodecRegistry } from "./codec/codecs.ts";
import { GroupCommit, type CommitFailure } from "./commit/group-commit.ts";
import type { WalEnvironment } from "./environment.ts";
import { keySource } from "./encryption/encryption-options.ts";
import { FrameEncryptor } from "./encryption/frame-cipher.ts";
import { Keyring } from "./encryption/keyring.ts";
import { isWalError, WalError } from "./errors.ts";
import { FRAME_HEADER_BYTES } from "./format/frame.ts";
import { RECORD_HEAD_BYTES } from "./format/record.ts";
import { CursorSet } from "./log/cursors.ts";
import { LogReader } from "./log/log-reader.ts";
import { SegmentedLog } from "./log/segmented-log.ts";
import { resolveWalOptions, type ResolvedWalOptions, type WalOptions } from "./options.ts";
import { planRecovery, type RecoveryPlan } from "./recovery/recover.ts";
import { quarantineCursor, salvageSegments } from "./recovery/salvage.ts";
import { readKeyFile } from "./storage/node-key-file.ts";
import { NodeStorage } from "./storage/node-storage.ts";
import { asWalError, NoSpaceError } from "./storage/system-error.ts";
import type { DirectoryLock, Storage } from "./storage/storage.ts";
import { Wal } from "./wal.ts";
import type { RecoveryReport } from "./wal-status.ts";

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

/** Real disk, clocks, timers and randomness. */
export function nodeEnvironment(): WalEnvironment {
  return {
    storage: new NodeStorage(),
    nowMs: () => Date.now(),
    monotonicMs: () => performance.now(),
    setTimer: (delayMs, callback) => {
      // A longer delay would overflow and fire at once; those who wait longer look at the time and set another timer.
      const timer = setTimeout(callback, Math.min(delayMs, MAX_TIMER_MS));
      timer.unref();
      return { cancel: () => clearTimeout(timer) };
    },
    defer: (callback) => {
      setImmediate(callback);
    },
    randomBytes: (length) => randomBytes(length),
    readKeyFile,
  };
}

async function openLocked(
  environment: WalEnvironment,
  options: ResolvedWalOptions,
  lock: DirectoryLock,
): Promise<Wal> {
  const { storage } = environment;
  const { directory, codec } = options;
  const startedMs = environment.monotonicMs();
  const codecs = new CodecRegistry();
  const writeCodec = codec === "none" ? undefined : await codecs.load(codec);
  const { keyring, encryptor } = await openKeyring(environment, options);

  const isSalvage = options.recovery === "salvage";
  const salvageOptions = {
    storage,
    directory,
    nowMs: () => wholeMs(environment),
    randomBytes: (length: number) => environment.randomBytes(length),
  };
  const salvage = isSalvage ? await salvageSegments(salvageOptions) : undefined;
  const plan = await planRecovery({
    storage,
    directory,
    mode: options.recovery === "default" ? "default" : "strict",
    acceptsMissingTail: salvage?.isTailMissing === true,
    onProgress: options.onRecoveryProgress,
  });
  const cursors = new CursorSet(storage, directory, () => wholeMs(environment));
  await cursors.load(
    isSalvage
      ? async (path, name) => {
          await quarantineCursor(salvageOptions, path, name);
        }
      : undefined,
  );
  const log = await SegmentedLog.apply(
    {
      storage,
      directory,
      segmentSizeBytes: options.segmentSizeBytes,
      prewriteStepBytes: options.prewriteBytes,
      syncKind: options.durability === "fsync" ? "all" : "data",
      codec: writeCodec,
      encryptor,
      keyring,
      nowMs: () => wholeMs(environment),
      randomBytes: (length) => environment.randomBytes(length),
      // Before anything is appended: LSNs of records that a power loss has taken are about to be given out again.
      beforeFirstSegment: (lastLsn) => cursors.clampTo(lastLsn),
    },
    plan,
  );
  await assertKeysFit(storage, log, codecs, keyring);
  const commit = new GroupCommit({
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
      return commitFailure(directory, cause, log.nextLsn);
    },
  });
  const durationMs = environment.monotonicMs() - startedMs;
  const recovery = { ...report(plan, log, durationMs), salvage };
  return new Wal({ options, environment, lock, log, commit, cursors, codecs, keyring, recovery });
}

/** Loads the key for new frames before anything is written: without it the log does not open. */
async function openKeyring(
  environment: WalEnvironment,
  { encryption }: ResolvedWalOptions,
): Promise<{ readonly keyring: Keyring; readonly encryptor: FrameEncryptor | undefined }> {
  if (encryption === undefined) return { keyring: new Keyring(undefined), encryptor: undefined };
  const { keyId, lookup } = await keySource(encryption, environment.readKeyFile);
  const keyring = new Keyring(lookup);
  await keyring.load(keyId);
  const encryptor = new FrameEncryptor(keyring, keyId, (length) => environment.randomBytes(length));
  return { keyring, encryptor };
}

/**
 * Refuses keys that do not open the newest record: a log must not go on under another key of the same id, nor in clear text
 * because the option was forgotten. Whatever else is wrong with that record is for those who read it.
 */
async function assertKeysFit(
  storage: Storage,
  log: SegmentedLog,
  codecs: CodecRegistry,
  keyring: Keyring,
): Promise<void> {
  const newestLsn = log.nextLsn - 1;
  if (newestLsn < log.state.firstLsn) return;
  const reader = new LogReader({
    storage,
    state: () => log.state,
    codecs,
    keyring,
    fromLsn: newestLsn,
    visibility: "written",
    onGap: () => undefined,
  });
  try {
    await reader.next();
    await reader.close();
  } catch (error) {
    await reader.close().catch(() => undefined);
    if (!isWalError(error, "WAL_KEY_MISSING") && !isWalError(error, "WAL_KEY_WRONG")) return;
    await log.abandon();
    throw error;
  }
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

function report(
  plan: RecoveryPlan,
  log: SegmentedLog,
  durationMs: number,
): Omit<RecoveryReport, "salvage"> {
  const { doubtful } = plan;
  return {
    segments: plan.closed.length,
    records: log.nextLsn - log.state.firstLsn,
    scannedBytes: plan.scannedBytes,
    durationMs,
    tornTailBytes: plan.tornTailBytes,
    rewrittenRecords: doubtful === undefined ? 0 : doubtful.end.nextLsn - doubtful.from.nextLsn,
    verdict: plan.verdict,
  };
}

/** What those who waited get, and what everybody later gets. */
function commitFailure(directory: string, cause: unknown, nextLsn: number): CommitFailure {
  if (cause instanceof NoSpaceError) {
    const what = `no space for the log ${directory}; make room, writing resumes by itself`;
    return { first: asWalError(cause.cause, what), later: undefined, nextLsn };
  }
  const first = asWalError(
    cause,
    `writing to the log ${directory} failed; nothing is written any more`,
  );
  const later = new WalError(
    "WAL_POISONED",
    `the log ${directory} takes no more records: ${first.message}; close it and open it again, recovery decides what is there`,
    { details: { path: directory }, cause },
  );
  return { first, later, nextLsn };
}

function overloadedError(options: ResolvedWalOptions, pendingBytes: number): WalError {
  return new WalError(
    "WAL_OVERLOADED",
    `${pendingBytes} bytes wait for the disk and maxPendingBytes is ${options.maxPendingBytes}: wait for appends before making more`,
    { details: { pendingBytes, maxPendingBytes: options.maxPendingBytes } },
  );
}

function wholeMs(environment: WalEnvironment): number {
  return Math.max(0, Math.floor(environment.nowMs()));
}
