/**
 * Puts a guard in front of the appends of a log that has limits: a budget, a group, a reserve.
 */
import { GuardedCommit } from "./capacity/guarded-commit.ts";
import { overloadedError } from "./commit-failure.ts";
import type { GroupCommit } from "./commit/group-commit.ts";
import type { WalEnvironment } from "./environment.ts";
import { WalError } from "./errors.ts";
import { SEGMENT_HEADER_BYTES } from "./format/segment-header.ts";
import type { Retention } from "./log/retention.ts";
import type { SegmentedLog } from "./log/segmented-log.ts";
import type { ResolvedWalOptions } from "./options.ts";
import { wholeMs } from "./wall-clock.ts";

/** Nothing for a log without limits: its appends ask nobody. */
export async function guardOf(
  environment: WalEnvironment,
  options: ResolvedWalOptions,
  parts: {
    readonly commit: GroupCommit;
    readonly log: SegmentedLog;
    readonly retention: Retention;
  },
): Promise<GuardedCommit | undefined> {
  const { maxLogBytes, capacityGroup, reserveFreeBytes, directory } = options;
  if (maxLogBytes === 0 && capacityGroup === undefined && reserveFreeBytes === 0) return undefined;
  const { commit, log, retention } = parts;
  const freeBytes = async (): Promise<number> =>
    (await environment.storage.describeVolume(directory)).freeBytes;
  const guard = new GuardedCommit(
    {
      commit,
      // What is being written is counted as pending until all of its group is written.
      usedBytes: () => log.sizeBytes - log.unfinishedGroupBytes + commit.pendingBytes,
      pendingBytes: () => commit.pendingBytes,
      emptyBytes: SEGMENT_HEADER_BYTES,
      failure: () => commit.failure,
      maxBytes: maxLogBytes,
      group: capacityGroup,
      guaranteedBytes: options.guaranteedBytes,
      reserveFreeBytes,
      freeBytes,
      policy: options.whenFull,
      blockTimeoutMs: options.blockTimeoutMs,
      maxWaitingBytes: options.maxPendingBytes,
      setTimer: (delayMs, callback) => environment.setTimer(delayMs, callback, true),
      reclaim: () => retention.reclaim(commit),
      dropOldest: (drops) => retention.dropOldest(commit, drops, wholeMs(environment)),
      full: (neededBytes) => fullError(options, log.sizeBytes, neededBytes),
      tooLarge: (neededBytes, limitBytes) => neverFits(options, neededBytes, limitBytes),
      overloaded: (waitingBytes) => overloadedError(options, waitingBytes),
    },
    reserveFreeBytes === 0 ? 0 : await freeBytes(),
  );
  retention.onReleased(() => guard.released());
  return guard;
}

function fullError(options: ResolvedWalOptions, usedBytes: number, neededBytes: number): WalError {
  const { directory, capacityGroup } = options;
  const limits = limitsOf(options);
  const shared = capacityGroup === undefined ? "" : `, its group ${capacityGroup.usedBytes}`;
  return new WalError(
    "WAL_NO_SPACE",
    `no room for ${neededBytes} bytes in the log ${directory}: it holds ${usedBytes}${shared} (${textOf(limits)}); move the cursors that hold it, or raise the limit`,
    { details: { path: directory, usedBytes, neededBytes, ...limits } },
  );
}

function neverFits(options: ResolvedWalOptions, neededBytes: number, limitBytes: number): WalError {
  const limits = limitsOf(options);
  return new WalError(
    "WAL_RECORD_TOO_LARGE",
    `${neededBytes} bytes would not fit into the log ${options.directory} if it were empty (${textOf(limits)}): split them or raise the limit`,
    { details: { neededBytes, limitBytes, ...limits } },
  );
}

/** The limits that are set, by the names of their options. */
function limitsOf(options: ResolvedWalOptions): Readonly<Record<string, number>> {
  const { maxLogBytes, reserveFreeBytes, capacityGroup } = options;
  const all = { maxLogBytes, reserveFreeBytes, groupMaxBytes: capacityGroup?.maxBytes ?? 0 };
  return Object.fromEntries(Object.entries(all).filter(([, bytes]) => bytes > 0));
}

function textOf(limits: Readonly<Record<string, number>>): string {
  return Object.entries(limits)
    .map(([name, bytes]) => `${name} ${bytes}`)
    .join(", ");
}
