/**
 * What is wrong with a log, and what to do about it. Pure; the facts are handed in.
 *
 * Every limit follows from the configuration: a log of large segments needs more room than one of small segments.
 */
import type { WalStatus } from "@walnut/wal";
import type { ResolvedServerOptions } from "../server-options.ts";

/** One thing that is not as it should be. */
export interface WalProblem {
  readonly issue: string;
  readonly recommendation: string;
}

/** What health is judged by. */
export interface WalHealthFacts {
  readonly status: WalStatus;
  readonly options: ResolvedServerOptions;
  /** Free bytes on the device of the log, for this user. */
  readonly freeBytes: number;
  readonly memoryBytes: number;
  /** The last write that the log had no room for, in words, as long as that is worth telling. */
  readonly lackOfRoom: string | undefined;
  readonly lastFlushError: string | undefined;
  /** Age of the oldest row that is not in Parquet, in milliseconds. */
  readonly oldestUnflushedAgeMs: number;
}

/** Limits of health, from the configuration. */
export interface WalHealthLimits {
  /** Fewer free bytes are a problem: the active segment, the prepared one, and room for a flush. */
  readonly minFreeBytes: number;
  /** More bytes of rows in memory are a problem. */
  readonly maxMemoryBytes: number;
  /** Older rows that are not in Parquet are a problem. */
  readonly maxUnflushedAgeMs: number;
  /** A larger log is a problem; `undefined` where only the disk is the limit. */
  readonly maxLogBytes: number | undefined;
}

const MIN_FREE_SEGMENTS = 4;
/** Part of a limit at which people should know. */
const WARNING_SHARE = 0.8;
/** A flush may wait for others and be tried again; ten times its age is no delay any more. */
const FLUSH_AGES = 10;
const MIN_UNFLUSHED_AGE_MS = 60_000;
const BYTES_PER_MIB = 1_048_576;
const MS_PER_SECOND = 1_000;

/** The limits that {@link findWalProblems} judges by. */
export function walHealthLimits(options: ResolvedServerOptions): WalHealthLimits {
  return {
    minFreeBytes: MIN_FREE_SEGMENTS * options.segmentSizeBytes,
    maxMemoryBytes: WARNING_SHARE * options.maxMemoryBytes,
    maxUnflushedAgeMs: Math.max(MIN_UNFLUSHED_AGE_MS, FLUSH_AGES * options.flushAgeMs),
    maxLogBytes: options.maxLogBytes === 0 ? undefined : WARNING_SHARE * options.maxLogBytes,
  };
}

/** Everything that is wrong; empty for a healthy log. */
export function findWalProblems(facts: WalHealthFacts): readonly WalProblem[] {
  const limits = walHealthLimits(facts.options);
  return [...logProblems(facts), ...spaceProblems(facts, limits), ...flushProblems(facts, limits)];
}

function logProblems({ status }: WalHealthFacts): readonly WalProblem[] {
  const problems: WalProblem[] = status.warnings.map((issue) => ({
    issue,
    recommendation:
      "put the data directory on a local disk, or accept what a restart of the machine loses",
  }));
  if (status.state === "poisoned") {
    problems.push({
      issue: `the log refuses writes: ${status.failure ?? "a write failed"}`,
      recommendation:
        "check the disk and its free space, then restart; recovery decides what is kept",
    });
  }
  if (status.releaseFailure !== undefined) {
    problems.push({
      issue: `space of flushed rows is not released: ${status.releaseFailure}`,
      recommendation:
        "it is tried again with every flush; check the permissions of the log's directory",
    });
  }
  return problems;
}

function spaceProblems(facts: WalHealthFacts, limits: WalHealthLimits): readonly WalProblem[] {
  const problems: WalProblem[] = [];
  if (facts.lackOfRoom !== undefined) {
    problems.push({
      issue: facts.lackOfRoom,
      recommendation:
        "free space on the log's device, or raise what limits it (quota, ulimit -f, wal.max_bytes); " +
        "writing resumes by itself",
    });
  }
  if (facts.freeBytes < limits.minFreeBytes) {
    problems.push({
      issue: `${mib(facts.freeBytes)} free on the log's device`,
      recommendation: `free space: at least ${mib(limits.minFreeBytes)}, ${MIN_FREE_SEGMENTS} segments`,
    });
  }
  const logBytes = facts.status.segments.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
  if (limits.maxLogBytes !== undefined && logBytes >= limits.maxLogBytes) {
    problems.push({
      issue: `the log has ${mib(logBytes)}`,
      recommendation:
        `writes are refused at ${mib(facts.options.maxLogBytes)} (wal.max_bytes); ` +
        "find out why flushes or uploads do not keep up",
    });
  }
  return problems;
}

function flushProblems(facts: WalHealthFacts, limits: WalHealthLimits): readonly WalProblem[] {
  const problems: WalProblem[] = [];
  if (facts.lastFlushError !== undefined) {
    problems.push({
      issue: `flushing to Parquet fails: ${facts.lastFlushError}`,
      recommendation:
        "rows stay in memory and in the log and are tried again; look at the server's log",
    });
  }
  if (facts.oldestUnflushedAgeMs > limits.maxUnflushedAgeMs) {
    problems.push({
      issue: `rows wait for their flush since ${seconds(facts.oldestUnflushedAgeMs)}`,
      recommendation:
        `they should be in Parquet after ${seconds(facts.options.flushAgeMs)} (flush.age_ms); ` +
        "the disk or the CPU does not keep up",
    });
  }
  if (facts.memoryBytes >= limits.maxMemoryBytes) {
    problems.push({
      issue: `${mib(facts.memoryBytes)} of rows wait for their flush`,
      recommendation: `writes are refused at ${mib(facts.options.maxMemoryBytes)} (maxMemoryBytes)`,
    });
  }
  return problems;
}

function mib(bytes: number): string {
  return `${Number((bytes / BYTES_PER_MIB).toFixed(1))} MiB`;
}

function seconds(ms: number): string {
  return `${Math.round(ms / MS_PER_SECOND)} s`;
}
