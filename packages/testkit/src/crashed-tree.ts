/**
 * What a crash of a running simulated disk leaves: its names and files with the calls in flight counted in.
 *
 * After a power loss a call in flight has left something pending, like any other change that was not synced;
 * after kill -9 it happened wholly, partly or not at all, and what it left is there. The running disk is not
 * changed. Knows nothing of handles, locks or schedules.
 */

import type { CrashChooser } from "./crash-choice.ts";
import { applyInFlight, isMutating, type InFlightCall } from "./in-flight-call.ts";
import type { SimulatedTree } from "./simulated-tree.ts";

/** A disk between two events. */
export interface RunningDisk {
  readonly tree: SimulatedTree;
  /** Calls in flight, in the order in which they were made. */
  readonly calls: ReadonlySet<InFlightCall>;
  /** The number of the last change. */
  readonly sequence: number;
}

/** Names and files as a power loss now leaves them. */
export function treeAfterPowerLoss(disk: RunningDisk, chooser: CrashChooser): SimulatedTree {
  const tree = withCallsInFlight(disk);
  const range = { first: Number.POSITIVE_INFINITY, last: 0 };
  tree.extendRange(range);
  chooser.begin({ first: Math.min(range.first, range.last), last: range.last });
  const image = tree.afterPowerLoss(chooser);
  // Directories are durable as they are made, so one that is being made is there or not at once.
  for (const call of disk.calls) {
    if (call.call.kind === "ensureDirectory") applyInFlight(call, image, undefined, 0, chooser);
  }
  return image;
}

/** Names and files as kill -9 now leaves them, as little durable as they were. */
export function treeAfterProcessCrash(disk: RunningDisk, chooser: CrashChooser): SimulatedTree {
  const { tree, copies } = disk.tree.clone();
  let { sequence } = disk;
  chooser.begin({ first: sequence + 1, last: sequence + disk.calls.size });
  for (const call of disk.calls) {
    sequence += 1;
    const file = call.file === undefined ? undefined : copies.get(call.file);
    // A file without a name is gone with the process.
    if (call.file === undefined || file !== undefined) {
      applyInFlight(call, tree, file, sequence, chooser);
    }
  }
  return tree;
}

/** An upper bound of what {@link treeAfterPowerLoss} can leave, without torn sectors. */
export function crashStateCountOf(disk: RunningDisk): number {
  const tree = withCallsInFlight(disk);
  let count = tree.crashStateCount();
  for (const file of tree.files()) count *= file.crashStateCount();
  for (const { call } of disk.calls) if (call.kind === "ensureDirectory") count *= 4;
  return count;
}

/** The tree as if every call in flight had just taken effect, so that all its effects are open. */
function withCallsInFlight(disk: RunningDisk): SimulatedTree {
  if (![...disk.calls].some(isMutating)) return disk.tree;
  const { tree, copies } = disk.tree.clone();
  let { sequence } = disk;
  for (const call of disk.calls) {
    if (call.call.kind === "ensureDirectory") continue;
    const file = call.file === undefined ? undefined : copies.get(call.file);
    sequence += 1;
    if (call.file === undefined || file !== undefined) applyInFlight(call, tree, file, sequence);
  }
  return tree;
}
