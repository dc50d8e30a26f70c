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
import { isLockedByOthers } from "../../src/etcd/segment-lock.ts";
import { ETCD_VERSION, EtcdProcess, NO_ETCD } from "./etcd-process.ts";
import { putsIn } from "./etcd-requests.ts";
import { temporaryDirectory } from "./wal-fixture.ts";

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

suite(`a real etcd ${ETCD_VERSION ?? ""}`, { skip: NO_ETCD }, () => {
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

  test("is copied while it takes writes: each copy is a beginning of what it was sent, with all it had answered", async (context) => {
    const root = await temporaryDirectory(context);
    const from = join(root, "etcd");
    const etcd = await EtcdProcess.start(context, { dataDirectory: from, snapshotCount: 50 });
    const sent: string[] = [];
    let answered = 0;
    let isDone = false;
    const write = async (): Promise<void> => {
      while (!isDone) {
        sent.push(...(await putMany(etcd, sent.length + 1, sent.length + 1)));
        answered = sent.length;
      }
    };
    const writing = write();
    const copy = async (backend: "walnut" | "etcd", round: number): Promise<void> => {
      const before = answered;
      const to = join(root, `${backend}-${round}`);
      const report = await convertRaftLog({ from, to, backend });
      const source = await openRaftSource({ directory: to });
      assert.deepEqual(source.damage, []);
      const group = source.groups.get(0);
      const puts = putsIn(await allOf(group));
      assert.ok(puts.length >= before, `${puts.length} puts of ${before} that were answered`);
      assert.deepEqual(puts.slice(0, sent.length), sent.slice(0, puts.length));
      // The one that was under way may be in the copy; nothing behind it can be.
      assert.ok(puts.length <= sent.length + 1);
      assert.equal(report.groups[0]?.lastIndex, group?.lastIndex);
      assert.ok(
        (group?.initialState().hardState.commit ?? 0) >= (report.groups[0]?.snapshotIndex ?? 0),
      );
      await source.close();
    };
    try {
      for (let round = 1; round <= 2; round++) {
        await copy("walnut", round);
        await copy("etcd", round);
      }
    } finally {
      isDone = true;
      await writing;
      await etcd.stop();
    }
    assert.ok(answered > 4);
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
