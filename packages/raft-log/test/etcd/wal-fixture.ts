/** WALs for the tests of etcd's format: written by the writer, or byte by byte. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { NodeStorage } from "@walnut/wal";
import type { Entry, HardState } from "@walnut/raft-log";
import { ByteWriter } from "../../src/byte-writer.ts";
import {
  encodeHardState,
  encodeWalSnapshot,
  writeEntryHead,
  type WalSnapshot,
} from "../../src/etcd/raft-messages.ts";
import { listSegments, replayWal, type ReplayedWal } from "../../src/etcd/wal-directory.ts";
import { RECORD_TYPE } from "../../src/etcd/wal-record.ts";
import { createSegment, WalWriter, type NewRecord } from "../../src/etcd/wal-writer.ts";

export const STORAGE: NodeStorage = new NodeStorage();

export async function temporaryDirectory(context: TestContext): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), "walnut-etcd-"));
  context.after(() => rm(directory, { recursive: true }));
  return directory;
}

export interface WrittenWal {
  /** As etcd's `Save`: entries, then the hard state. */
  save(hardState: HardState | undefined, entries: readonly Entry[]): Promise<void>;
  saveSnapshot(snapshot: WalSnapshot): Promise<void>;
  close(): Promise<void>;
}

/** As etcd's `Create`. */
export async function createWal(
  directory: string,
  options: { readonly metadata?: Uint8Array; readonly segmentSizeBytes?: number } = {},
): Promise<WrittenWal> {
  const metadata = options.metadata ?? new Uint8Array(0);
  const first: NewRecord = {
    type: RECORD_TYPE.snapshot,
    data: [encodeWalSnapshot({ index: 0, term: 0, confState: undefined })],
  };
  const created = await createSegment(
    { storage: STORAGE, directory, metadata },
    { sequence: 0, firstIndex: 0, crc: 0, records: [first] },
  );
  const writer = new WalWriter(
    {
      storage: STORAGE,
      directory,
      metadata,
      segmentSizeBytes: options.segmentSizeBytes ?? 64_000_000,
      neverSyncs: false,
      onSegment: () => Promise.resolve(),
    },
    { ...created, lastIndex: 0, state: undefined },
  );
  const append = (records: readonly NewRecord[], lastIndex: number | undefined): Promise<void> =>
    writer.append({
      records,
      isSynced: true,
      lastIndex,
      apply: () => undefined,
      abandon: () => undefined,
    });
  return {
    save: (hardState, entries) => {
      const records = entries.map(entryRecord);
      if (hardState !== undefined) {
        records.push({ type: RECORD_TYPE.state, data: [encodeHardState(hardState)] });
      }
      return append(records, entries.at(-1)?.index);
    },
    saveSnapshot: (snapshot) =>
      append(
        [
          {
            type: RECORD_TYPE.snapshot,
            data: [encodeWalSnapshot(snapshot)],
          },
        ],
        undefined,
      ),
    close: () => writer.close(),
  };
}

function entryRecord(entry: Entry): NewRecord {
  const head = new ByteWriter();
  writeEntryHead(head, entry);
  const data = [head.view(0, head.length), entry.data].filter(({ byteLength }) => byteLength > 0);
  return { type: RECORD_TYPE.entry, data };
}

export function entryOf(index: number, term = 0, data: Uint8Array = new Uint8Array(0)): Entry {
  return { index, term, type: 0, data };
}

export async function readWal(directory: string): Promise<ReplayedWal> {
  return await replayWal(STORAGE, await listSegments(STORAGE, directory), { noted: undefined });
}

/** Number of entries in the log that was read. */
export function countOf({ replay }: ReplayedWal): number {
  return replay.state.lastIndex - replay.state.firstIndex + 1;
}
