/**
 * What workers ask each other about their logs, and how a worker answers for its shards.
 *
 * Every answer is a list with one entry per shard of the worker: its own, and those it has adopted. Answers are plain
 * data that JSON carries; the wording for people is in wal-report.ts.
 */
import type { SpaceHolder, WalStatus } from "@walnut/wal";
import { ServerError } from "../errors.ts";
import { freeBytesOf } from "../free-bytes.ts";
import { REFUSAL_IS_TOLD_MS } from "../log-room.ts";
import { RecoveryHistory, type StartNote } from "../recovery-history.ts";
import type { ResolvedServerOptions } from "../server-options.ts";
import type { ServerStorage } from "../server-storage.ts";
import type { ShardStorage } from "../shard-storage.ts";
import type { Question, WorkerGroup } from "../workers/worker-group.ts";
import { asWriteError } from "../write-path.ts";
import {
  archivedSegments,
  chooseForCleanup,
  fileFacts,
  removeFiles,
  type CleanupCandidate,
  type WalFileFacts,
} from "./archived-segments.ts";
import { LogVerifier, type ShardVerification } from "./log-verifier.ts";
import { findWalProblems, type WalProblem } from "./wal-health.ts";

/** What every entry of an answer says first. */
interface OfShard {
  readonly shard: number;
}

/** The log of a shard as it is now. */
export interface ShardLog extends OfShard {
  readonly status: WalStatus;
  readonly durabilityText: string;
  /** Rows up to this LSN are in Parquet. */
  readonly flushedLsn: number;
  readonly groups: number;
  readonly waiters: number;
  readonly syncMs: SyncTimes;
  readonly spaceHolder?: SpaceHolder | undefined;
}

/** Times of syncs since the start, in milliseconds; a percentile is the upper bound of its bucket. */
export interface SyncTimes {
  readonly count: number;
  readonly mean: number;
  readonly p50: number;
  readonly p99: number;
  readonly max: number;
}

/** Files of a log. */
export interface ShardFiles extends OfShard {
  readonly directory: string;
  readonly active: readonly WalFileFacts[];
  readonly recovered: readonly WalFileFacts[];
}

/** Problems of a shard, and the numbers they were judged by. */
export interface ShardHealth extends OfShard {
  readonly problems: readonly WalProblem[];
  readonly segments: number;
  readonly sizeBytes: number;
  /** `null` when the system does not say. */
  readonly freeBytes: number | null;
  readonly memoryBytes: number;
  readonly unflushedRecords: number;
  readonly flushFailures: number;
  readonly appendedRecords: number;
  readonly syncs: number;
}

/** Starts of a shard, newest first; `unreadable` says why there are none. */
export interface ShardStarts extends OfShard {
  readonly starts: readonly StartNote[];
  readonly unreadable?: string | undefined;
}

/** What a cleanup removed, or would. */
export interface ShardCleanup extends OfShard {
  readonly files: readonly CleanupCandidate[];
}

/** What a rotation did. */
export interface ShardRotation extends OfShard {
  readonly sealed: string | null;
  readonly segments: number;
}

/** What a flush did. */
export interface ShardFlush extends OfShard {
  readonly flushedLsn: number;
  readonly rows: number;
  readonly files: number;
}

export const WAL_LOGS: Question<object, readonly ShardLog[]> = { name: "wal-logs" };
export const WAL_FILES: Question<object, readonly ShardFiles[]> = { name: "wal-files" };
export const WAL_HEALTH: Question<object, readonly ShardHealth[]> = { name: "wal-health" };
export const WAL_STARTS: Question<object, readonly ShardStarts[]> = { name: "wal-starts" };
export const WAL_CLEANUP: Question<
  { readonly maxAgeMs: number; readonly isDryRun: boolean },
  readonly ShardCleanup[]
> = { name: "wal-cleanup" };
export const WAL_ROTATE: Question<object, readonly ShardRotation[]> = { name: "wal-rotate" };
export const WAL_FLUSH: Question<object, readonly ShardFlush[]> = { name: "wal-flush" };
export const WAL_VERIFY: Question<object, readonly ShardVerification[]> = { name: "wal-verify" };

/** What answering needs. */
export interface WalAnswersOptions {
  readonly storage: () => ServerStorage;
  readonly options: ResolvedServerOptions;
  /** Absolute path. */
  readonly dataDirectory: string;
  /** Wall clock in milliseconds. */
  readonly nowMs: () => number;
  readonly monotonicMs: () => number;
}

/** Says how this worker answers the questions about logs. */
export function answerWalQuestions(group: WorkerGroup, context: WalAnswersOptions): void {
  const shards = (): readonly ShardStorage[] => context.storage().shards;
  const each = async <Result>(
    answer: (shard: ShardStorage) => Promise<Result> | Result,
  ): Promise<readonly Result[]> => await Promise.all(shards().map(answer));
  const verifier = new LogVerifier(context.monotonicMs);

  group.answer(WAL_LOGS, () => shards().map(logOf));
  group.answer(WAL_FILES, () => each(filesOf));
  group.answer(WAL_HEALTH, () => each((shard) => healthOf(shard, context)));
  group.answer(WAL_STARTS, () => each((shard) => startsOf(shard, context.dataDirectory)));
  group.answer(WAL_CLEANUP, ({ maxAgeMs, isDryRun }) =>
    each(async (shard): Promise<ShardCleanup> => {
      const { directory } = shard.wal.status();
      const all = await archivedSegments(directory);
      const chosen = chooseForCleanup(all, { maxAgeMs, nowMs: context.nowMs() });
      const files = isDryRun ? chosen : await removeFiles(directory, chosen);
      return { shard: shard.shard, files };
    }),
  );
  group.answer(WAL_ROTATE, () => each(rotate));
  group.answer(WAL_FLUSH, () => each(flush));
  group.answer(WAL_VERIFY, () =>
    verifier.verify(
      shards().map(({ shard, wal }) => ({ shard, directory: wal.status().directory })),
    ),
  );
}

function logOf({ shard, wal, store, durabilityText }: ShardStorage): ShardLog {
  const { syncMs, groups, waiters, spaceHolder } = wal.metrics();
  return {
    shard,
    status: wal.status(),
    durabilityText,
    flushedLsn: store.flushedLsn,
    groups,
    waiters,
    spaceHolder,
    syncMs: {
      count: syncMs.count,
      mean: syncMs.count === 0 ? 0 : syncMs.sum / syncMs.count,
      p50: percentile(syncMs, 0.5),
      p99: percentile(syncMs, 0.99),
      max: syncMs.max,
    },
  };
}

/** Upper bound of the bucket that a share of the values is within. */
function percentile(
  histogram: {
    readonly bounds: readonly number[];
    readonly counts: readonly number[];
    readonly count: number;
    readonly max: number;
  },
  share: number,
): number {
  let seen = 0;
  for (const [index, count] of histogram.counts.entries()) {
    seen += count;
    if (count > 0 && seen >= share * histogram.count) {
      return Math.min(histogram.bounds[index] ?? histogram.max, histogram.max);
    }
  }
  return 0;
}

async function filesOf({ shard, wal }: ShardStorage): Promise<ShardFiles> {
  const { directory, segments } = wal.status();
  const active = await fileFacts(segments.map(({ path }) => path));
  return { shard, directory, active, recovered: await archivedSegments(directory) };
}

async function healthOf(
  { shard, wal, store, room }: ShardStorage,
  { options }: WalAnswersOptions,
): Promise<ShardHealth> {
  const status = wal.status();
  // A log whose directory is gone is to be told, not what could not be asked about it.
  const freeBytes = await freeBytesOf(status.directory);
  const { flushes, oldestUnflushedAgeMs } = store.stats();
  const facts = {
    status,
    options,
    freeBytes: freeBytes ?? Infinity,
    memoryBytes: store.memoryBytes(),
    lackOfRoom: await room.findLack(REFUSAL_IS_TOLD_MS),
    lastFlushError: flushes.lastError,
    oldestUnflushedAgeMs,
  };
  return {
    shard,
    problems: findWalProblems(facts),
    segments: status.segments.length,
    sizeBytes: status.segments.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0),
    freeBytes: freeBytes ?? null,
    memoryBytes: facts.memoryBytes,
    unflushedRecords: Math.max(0, wal.positions.appendedLsn - store.flushedLsn),
    flushFailures: flushes.failures,
    appendedRecords: status.totals.appendedRecords,
    syncs: status.totals.syncs,
  };
}

async function startsOf({ shard }: ShardStorage, dataDirectory: string): Promise<ShardStarts> {
  const history = new RecoveryHistory(dataDirectory, shard);
  try {
    return { shard, starts: await history.read() };
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    return { shard, starts: [], unreadable: `${history.path}: ${reason}` };
  }
}

async function rotate({ shard, wal }: ShardStorage): Promise<ShardRotation> {
  const active = wal.status().segments.findLast(({ isSealed }) => !isSealed);
  try {
    await wal.rotate();
  } catch (error) {
    throw asWriteError(error);
  }
  const { segments } = wal.status();
  const isSealed = segments.some(({ name, isSealed: sealed }) => name === active?.name && !sealed);
  return { shard, sealed: isSealed ? null : (active?.name ?? null), segments: segments.length };
}

async function flush({ shard, store }: ShardStorage): Promise<ShardFlush> {
  const before = store.stats().flushes;
  try {
    await store.flush();
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new ServerError(
      "SERVER_FLUSH_FAILED",
      `rows could not be flushed: ${reason}; they stay in memory and in the log, and are tried again`,
      { cause: error },
    );
  }
  const after = store.stats().flushes;
  return {
    shard,
    flushedLsn: store.flushedLsn,
    rows: after.flushedRows - before.flushedRows,
    files: after.flushedFiles - before.flushedFiles,
  };
}
