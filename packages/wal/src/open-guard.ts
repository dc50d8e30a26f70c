/**
 * Puts a guard in front of the appends of a log that has limits: a budget, a group, a reserve.
 */
import { GuardedCommit } from "./capacity/guarded-commit.ts";
import type { GroupCommit } from "./commit/group-commit.ts";
import type { WalEnvironment } from "./environment.ts";
import { WalError } from "./errors.ts";
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
      usedBytes: () => log.sizeBytes + commit.pendingBytes,
      maxBytes: maxLogBytes,
      group: capacityGroup,
      guaranteedBytes: options.guaranteedBytes,
      reserveFreeBytes,
      freeBytes,
      policy: options.whenFull,
      blockTimeoutMs: options.blockTimeoutMs,
      setTimer: (delayMs, callback) => environment.setTimer(delayMs, callback, true),
      dropOldest: (drops) => retention.dropOldest(commit, drops, wholeMs(environment)),
      full: (neededBytes) => fullError(options, log.sizeBytes, neededBytes),
    },
    reserveFreeBytes === 0 ? 0 : await freeBytes(),
  );
  retention.onReleased(() => guard.released());
  return guard;
}

function fullError(options: ResolvedWalOptions, usedBytes: number, neededBytes: number): WalError {
  const { directory, maxLogBytes, reserveFreeBytes } = options;
  return new WalError(
    "WAL_NO_SPACE",
    `no room for ${neededBytes} bytes in the log ${directory}: it holds ${usedBytes} (maxLogBytes ${maxLogBytes}, reserveFreeBytes ${reserveFreeBytes}); move the cursors that hold it, or raise the limit`,
    { details: { path: directory, usedBytes, neededBytes, maxLogBytes, reserveFreeBytes } },
  );
}
