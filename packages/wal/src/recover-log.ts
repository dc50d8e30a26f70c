/**
 * Recovery as one step of opening: salvage if asked for, plan, cursors, apply.
 */
import type { CodecRegistry } from "./codec/codecs.ts";
import type { FrameEncryptor } from "./encryption/frame-cipher.ts";
import type { Keyring } from "./encryption/keyring.ts";
import type { WalEnvironment } from "./environment.ts";
import { CursorSet } from "./log/cursors.ts";
import { SegmentArchive } from "./log/segment-archive.ts";
import { SegmentedLog } from "./log/segmented-log.ts";
import type { WalObserver } from "./observe/wal-observer.ts";
import { assertKeysFit } from "./open-keyring.ts";
import type { ResolvedWalOptions } from "./options.ts";
import { planRecovery, type RecoveryPlan } from "./recovery/recover.ts";
import type { SalvageReport } from "./recovery/salvage-apply.ts";
import type { SalvageOptions } from "./recovery/salvage-plan.ts";
import { quarantineCursor, salvageSegments } from "./recovery/salvage.ts";
import { orNoSpace } from "./storage/system-error.ts";
import type { RecoveryReport } from "./wal-status.ts";
import { wholeMs } from "./wall-clock.ts";

export interface RecoveredLog {
  readonly log: SegmentedLog;
  readonly cursors: CursorSet;
  readonly recovery: RecoveryReport;
}

/** Recovers the log of a locked directory. Throws before anything is changed, unless the mode is "salvage". */
export async function recoverLog(
  environment: WalEnvironment,
  options: ResolvedWalOptions,
  parts: {
    readonly codecs: CodecRegistry;
    readonly keyring: Keyring;
    readonly encryptor: FrameEncryptor | undefined;
    readonly observer: WalObserver;
  },
): Promise<RecoveredLog> {
  const { storage } = environment;
  const { directory, codec, recovery: mode } = options;
  const startedMs = environment.monotonicMs();
  const nowMs = (): number => wholeMs(environment);
  const randomBytes = (length: number): Uint8Array => environment.randomBytes(length);
  const salvaging: SalvageOptions = { storage, directory, nowMs, randomBytes };
  const writeCodec = codec === "none" ? undefined : await parts.codecs.load(codec);

  const salvage = mode === "salvage" ? await salvageSegments(salvaging) : undefined;
  const plan = await planRecovery({
    storage,
    directory,
    mode: mode === "default" ? "default" : "strict",
    onProgress: options.onRecoveryProgress,
  });
  const { cursors, reports } = await loadCursors(salvaging, mode === "salvage");
  const log = await SegmentedLog.apply(
    {
      storage,
      directory,
      segmentSizeBytes: options.segmentSizeBytes,
      prewriteStepBytes: options.prewriteBytes,
      syncKind: options.durability === "fsync" ? "all" : "data",
      codec: writeCodec,
      encryptor: parts.encryptor,
      keyring: parts.keyring,
      observer: parts.observer,
      nowMs,
      randomBytes,
      archive: options.released === "archive" ? archiveOf(environment, options) : undefined,
      beforeFirstSegment: () => orNoSpace(() => cursors.persistClamped()),
    },
    plan,
  );
  await cursors.clampOnOpen(log.nextLsn - 1);
  await assertKeysFit(storage, log, parts.codecs, parts.keyring);
  const durationMs = environment.monotonicMs() - startedMs;
  return {
    log,
    cursors,
    recovery: { ...recoveryReport(plan, log, durationMs), salvage: merged(salvage, reports) },
  };
}

async function loadCursors(
  salvaging: SalvageOptions,
  isSalvage: boolean,
): Promise<{ readonly cursors: CursorSet; readonly reports: readonly SalvageReport[] }> {
  const { storage, directory, nowMs } = salvaging;
  const cursors = new CursorSet(storage, directory, nowMs);
  const reports: SalvageReport[] = [];
  const quarantine = async (path: string, name: string): Promise<void> => {
    reports.push(await quarantineCursor(salvaging, path, name));
  };
  await cursors.load(isSalvage ? quarantine : undefined);
  return { cursors, reports };
}

/** What the opened log tells of all that was moved aside; each report has a file of its own in quarantine. */
function merged(
  segments: SalvageReport | undefined,
  cursors: readonly SalvageReport[],
): SalvageReport | undefined {
  const first = segments ?? cursors[0];
  if (first === undefined) return undefined;
  const all = segments === undefined ? cursors : [segments, ...cursors];
  return { ...first, places: all.flatMap((report) => report.places) };
}

function archiveOf(environment: WalEnvironment, options: ResolvedWalOptions): SegmentArchive {
  return new SegmentArchive({
    storage: environment.storage,
    directory: options.archiveDirectory,
    maxAgeMs: options.archiveMaxAgeMs,
    maxBytes: options.archiveMaxBytes,
    nowMs: () => wholeMs(environment),
  });
}

function recoveryReport(
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
