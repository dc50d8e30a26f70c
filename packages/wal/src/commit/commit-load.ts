/**
 * How much is under way and waiting in a group commit, counted when somebody asks. Pure.
 */
import type { CommitBuffer } from "./commit-buffer.ts";

/** What is under way and what waits. */
export interface CommitLoad {
  readonly pendingBytes: number;
  readonly waiters: number;
  readonly buffersInUse: number;
  /** Groups so far that began because enough was waiting, not because the event loop had gone round. */
  readonly eagerGroups: number;
}

/** Counts buffers that hold something, and those who wait for them. */
export function loadOf(
  buffers: readonly CommitBuffer[],
): Pick<CommitLoad, "waiters" | "buffersInUse"> {
  const inUse = buffers.filter((buffer) => !buffer.isEmpty);
  let waiters = 0;
  for (const buffer of inUse) waiters += buffer.waiterCount;
  return { waiters, buffersInUse: inUse.length };
}
