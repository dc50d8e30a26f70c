/**
 * Looks at the log of the backend `walnut`, also while a node writes it: the stream is replayed from its files, and entries are
 * read again by their LSN.
 */
import { joinPath, readLog, verifyLog, type WalEnvironment } from "@walnut/wal";
import { RaftLogError } from "../errors.ts";
import type { GroupState } from "../group-state.ts";
import { readIdentity } from "../identity.ts";
import type { Entry } from "../raft-types.ts";
import { SnapshotStore } from "../snapshot/snapshot-store.ts";
import { decodeStreamRecord } from "../walnut/stream-record.ts";
import { StreamReplay, type StreamGroup } from "../walnut/stream-replay.ts";
import type { RaftDamage, RaftProgress, RaftSource, RaftSourceGroup } from "./raft-source.ts";

export async function openWalnutSource(
  environment: WalEnvironment,
  directory: string,
  onProgress?: RaftProgress,
): Promise<RaftSource> {
  const { storage } = environment;
  const { clusterId, peerId } = await readIdentity(storage, directory);
  const wal = joinPath(directory, "wal");
  const verified = await verifyLog({ directory: wal, onProgress });
  const damage: RaftDamage[] = verified.damage.map(({ kind, path, offsetBytes, reason }) => ({
    kind,
    path,
    offsetBytes,
    lastIndex: undefined,
    reason,
  }));
  const groups = new Map<number, RaftSourceGroup>();
  try {
    const snapshots = SnapshotStore.looking({
      storage,
      directory: joinPath(directory, "snap"),
      keepSnapshots: 1,
      onWarning: () => undefined,
    });
    for (const [groupId, group] of await replay(wal)) {
      const source = groupOf(wal, group, snapshots);
      groups.set(groupId, source);
      // A snapshot that cannot be read is damage, whoever asks for it.
      await source.snapshot();
    }
  } catch (error) {
    if (!(error instanceof RaftLogError)) throw error;
    damage.push({
      kind: "stream",
      path: wal,
      offsetBytes: undefined,
      lastIndex: undefined,
      reason: error.message,
    });
  }
  return {
    backend: "walnut",
    directory,
    clusterId,
    peerId,
    groups,
    records: verified.records,
    bytes: verified.verifiedBytes,
    damage,
    close: () => Promise.resolve(),
  };
}

async function replay(wal: string): Promise<ReadonlyMap<number, StreamGroup>> {
  const stream = new StreamReplay();
  for await (const part of readLog({ directory: wal })) {
    if (part.kind !== "records") continue;
    for (const { lsn, payload } of part.records) stream.take(lsn, payload);
  }
  return stream.finish();
}

function groupOf(wal: string, { state }: StreamGroup, snapshots: SnapshotStore): RaftSourceGroup {
  return {
    firstIndex: state.firstIndex,
    lastIndex: state.lastIndex,
    snapshotIndex: state.snapshot?.index ?? 0,
    initialState: () => state.initialState(),
    term: (index) => state.term(index),
    entries: async (lo, hi, maxBytes = Number.POSITIVE_INFINITY) => {
      state.assertRange(lo, hi);
      return await readRange(wal, state, { lo, hi: state.index.fit(lo, hi, maxBytes) });
    },
    snapshot: async () =>
      state.snapshot === undefined
        ? undefined
        : await snapshots.load(state.groupId, {
            newest: state.snapshot,
            oldestIndex: state.start.index,
          }),
  };
}

async function readRange(
  wal: string,
  { index, groupId }: GroupState,
  { lo, hi }: { readonly lo: number; readonly hi: number },
): Promise<readonly Entry[]> {
  const entries: Entry[] = [];
  if (lo === hi) return entries;
  let next = lo;
  const range = { fromLsn: index.lsnOf(lo), toLsn: index.lsnOf(hi - 1) };
  for await (const part of readLog({ directory: wal, ...range })) {
    if (part.kind !== "records") continue;
    for (const { lsn, payload } of part.records) {
      if (next >= hi || lsn !== index.lsnOf(next)) continue;
      const record = decodeStreamRecord(payload);
      if (record.kind !== "entry" || record.groupId !== groupId || record.entry.index !== next)
        break;
      entries.push(record.entry);
      next++;
    }
  }
  if (next === hi) return entries;
  throw new RaftLogError("RAFT_CORRUPT", `entry ${next} of group ${groupId} is not in ${wal}`, {
    details: { groupId, index: next, path: wal },
  });
}
