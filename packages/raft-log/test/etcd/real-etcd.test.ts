/** Against a real etcd: we read what it wrote, and it serves what we wrote. */
import assert from "node:assert/strict";
import { copyFile } from "node:fs/promises";
import { join } from "node:path";
import { suite, test } from "node:test";
import { isWalError } from "@walnut/wal";
import {
  convertRaftLog,
  isRaftLogError,
  openRaftLog,
  openRaftSource,
  type Entry,
  type RaftSourceGroup,
} from "@walnut/raft-log";
import { bytesOf, readFields } from "../../src/etcd/proto-fields.ts";
import { isLockedByOthers } from "../../src/etcd/segment-lock.ts";
import { EtcdProcess, NO_ETCD } from "./etcd-process.ts";
import { temporaryDirectory } from "./wal-fixture.ts";

/** Field of `InternalRaftRequest` that holds a put. */
const PUT_FIELD = 4;
/** Field of a request of the second version that holds its path. */
const PATH_FIELD = 3;

/** Puts in the entries of a log, as `key=value`. */
function putsIn(entries: readonly Entry[]): string[] {
  return (
    entries
      .filter(({ type, data }) => type === 0 && data.byteLength > 0)
      .map(({ data }) => [...readFields(data)])
      // What the node publishes about itself is a request of the second version, and has a path.
      .filter((fields) => !fields.some(({ number }) => number === PATH_FIELD))
      .flat()
      .filter(({ number, value }) => number === PUT_FIELD && value instanceof Uint8Array)
      .map(({ value }) => {
        const [key, text] = [1, 2].map((field) => {
          const found = [...readFields(bytesOf(value))].find(({ number }) => number === field);
          return found === undefined ? "" : Buffer.from(bytesOf(found.value)).toString();
        });
        return `${key}=${text}`;
      })
  );
}

async function allOf(group: RaftSourceGroup | undefined): Promise<readonly Entry[]> {
  assert.ok(group !== undefined);
  return await group.entries(group.firstIndex, group.lastIndex + 1);
}

async function putMany(etcd: EtcdProcess, first: number, last: number): Promise<string[]> {
  const puts: string[] = [];
  for (let number = first; number <= last; number++) {
    const value = `value ${number} ${"x".repeat(number * 7)}`;
    await etcd.put(`key${number}`, value);
    puts.push(`key${number}=${value}`);
  }
  return puts;
}

suite("a real etcd", { skip: NO_ETCD }, () => {
  test("writes a data directory that is read entry by entry: puts, snapshots, restarts", async (context) => {
    const dataDirectory = await temporaryDirectory(context);
    const options = { dataDirectory, snapshotCount: 40 };
    const etcd = await EtcdProcess.start(context, options);
    const puts = await putMany(etcd, 1, 70);
    // While it runs.
    const live = await openRaftSource({ directory: dataDirectory });
    assert.deepEqual(live.damage, []);
    assert.deepEqual(putsIn(await allOf(live.groups.get(0))), puts);
    await live.close();
    await etcd.compact(30);
    await etcd.stop("SIGKILL");
    const again = await EtcdProcess.start(context, options);
    puts.push(...(await putMany(again, 71, 100)));
    await again.stop();
    const source = await openRaftSource({ directory: dataDirectory });
    assert.deepEqual(source.damage, []);
    assert.equal(source.backend, "etcd");
    assert.ok(source.clusterId > 0n && source.peerId > 0n);
    const group = source.groups.get(0);
    assert.deepEqual(putsIn(await allOf(group)), puts);
    const { hardState, confState } = group?.initialState() ?? assert.fail();
    assert.equal(hardState.vote, source.peerId);
    assert.ok(hardState.commit <= (group?.lastIndex ?? 0));
    assert.ok((group?.snapshotIndex ?? 0) > 40);
    assert.deepEqual(confState.voters, [source.peerId]);
    const snapshot = await group?.snapshot();
    assert.equal(snapshot?.metadata.index, group?.snapshotIndex);
    await source.close();
  });

  test("serves a log that went to the backend walnut and back", async (context) => {
    const root = await temporaryDirectory(context);
    const etcd = await EtcdProcess.start(context, { dataDirectory: join(root, "first") });
    const puts = await putMany(etcd, 1, 50);
    const keys = await etcd.all();
    // From the directory in use.
    const report = await convertRaftLog({
      from: join(root, "first"),
      to: join(root, "walnut"),
      backend: "walnut",
    });
    await etcd.stop();
    assert.equal(report.groups[0]?.firstIndex, 1);
    await convertRaftLog({
      from: join(root, "walnut"),
      to: join(root, "second", "member"),
      backend: "etcd",
    });
    const second = await EtcdProcess.start(context, { dataDirectory: join(root, "second") });
    assert.deepEqual(await second.all(), keys);
    await second.put("another", "one");
    await second.stop();
    const source = await openRaftSource({ directory: join(root, "second") });
    assert.deepEqual(source.damage, []);
    assert.deepEqual(putsIn(await allOf(source.groups.get(0))), [...puts, "another=one"]);
    await source.close();
  });

  test("serves a log with a snapshot, beside its own database", async (context) => {
    const root = await temporaryDirectory(context);
    const first = join(root, "first");
    const etcd = await EtcdProcess.start(context, { dataDirectory: first, snapshotCount: 20 });
    await putMany(etcd, 1, 60);
    const keys = await etcd.all();
    await etcd.stop();
    const second = join(root, "second");
    await convertRaftLog({ from: first, to: join(root, "walnut"), backend: "walnut" });
    await convertRaftLog({
      from: join(root, "walnut"),
      to: join(second, "member"),
      backend: "etcd",
    });
    // The keys themselves: etcd's state machine, which no Raft log holds.
    await copyFile(join(first, "member/snap/db"), join(second, "member/snap/db"));
    const again = await EtcdProcess.start(context, { dataDirectory: second, snapshotCount: 20 });
    assert.deepEqual(await again.all(), keys);
    await again.put("more", "1");
    await again.stop();
  });

  test("and the backend etcd take turns in one directory, and never both", async (context) => {
    const dataDirectory = await temporaryDirectory(context);
    const etcd = await EtcdProcess.start(context, { dataDirectory });
    await putMany(etcd, 1, 20);
    const source = await openRaftSource({ directory: dataDirectory });
    const { clusterId, peerId } = source;
    await source.close();
    const storageRootDirectory = join(dataDirectory, "member");
    const node = { storageRootDirectory, clusterId, peerId, backend: "etcd" } as const;
    await assert.rejects(openRaftLog(node), (error) => isWalError(error, "WAL_LOCKED"));
    const newest = join(storageRootDirectory, "wal", "0000000000000000-0000000000000000.wal");
    assert.equal(await isLockedByOthers(newest), process.platform === "linux");
    await assert.rejects(openRaftLog({ ...node, backend: "walnut" }), (error) =>
      isRaftLogError(error, "RAFT_WRONG_CLUSTER"),
    );
    const keys = await etcd.all();
    await etcd.stop("SIGKILL");
    assert.equal(await isLockedByOthers(newest), false);
    const log = await openRaftLog(node);
    const { hardState } = log.initialState();
    const { lastIndex } = log;
    // As a node that was elected and heard nothing: an empty entry of a new term.
    await log.save({ term: hardState.term + 1, vote: peerId, commit: hardState.commit }, [
      { index: lastIndex + 1, term: hardState.term + 1, type: 0, data: new Uint8Array(0) },
    ]);
    await log.close();
    const again = await EtcdProcess.start(context, { dataDirectory });
    assert.deepEqual(await again.all(), keys);
    await again.put("last", "1");
    await again.stop();
    const after = await openRaftLog(node);
    assert.ok(after.lastIndex > lastIndex + 1);
    assert.equal(after.term(lastIndex + 1), hardState.term + 1);
    await after.close();
  });
});
