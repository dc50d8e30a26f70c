/**
 * What a call that was in flight at a crash may have done: all of it, part of it, or nothing.
 *
 * After a power loss a call in flight is applied whole, as pending: its sectors, its length and its entry
 * are then kept or lost like those of any other unsynced change. After kill -9 the kernel may have carried
 * out a part, and that part is chosen here.
 */

import type { CrashChooser } from "./crash-choice.ts";
import { SECTOR_BYTES, SimulatedFile } from "./simulated-file.ts";
import type { SimulatedTree } from "./simulated-tree.ts";
import { StorageError, type StorageCall } from "./storage-call.ts";

/** A call that was made and has not taken effect. */
export interface InFlightCall {
  readonly call: StorageCall;
  /** Numbers calls in the order in which they were made. */
  readonly callNumber: number;
  /** The file of a call on a handle. */
  readonly file: SimulatedFile | undefined;
  /** The bytes of a write, as they were when the call was made. */
  readonly bytes: Uint8Array | undefined;
}

/** True when the call may change what a crash leaves. */
export function isMutating(entry: InFlightCall): boolean {
  switch (entry.call.kind) {
    case "ensureDirectory":
    case "createFile":
    case "rename":
    case "remove":
    case "write":
    case "writeDurable":
    case "truncate":
      return true;
    default:
      return false;
  }
}

/** Applies what the call did: all of it without a chooser, a chosen part with one. */
export function applyInFlight(
  entry: InFlightCall,
  tree: SimulatedTree,
  file: SimulatedFile | undefined,
  sequence: number,
  chooser?: CrashChooser,
): void {
  try {
    applyChosen(entry, tree, file, sequence, chooser);
  } catch (error) {
    // A call that would have failed has no effect.
    if (!(error instanceof StorageError)) throw error;
  }
}

function applyChosen(
  entry: InFlightCall,
  tree: SimulatedTree,
  file: SimulatedFile | undefined,
  sequence: number,
  chooser: CrashChooser | undefined,
): void {
  const { call } = entry;
  const choose = (options: number): number =>
    chooser?.choose({
      kind: "in-flight",
      path: call.path,
      sequences: Array.from({ length: options }, () => sequence),
    }) ?? options;

  switch (call.kind) {
    case "ensureDirectory": {
      // Each missing directory is made and synced in turn, outermost first.
      tree.ensureDirectory(call.path, call, choose(3));
      return;
    }
    case "write":
    case "writeDurable": {
      if (entry.bytes === undefined || file === undefined) return;
      const parts = prefixLengths(entry.bytes.byteLength);
      const lengthBytes = parts[choose(parts.length) - 1] ?? 0;
      file.write(entry.bytes.subarray(0, lengthBytes), call.offsetBytes ?? 0, sequence);
      return;
    }
    case "truncate":
      if (choose(1) === 1) file?.truncate(call.lengthBytes ?? 0, sequence);
      return;
    case "createFile":
      if (choose(1) === 1) tree.create(call.path, new SimulatedFile(), sequence, call);
      return;
    case "rename":
      if (choose(1) === 1) tree.rename(call.path, call.to ?? "", sequence, call);
      return;
    case "remove":
      if (choose(1) === 1) tree.remove(call.path, sequence, call);
      return;
    default:
      return;
  }
}

/** How far a write may have come, shortest first, the whole last. */
function prefixLengths(lengthBytes: number): number[] {
  const candidates = [1, SECTOR_BYTES, Math.floor(lengthBytes / 2), lengthBytes - 1];
  const inside = new Set(candidates.filter((length) => length > 0 && length < lengthBytes));
  return [...[...inside].toSorted((left, right) => left - right), lengthBytes];
}
