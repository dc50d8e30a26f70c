/**
 * Repair: salvage as an operator's command, on a log that nobody has open. First a look, then a copy of everything, then the change.
 *
 * What is done to which damage is the work of `recovery/salvage-plan.ts`; see docs/recovery.md, "Salvage", and docs/backup.md, "Repair".
 */
import { WalError } from "../errors.ts";
import type { WalEnvironment } from "../environment.ts";
import { assertLog } from "../inspect/inspect-options.ts";
import { listLog } from "../inspect/log-listing.ts";
import { nodeEnvironment } from "../open-wal.ts";
import { planRecovery } from "../recovery/recover.ts";
import { placeOf, type SalvagedPlace, type SalvageReport } from "../recovery/salvage-apply.ts";
import { planSalvage, type SalvageOptions } from "../recovery/salvage-plan.ts";
import { quarantineCursor, salvageSegments } from "../recovery/salvage.ts";
import { asWalError, isErrno } from "../storage/system-error.ts";
import { wholeMs } from "../wall-clock.ts";
import { copyDirectory, type CopiedDirectory } from "./copy-directory.ts";

/** A damaged place, and what a repair would do about it. */
export type PlannedPlace = Omit<SalvagedPlace, "quarantined">;

export interface RepairPlan {
  readonly directory: string;
  /** Empty when nothing is damaged. */
  readonly places: readonly PlannedPlace[];
  /** The last segment says that another one follows, and there is none: what it held is unknown. */
  readonly isTailMissing: boolean;
}

export interface PlanRepairOptions {
  readonly directory: string;
  /** Default this machine's disk, clock and randomness. */
  readonly environment?: WalEnvironment | undefined;
}

export interface RepairOptions extends PlanRepairOptions {
  /** Where every file of the log is copied before anything is changed: an empty or a new directory. Default no copy. */
  readonly backup?: string | undefined;
}

export interface RepairReport {
  readonly directory: string;
  /** What was damaged, what is lost, where the bytes are now. Empty when nothing was: then nothing was changed or copied. */
  readonly places: readonly SalvagedPlace[];
  readonly isTailMissing: boolean;
  /** Names of the reports in `quarantine/`. */
  readonly reports: readonly string[];
  readonly backup: CopiedDirectory | undefined;
  /** Where the log begins and ends now. */
  readonly firstLsn: number;
  readonly lastLsn: number;
}

const MAX_ATTEMPTS = 10;

/**
 * Looks at a log and says what a repair would do. Takes no lock and writes nothing.
 *
 * Beside a writer a single look can take what is just being changed for damage; damage is what is there at a second look as well.
 *
 * @throws {WalError} `WAL_INVALID_OPTION`, `WAL_UNSUPPORTED_FORMAT`, `WAL_IO`
 */
export async function planRepair(options: PlanRepairOptions): Promise<RepairPlan> {
  const environment = options.environment ?? nodeEnvironment();
  try {
    const first = await lookAt(environment, options.directory);
    if (first.places.length === 0) return first;
    const second = await lookAt(environment, options.directory);
    const seen = new Set(first.places.map(identityOf));
    return {
      ...second,
      places: second.places.filter((place) => seen.has(identityOf(place))),
      isTailMissing: first.isTailMissing && second.isTailMissing,
    };
  } catch (error) {
    throw asWalError(error, `cannot look at the log ${options.directory}`);
  }
}

/**
 * Repairs a log that nobody has open: copies it as it is if told where, moves damaged bytes to quarantine, and leaves a log that
 * opens. Does nothing to a log that is whole.
 *
 * A crash in the middle leaves a log that can be repaired again.
 *
 * @throws {WalError} `WAL_LOCKED`, `WAL_INVALID_OPTION`, `WAL_UNSUPPORTED_FORMAT`, `WAL_NO_SPACE`, `WAL_IO`; `WAL_CORRUPT` when the log
 * would still not open
 */
export async function repairWal(options: RepairOptions): Promise<RepairReport> {
  const { directory } = options;
  const environment = options.environment ?? nodeEnvironment();
  try {
    await assertLog(environment.storage, directory);
    const lock = await environment.storage.lockDirectory(directory);
    if (lock.kind === "refused") {
      throw new WalError(
        "WAL_LOCKED",
        `the log ${directory} is open for writing: ${lock.owner}; stop it before the repair`,
        { details: { path: directory, owner: lock.owner } },
      );
    }
    try {
      return await repairLocked(environment, options);
    } finally {
      await lock.release();
    }
  } catch (error) {
    throw asWalError(error, `cannot repair the log ${directory}`);
  }
}

async function repairLocked(
  environment: WalEnvironment,
  { directory, backup }: RepairOptions,
): Promise<RepairReport> {
  const { storage } = environment;
  const planned = await lookAt(environment, directory);
  const isDamaged = planned.places.length > 0;
  const copy =
    isDamaged && backup !== undefined ? await copyDirectory(storage, directory, backup) : undefined;
  const reports = isDamaged ? await salvage(salvaging(environment, directory)) : [];
  // As strictly as the next open can be: a repair that has not helped must not look like one that has.
  const plan = await planRecovery({ storage, directory, mode: "strict", onProgress: undefined });
  const end = plan.doubtful?.end.nextLsn ?? (plan.closed.at(-1)?.lastLsn ?? plan.firstLsn - 1) + 1;
  return {
    directory,
    places: reports.flatMap(({ places }) => places),
    isTailMissing: planned.isTailMissing,
    reports: reports.map(({ report }) => report),
    backup: copy,
    firstLsn: plan.firstLsn,
    lastLsn: end - 1,
  };
}

async function salvage(options: SalvageOptions): Promise<readonly SalvageReport[]> {
  const { storage, directory } = options;
  const segments = await salvageSegments(options);
  const reports = segments === undefined ? [] : [segments];
  for (const { name, path, cursor } of (await listLog(storage, directory)).cursors) {
    if (cursor === undefined) reports.push(await quarantineCursor(options, path, name));
  }
  return reports;
}

/** One look; begun again when a writer takes a file away meanwhile. */
async function lookAt(environment: WalEnvironment, directory: string): Promise<RepairPlan> {
  const { storage } = environment;
  await assertLog(storage, directory);
  for (let attempt = 1; ; attempt++) {
    try {
      const { cursors } = await listLog(storage, directory);
      const plan = await planSalvage(salvaging(environment, directory));
      const damaged = cursors.filter(({ cursor }) => cursor === undefined);
      const places = [
        ...plan.actions.map((action) => plannedPlace(placeOf(action, null))),
        ...damaged.map(({ path }) => damagedCursor(path)),
      ];
      return { directory, places, isTailMissing: plan.isTailMissing };
    } catch (error) {
      if (!isErrno(error, "ENOENT") || attempt === MAX_ATTEMPTS) throw error;
    }
  }
}

function salvaging(environment: WalEnvironment, directory: string): SalvageOptions {
  return {
    storage: environment.storage,
    directory,
    nowMs: () => wholeMs(environment),
    randomBytes: (length) => environment.randomBytes(length),
  };
}

function plannedPlace(place: SalvagedPlace): PlannedPlace {
  const { action, path, fromOffset, endOffset, lostFirstLsn, lostLastLsn, reason } = place;
  return { action, path, fromOffset, endOffset, lostFirstLsn, lostLastLsn, reason };
}

function damagedCursor(path: string): PlannedPlace {
  return {
    action: "remove-cursor",
    path,
    fromOffset: null,
    endOffset: null,
    lostFirstLsn: null,
    lostLastLsn: null,
    reason: "the cursor file is damaged",
  };
}

function identityOf({ action, path, fromOffset, endOffset }: PlannedPlace): string {
  return JSON.stringify([action, path, fromOffset, endOffset]);
}
