/**
 * Repairs what a crash left at the end of etcd's files, as etcd itself does when it starts; says what else is damaged.
 *
 * Nothing else is repaired: what was promised to other nodes cannot be cut off here. The backend `walnut` cuts what a crash left
 * whenever it is opened.
 */
import { joinPath, nodeEnvironment, NodeStorage, WalError, type WalEnvironment } from "@walnut/wal";
import { cutSegment } from "../etcd/repair-wal.ts";
import { nodeSegmentLock, noSegmentLock } from "../etcd/segment-lock.ts";
import { openRaftSourceWith } from "./open-raft-source.ts";
import type { RaftDamage, RaftProgress } from "./raft-source.ts";

export interface RaftRepairPlan {
  readonly backend: string;
  readonly directory: string;
  /** What a repair cuts off: the end of the newest file from an offset on. */
  readonly torn: RaftDamage | undefined;
  /** What no repair mends. */
  readonly damage: readonly RaftDamage[];
  readonly lastIndex: number;
}

export interface RaftRepairReport extends RaftRepairPlan {
  /** The file as it was. */
  readonly brokenPath: string | undefined;
}

export interface RaftRepairOptions {
  readonly directory: string;
  readonly onProgress?: RaftProgress | undefined;
}

/** Looks, and says what a repair would do. @throws as `openRaftSource` */
export async function planRaftRepair(options: RaftRepairOptions): Promise<RaftRepairPlan> {
  return await plan(nodeEnvironment(), options);
}

/**
 * Cuts off what a crash left. Changes nothing when anything else is damaged, too.
 *
 * @throws {WalError} `WAL_LOCKED` when the log is in use
 */
export async function repairRaftLog(options: RaftRepairOptions): Promise<RaftRepairReport> {
  const environment = nodeEnvironment();
  const { storage } = environment;
  const found = await plan(environment, options);
  const { torn, damage, directory } = found;
  if (torn?.offsetBytes === undefined || damage.length > 0)
    return { ...found, brokenPath: undefined };
  const lock = await storage.lockDirectory(directory);
  if (lock.kind === "refused") throw inUse(directory, lock.owner);
  const segmentLock = storage instanceof NodeStorage ? nodeSegmentLock() : noSegmentLock();
  try {
    if (!(await segmentLock.hold(torn.path)))
      throw inUse(torn.path, "another process, perhaps etcd");
    // Looked at again: now nobody writes.
    const again = await plan(environment, options);
    if (again.torn?.offsetBytes === undefined) return { ...again, brokenPath: undefined };
    const brokenPath = await cutSegment(storage, {
      directory: joinPath(directory, "wal"),
      path: again.torn.path,
      endOffsetBytes: again.torn.offsetBytes,
    });
    return { ...again, brokenPath };
  } finally {
    await segmentLock.close();
    await lock.release();
  }
}

async function plan(
  environment: WalEnvironment,
  options: RaftRepairOptions,
): Promise<RaftRepairPlan> {
  const source = await openRaftSourceWith(environment, options);
  try {
    const { backend, directory, groups } = source;
    const torn = source.damage.find(({ kind }) => kind === "torn");
    const damage = source.damage.filter((place) => place !== torn);
    const lastIndex = Math.max(0, ...[...groups.values()].map((group) => group.lastIndex));
    return { backend, directory, torn, damage, lastIndex };
  } finally {
    await source.close();
  }
}

function inUse(path: string, owner: string): WalError {
  return new WalError("WAL_LOCKED", `${path} is open in ${owner}: stop it first`, {
    details: { path, owner },
  });
}
