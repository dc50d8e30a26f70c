/**
 * Looks at etcd's files, also while etcd writes them.
 *
 * Etcd only appends, and removes whole files at the front. So what was read is a beginning of what there is; the record that was
 * being written may look torn or wrong for a moment, and a file may go away before it is opened: then it is read anew, a few times.
 * Files that were read stay open, so that what etcd removes later is there until the source is closed.
 */
import { isErrno, joinPath, type Storage, type WalEnvironment } from "@walnut/wal";
import { readEntries } from "../etcd/entry-reader.ts";
import { takeNewestSnapshot } from "../etcd/open-etcd-groups.ts";
import { decodeNodeMetadata } from "../etcd/raft-messages.ts";
import { SegmentFiles } from "../etcd/segment-files.ts";
import { SnapDirectory } from "../etcd/snap-directory.ts";
import { readStart } from "../etcd/start-file.ts";
import type { WalDamage } from "../etcd/wal-damage.ts";
import { listSegments, namesIn, replayWal, type ReplayedWal } from "../etcd/wal-directory.ts";
import { IDENTITY_NAME, readIdentity } from "../identity.ts";
import type { RaftDamage, RaftProgress, RaftSource, RaftSourceGroup } from "./raft-source.ts";

const ATTEMPTS = 4;
const PAUSE_MS = 50;
const GROUP_ID = 0;

export async function openEtcdSource(
  environment: WalEnvironment,
  directory: string,
  onProgress?: RaftProgress,
): Promise<RaftSource> {
  const { storage } = environment;
  const { replayed, mismatches, files } = await readCalmly(environment, directory, onProgress);
  const { replay } = replayed;
  const damage: RaftDamage[] = [
    ...mismatches,
    ...(replayed.damage === undefined ? [] : [replayed.damage]),
  ];
  const warnings: string[] = [];
  const snaps = new SnapDirectory({
    storage,
    directory: joinPath(directory, "snap"),
    onWarning: (text) => warnings.push(text),
  });
  for (const { path, reason } of await snaps.damaged()) {
    damage.push({ kind: "snapshot", path, offsetBytes: undefined, lastIndex: undefined, reason });
  }
  try {
    await takeNewestSnapshot(replay, snaps);
  } catch (error) {
    damage.push({
      kind: "snapshot",
      path: joinPath(directory, "snap"),
      offsetBytes: undefined,
      lastIndex: undefined,
      reason: error instanceof Error ? error.message : String(error),
    });
  }
  const owner = await ownerOf(storage, directory, replayed);
  return {
    backend: "etcd",
    directory,
    ...owner,
    groups: new Map([[GROUP_ID, groupOf(replayed, files, snaps)]]),
    records: replayed.records,
    bytes: replayed.bytes,
    damage,
    close: () => files.close(),
  };
}

interface CalmReading {
  readonly replayed: ReplayedWal;
  readonly mismatches: readonly WalDamage[];
  /** All that was read, open. */
  readonly files: SegmentFiles;
}

async function readCalmly(
  environment: WalEnvironment,
  directory: string,
  onProgress: RaftProgress | undefined,
): Promise<CalmReading> {
  for (let attempt = 1; ; attempt++) {
    const outcome = await readOnce(environment.storage, directory, onProgress);
    const isLast = attempt === ATTEMPTS;
    if (outcome !== undefined) {
      const isQuiet = outcome.replayed.damage === undefined && outcome.mismatches.length === 0;
      if (isQuiet || isLast) return outcome;
      await outcome.files.close();
    } else if (isLast) {
      throw new Error(`${directory}: files of the log go away faster than they can be read`);
    }
    await new Promise<void>((resolve) => {
      environment.setTimer(PAUSE_MS, resolve, true);
    });
  }
}

/** `undefined` when a file went away meanwhile. */
async function readOnce(
  storage: Storage,
  directory: string,
  onProgress: RaftProgress | undefined,
): Promise<CalmReading | undefined> {
  const mismatches: WalDamage[] = [];
  let files: SegmentFiles | undefined;
  try {
    const segments = await listSegments(storage, joinPath(directory, "wal"));
    files = new SegmentFiles(storage, segments);
    await files.openAll();
    const replayed = await replayWal(storage, segments, {
      noted: await readStart(storage, directory),
      onMismatch: (damage) => mismatches.push(damage),
      onProgress,
    });
    return { replayed, mismatches, files };
  } catch (error) {
    await files?.close();
    if (isErrno(error, "ENOENT")) return undefined;
    throw error;
  }
}

async function ownerOf(
  storage: Storage,
  directory: string,
  { replay }: ReplayedWal,
): Promise<{ readonly clusterId: bigint; readonly peerId: bigint }> {
  const owner = replay.metadata === undefined ? undefined : decodeNodeMetadata(replay.metadata);
  if (owner !== undefined) return owner;
  if ((await namesIn(storage, directory)).includes(IDENTITY_NAME)) {
    return await readIdentity(storage, directory);
  }
  return { clusterId: 0n, peerId: 0n };
}

function groupOf(
  { replay }: ReplayedWal,
  files: SegmentFiles,
  snaps: SnapDirectory,
): RaftSourceGroup {
  const { state, positions } = replay;
  return {
    firstIndex: state.firstIndex,
    lastIndex: state.lastIndex,
    snapshotIndex: state.snapshot?.index ?? 0,
    initialState: () => state.initialState(),
    term: (index) => state.term(index),
    entries: async (lo, hi, maxBytes = Number.POSITIVE_INFINITY) => {
      state.assertRange(lo, hi);
      const end = state.index.fit(lo, hi, maxBytes);
      return await readEntries({ state, positions, files }, { lo, hi: end });
    },
    snapshot: async () =>
      state.snapshot === undefined ? undefined : await snaps.load(replay.loadableSnapshots()),
  };
}
