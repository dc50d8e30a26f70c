/** Data directories of real etcds, 3.5 and newer, which no distribution of CI has: read, written on, and written anew. */
import assert from "node:assert/strict";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { suite, test } from "node:test";
import { gunzipSync } from "node:zlib";
import { convertRaftLog, openRaftLog, openRaftSource, type Entry } from "@walnut/raft-log";
import { decodeEntry, decodeHardState, decodeWalSnapshot } from "../../src/etcd/raft-messages.ts";
import { SegmentScanner, type ScannedRecord } from "../../src/etcd/segment-scanner.ts";
import { RECORD_TYPE } from "../../src/etcd/wal-record.ts";
import { DUMP_LOGS_WAL, ETCD_VERSIONS, PUTS_OF_A_LIFE, unpackEtcdData } from "./etcd-data.ts";
import { putsIn } from "./etcd-requests.ts";
import { createWal, STORAGE, temporaryDirectory } from "./wal-fixture.ts";

const FIRST = "0000000000000000-0000000000000000.wal";
const PUTS = PUTS_OF_A_LIFE.flat();

/** Since 3.7 unset numbers are left out: read, and never written. */
const isOfOurLayout = (version: string): boolean => /^3\.[0-6]\./.test(version);

async function recordsOf(path: string): Promise<readonly ScannedRecord[]> {
  const file = await STORAGE.openFile(path, "read");
  try {
    const scanner = new SegmentScanner(file, await file.size(), { crc: 0, isNewest: true });
    const records: ScannedRecord[] = [];
    while (scanner.end === undefined) records.push(...(await scanner.next()));
    assert.equal(scanner.end.kind, "end");
    return records;
  } finally {
    await file.close();
  }
}

/** Hands what the records say to our writer, a save for each hard state. Etcd may be killed before it has written the last one. */
async function writeAnew(records: readonly ScannedRecord[], directory: string): Promise<void> {
  const metadata = records.find(({ type }) => type === RECORD_TYPE.metadata)?.data;
  assert.ok(metadata !== undefined);
  const wal = await createWal(directory, { metadata });
  let entries: Entry[] = [];
  for (const { type, data } of records) {
    if (type === RECORD_TYPE.entry) entries.push(decodeEntry(data));
    if (type === RECORD_TYPE.state) {
      await wal.save(decodeHardState(data), entries);
      entries = [];
    }
    if (type === RECORD_TYPE.snapshot && decodeWalSnapshot(data).index > 0) {
      await wal.saveSnapshot(decodeWalSnapshot(data));
    }
  }
  await wal.save(undefined, entries);
  await wal.close();
}

for (const version of ETCD_VERSIONS) {
  suite(`a data directory of etcd ${version}`, () => {
    test("is read entry by entry, with its snapshot and its members", async (context) => {
      const directory = await temporaryDirectory(context);
      await unpackEtcdData(version, directory);
      const source = await openRaftSource({ directory });
      assert.deepEqual(source.damage, []);
      const group = source.groups.get(0);
      assert.ok(group !== undefined);
      assert.deepEqual(putsIn(await group.entries(1, group.lastIndex + 1)), PUTS);
      const { hardState, confState } = group.initialState();
      assert.equal(hardState.vote, source.peerId);
      assert.ok(hardState.commit > PUTS.length && hardState.commit <= group.lastIndex);
      assert.ok(group.snapshotIndex > 12);
      assert.deepEqual(confState.voters, [source.peerId]);
      assert.equal((await group.snapshot())?.metadata.index, group.snapshotIndex);
      await source.close();
    });

    test("goes on here, and to another backend", async (context) => {
      const root = await temporaryDirectory(context);
      await unpackEtcdData(version, join(root, "etcd"));
      const { clusterId, peerId, groups } = await convertRaftLog({
        from: join(root, "etcd"),
        to: join(root, "walnut"),
        backend: "walnut",
      });
      const node = { clusterId, peerId };
      const index = (groups[0]?.lastIndex ?? 0) + 1;
      const term = (groups[0]?.hardState.term ?? 0) + 1;
      const entry: Entry = { index, term, type: 0, data: Buffer.from("one more") };
      for (const [backend, storageRootDirectory] of [
        ["walnut", join(root, "walnut")],
        ["etcd", join(root, "etcd/member")],
      ] as const) {
        const log = await openRaftLog({ ...node, backend, storageRootDirectory });
        await log.save({ term, vote: peerId, commit: index - 1 }, [entry]);
        await log.close();
        const again = await openRaftLog({ ...node, backend, storageRootDirectory });
        const entries = await again.entries(1, index + 1);
        assert.deepEqual(putsIn(entries.slice(0, -1)), PUTS);
        assert.equal(Buffer.from(entries.at(-1)?.data ?? []).toString(), "one more");
        await again.close();
      }
    });

    test("written anew is the same, byte for byte where the layout is ours", async (context) => {
      const root = await temporaryDirectory(context);
      await unpackEtcdData(version, root);
      const path = join(root, "member/wal", FIRST);
      const records = await recordsOf(path);
      const directory = join(root, "anew");
      await STORAGE.ensureDirectory(directory);
      await writeAnew(records, directory);
      const anew = await recordsOf(join(directory, FIRST));
      const entries = (some: readonly ScannedRecord[]): readonly Entry[] =>
        some.filter(({ type }) => type === RECORD_TYPE.entry).map(({ data }) => decodeEntry(data));
      assert.deepEqual(entries(anew), entries(records));
      const written = await readFile(join(directory, FIRST));
      const theirs = (await readFile(path)).subarray(0, written.byteLength);
      assert.equal(written.equals(theirs), isOfOurLayout(version));
    });
  });
}

test("the 34 entries of etcd-dump-logs: written anew they are the same bytes", async (context) => {
  const directory = await temporaryDirectory(context);
  const theirs = gunzipSync(await readFile(DUMP_LOGS_WAL));
  await writeFile(join(directory, "theirs"), theirs);
  const records = await recordsOf(join(directory, "theirs"));
  assert.equal(records.filter(({ type }) => type === RECORD_TYPE.entry).length, 34);
  await writeAnew(records, directory);
  const written = await readFile(join(directory, FIRST));
  assert.ok(written.equals(theirs.subarray(0, written.byteLength)));
});
