/**
 * Copies a Raft log into a new directory, of the same or another backend, and reads the copy back.
 *
 * The source is only looked at, and may be in use. The copy gets its name when all of it is on the device and has been compared with
 * the source.
 */
import { joinPath, nodeEnvironment, type WalEnvironment } from "@walnut/wal";
import { RaftLogError } from "../errors.ts";
import { namesIn } from "../etcd/wal-directory.ts";
import { ONLY_GROUP_ID, openRaftGroupsWith } from "../open-raft-log.ts";
import type { RaftBackend } from "../raft-log-options.ts";
import type { RaftLog } from "../raft-log.ts";
import type { Entry, HardState } from "../raft-types.ts";
import { openRaftSourceWith } from "./open-raft-source.ts";
import type { RaftProgress, RaftSource, RaftSourceGroup } from "./raft-source.ts";

/** Entries are copied in pieces of about this much data. */
const PIECE_BYTES = 8 * 1024 * 1024; // 8 MiB
const UNFINISHED_SUFFIX = ".converting";

export interface ConvertOptions {
  readonly from: string;
  /** A new or an empty directory. */
  readonly to: string;
  readonly backend: RaftBackend;
  /** One group of many; it becomes the only one. Default: all of them. */
  readonly groupId?: number | undefined;
  /** Bytes of entries copied, of those there are. */
  readonly onProgress?: RaftProgress | undefined;
}

export interface ConvertedGroup {
  readonly groupId: number;
  /** The copy begins here: behind the newest snapshot, where the source was compacted. */
  readonly firstIndex: number;
  readonly lastIndex: number;
  readonly snapshotIndex: number;
  readonly hardState: HardState;
  readonly dataBytes: number;
}

export interface ConvertReport {
  readonly from: { readonly backend: RaftBackend; readonly directory: string };
  readonly to: { readonly backend: RaftBackend; readonly directory: string };
  readonly clusterId: bigint;
  readonly peerId: bigint;
  readonly groups: readonly ConvertedGroup[];
}

/**
 * @throws {RaftLogError} `RAFT_INVALID_OPTION` when there is no log, or the target is not empty, or the backend keeps one group and
 *   there are more; `RAFT_CORRUPT` when the source is damaged; `RAFT_COMPACTED` when its entries do not follow a snapshot
 */
export async function convertRaftLog(options: ConvertOptions): Promise<ConvertReport> {
  return await convertRaftLogWith(nodeEnvironment(), options);
}

/** As {@link convertRaftLog}, in a given environment. */
export async function convertRaftLogWith(
  environment: WalEnvironment,
  options: ConvertOptions,
): Promise<ConvertReport> {
  const { storage } = environment;
  const to = options.to.replace(/(?<=.)\/+$/, "");
  if ((await namesIn(storage, to)).length > 0) throw invalid("to", `${to} is not empty`);
  if (options.backend === "memory") throw invalid("backend", "memory keeps nothing");
  const source = await openRaftSourceWith(environment, { directory: options.from });
  try {
    assertWhole(source);
    const groups = chosenGroups(source, options);
    const unfinished = to + UNFINISHED_SUFFIX;
    if ((await namesIn(storage, unfinished)).length > 0) {
      throw invalid(
        "to",
        `${unfinished} is left over from a conversion that was interrupted; remove it`,
      );
    }
    const converted = await copyGroups(environment, {
      source,
      groups,
      options,
      directory: unfinished,
    });
    await storage.rename(unfinished, to);
    await storage.syncDirectory(parentOf(to));
    const { backend, directory, clusterId, peerId } = source;
    return {
      from: { backend, directory },
      to: { backend: options.backend, directory: to },
      clusterId,
      peerId,
      groups: converted,
    };
  } finally {
    await source.close();
  }
}

interface Copying {
  readonly source: RaftSource;
  readonly groups: ReadonlyMap<number, RaftSourceGroup>;
  readonly options: ConvertOptions;
  readonly directory: string;
}

async function copyGroups(
  environment: WalEnvironment,
  { source, groups, options, directory }: Copying,
): Promise<ConvertedGroup[]> {
  const { backend, onProgress } = options;
  const { clusterId, peerId } = source;
  const node = { storageRootDirectory: directory, clusterId, peerId, backend };
  const converted: ConvertedGroup[] = [];
  let bytesDone = 0;
  const report = (bytes: number): void => {
    bytesDone += bytes;
    onProgress?.({ bytesDone, bytesTotal: Math.max(source.bytes, bytesDone) });
  };
  const target = await openRaftGroupsWith(environment, node);
  try {
    for (const [groupId, group] of groups) {
      converted.push(await copyGroup(groupId, group, target.group(groupId), report));
    }
  } finally {
    await target.close();
  }
  const copy = await openRaftGroupsWith(environment, node);
  try {
    for (const [groupId, group] of groups) await compare(groupId, group, copy.group(groupId));
  } finally {
    await copy.close();
  }
  return converted;
}

async function copyGroup(
  groupId: number,
  group: RaftSourceGroup,
  log: RaftLog,
  report: (bytes: number) => void,
): Promise<ConvertedGroup> {
  const snapshot = await group.snapshot();
  const isWhole = group.firstIndex === 1;
  const snapshotIndex = snapshot?.metadata.index ?? 0;
  if (!isWhole && snapshotIndex < group.firstIndex - 1)
    throw notBehindSnapshot(groupId, group, snapshotIndex);
  if (!isWhole && snapshot !== undefined) await log.saveSnapshot(snapshot);
  let dataBytes = 0;
  for await (const entries of pieces(group, isWhole ? 1 : snapshotIndex + 1)) {
    await log.save(undefined, entries);
    const bytes = entries.reduce((sum, { data }) => sum + data.byteLength, 0);
    dataBytes += bytes;
    report(bytes);
  }
  const hardState = hardStateOf(group, snapshotIndex);
  await log.save(hardState, []);
  if (isWhole && snapshot !== undefined) await log.saveSnapshot(snapshot);
  const { firstIndex, lastIndex } = log;
  return { groupId, firstIndex, lastIndex, snapshotIndex, hardState, dataBytes };
}

/** What a snapshot holds is committed, also when the node was stopped before it could say so. */
function hardStateOf(group: RaftSourceGroup, snapshotIndex: number): HardState {
  const { hardState } = group.initialState();
  return { ...hardState, commit: Math.max(hardState.commit, snapshotIndex) };
}

async function* pieces(
  group: RaftSourceGroup,
  firstIndex: number,
): AsyncGenerator<readonly Entry[], undefined> {
  for (let lo = firstIndex; lo <= group.lastIndex;) {
    const entries = await group.entries(lo, group.lastIndex + 1, PIECE_BYTES);
    yield entries;
    lo += entries.length;
  }
  return undefined;
}

async function compare(groupId: number, group: RaftSourceGroup, log: RaftLog): Promise<void> {
  const differs = (what: string): RaftLogError =>
    new RaftLogError(
      "RAFT_CORRUPT",
      `group ${groupId}: ${what} of the copy is not that of the source`,
      {
        details: { groupId },
      },
    );
  if (log.lastIndex !== group.lastIndex) throw differs("the last entry");
  for await (const expected of pieces(group, log.firstIndex)) {
    const [first] = expected;
    if (first === undefined) continue;
    const found = await log.entries(first.index, first.index + expected.length);
    for (const [position, entry] of expected.entries()) {
      if (!isSame(entry, found[position])) throw differs(`entry ${entry.index}`);
    }
  }
}

function isSame(entry: Entry, other: Entry | undefined): boolean {
  return (
    other?.term === entry.term &&
    other.type === entry.type &&
    Buffer.compare(entry.data, other.data) === 0
  );
}

function assertWhole({ damage }: RaftSource): void {
  // What a crash left at the end is no part of the log.
  const first = damage.find(({ kind }) => kind !== "torn");
  if (first === undefined) return;
  const { path, offsetBytes = 0, reason, kind } = first;
  throw new RaftLogError(
    "RAFT_CORRUPT",
    `${path}, offset ${offsetBytes}: ${reason}; nothing was converted`,
    {
      details: { path, offsetBytes, kind },
    },
  );
}

function chosenGroups(
  source: RaftSource,
  { groupId, backend }: ConvertOptions,
): ReadonlyMap<number, RaftSourceGroup> {
  if (groupId !== undefined) {
    const group = source.groups.get(groupId);
    if (group === undefined)
      throw invalid("groupId", `there is no group ${groupId} in ${source.directory}`);
    return new Map([[ONLY_GROUP_ID, group]]);
  }
  const others = [...source.groups.keys()].filter((id) => id !== ONLY_GROUP_ID);
  if (backend === "etcd" && others.length > 0) {
    throw invalid(
      "groupId",
      `must be given: etcd keeps one group, and there are ${[...source.groups.keys()].join(", ")}`,
    );
  }
  return source.groups;
}

function parentOf(directory: string): string {
  const slash = directory.lastIndexOf("/");
  if (slash === -1) return ".";
  return slash === 0 ? "/" : joinPath(directory.slice(0, slash), "");
}

function notBehindSnapshot(
  groupId: number,
  { firstIndex }: RaftSourceGroup,
  snapshotIndex: number,
): RaftLogError {
  return new RaftLogError(
    "RAFT_COMPACTED",
    `group ${groupId} begins with entry ${firstIndex}, and its newest snapshot is ${snapshotIndex}: no node could begin with that`,
    { details: { groupId, firstIndex, snapshotIndex } },
  );
}

function invalid(option: string, problem: string): RaftLogError {
  return new RaftLogError("RAFT_INVALID_OPTION", `option ${option}: ${problem}`, {
    details: { option },
  });
}
