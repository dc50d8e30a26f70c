import assert from "node:assert/strict";
import { mkdir, readdir, readFile, stat, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { suite, test, type TestContext } from "node:test";
import { gunzipSync } from "node:zlib";
import { openRaftGroups, openRaftLog, type RaftBackend, type RaftLog } from "@walnut/raft-log";
import { EXIT_DAMAGE, EXIT_LOCKED, EXIT_OK, EXIT_USAGE } from "../src/exit-code.ts";
import { runCli } from "../src/run-cli.ts";
import { flip, run, temporaryDirectory } from "./log-fixture.ts";
import { RecordedEnvironment } from "./recorded-environment.ts";

const WAL = "wal/0000000000000000-0000000000000000.wal";
const CONF_STATE = {
  voters: [7n, 0x8e9e05c52164694dn],
  learners: [],
  votersOutgoing: [],
  learnersNext: [],
  autoLeave: false,
};

function open(directory: string, backend: RaftBackend): Promise<RaftLog> {
  return openRaftLog({ storageRootDirectory: directory, clusterId: 5, peerId: 7, backend });
}

/** A node of 20 entries with a snapshot at 12, perhaps compacted up to 10. */
async function node(
  context: TestContext,
  { backend = "etcd", isCompacted = false }: { backend?: RaftBackend; isCompacted?: boolean } = {},
): Promise<string> {
  const directory = join(await temporaryDirectory(context), "node");
  const log = await open(directory, backend);
  for (let index = 1; index <= 20; index++) {
    const data = Buffer.from(`entry ${index}`);
    await log.save({ term: 3, vote: 7n, commit: index - 1 }, [{ index, term: 3, type: 0, data }]);
  }
  const metadata = { index: 12, term: 3, confState: CONF_STATE };
  await log.saveSnapshot({ metadata, data: Buffer.from("state") });
  if (isCompacted) await log.compact(10);
  await log.close();
  return directory;
}

suite("walnut raft dump", () => {
  test("prints entries, with what is known of the group", async (context) => {
    for (const backend of ["walnut", "etcd", "level"] as const) {
      const directory = await node(context, { backend });
      const { code, environment } = await run(["raft", "dump", directory]);
      assert.equal(code, EXIT_OK, environment.err);
      assert.match(environment.out, new RegExp(`${backend}, cluster 5, peer 7`));
      assert.match(
        environment.out,
        /entries 1 - 20, term 3, vote 7, commit 19, snapshot 12 of 7, 0x8e9e05c52164694d/,
      );
      assert.match(environment.out, / 20 +3 +normal +8 {2}entry 20\n/);
    }
  });

  test("prints a range, a number of entries, and JSON lines", async (context) => {
    const directory = await node(context, { isCompacted: true });
    const range = await run(["raft", "dump", directory, "--from", "3", "--to", "13", "--json"]);
    const lines = range.environment.out
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line));
    assert.deepEqual(
      lines.map(({ index }) => index),
      [11, 12, 13],
    );
    assert.equal(Buffer.from(lines[0].data, "base64").toString(), "entry 11");
    const limited = await run(["raft", "dump", directory, "--limit", "2", "--json"]);
    assert.equal(limited.environment.out.trim().split("\n").length, 2);
  });

  test("shows one group of many, and says which there are", async (context) => {
    const directory = join(await temporaryDirectory(context), "node");
    const groups = await openRaftGroups({
      storageRootDirectory: directory,
      clusterId: 5,
      peerId: 7,
    });
    for (const groupId of [3, 9]) {
      const data = Buffer.from(`of group ${groupId}`);
      await groups.group(groupId).save(undefined, [{ index: 1, term: 1, type: 0, data }]);
    }
    await groups.close();
    const limited = await run(["raft", "dump", directory, "--limit", "1"]);
    assert.match(limited.environment.out, /^group 3: /m);
    assert.doesNotMatch(limited.environment.out, /^group 9: /m);
    const { environment } = await run(["raft", "dump", directory, "--group", "9"]);
    assert.match(environment.out, /of group 9/);
    assert.doesNotMatch(environment.out, /of group 3/);
    const none = await run(["raft", "dump", directory, "--group", "4"]);
    assert.equal(none.code, EXIT_USAGE);
    assert.match(none.environment.err, /3, 9/);
    const empty = await run(["raft", "dump", directory, "--from", "8", "--to", "3"]);
    assert.equal(empty.code, EXIT_USAGE);
  });

  test("prints the 34 entries of the test of etcd-dump-logs with the terms, types and requests that it has", async (context) => {
    const directory = await temporaryDirectory(context);
    const file = join(import.meta.dirname, "../../raft-log/test/etcd/data/dump-logs.wal.gz");
    await mkdir(join(directory, "wal"));
    await writeFile(join(directory, WAL), gunzipSync(await readFile(file)));
    const { code, environment } = await run(["raft", "dump", directory, "--json"]);
    assert.equal(code, EXIT_OK, environment.err);
    const entries = environment.out
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line));
    const termOf = (index: number): number =>
      index < 5 ? Math.min(index, 2) : Math.min(Math.max(index - 6, 3), 27);
    assert.deepEqual(
      entries.map(({ index, term, type }) => [index, term, type]),
      Array.from({ length: 34 }, (_, at) => [
        at + 1,
        termOf(at + 1),
        at < 4 ? "conf-change" : "normal",
      ]),
    );
    const data = entries.map((entry) => Buffer.from(entry.data, "base64"));
    // Number of the change, its kind (add, remove, update, add learner), and the node.
    assert.deepEqual(
      data.slice(0, 4).map((bytes) => [bytes[1], bytes[3], bytes[5]]),
      [
        [1, 0, 2],
        [2, 1, 2],
        [3, 2, 2],
        [4, 3, 3],
      ],
    );
    // Requests of the second version are numbered from 0, those of the third go on from 5.
    assert.deepEqual(
      data.slice(4, 33).map((bytes) => bytes[1]),
      Array.from({ length: 29 }, (_, at) => at),
    );
    const text = await run(["raft", "dump", directory]);
    const lines = text.environment.out.split("\n").filter((line) => /^ +\d/.test(line));
    for (const [index, words] of [
      [6, /QGET.*path1/],
      [7, /SYNC.*path2/],
      [8, /DELETE.*path3/],
      [9, /RANDOM.*path4.superlong/],
      [11, /foo1.*bar1/],
      [20, /myname.*\*{8}.*\*{5}$/],
      [21, /name1.*\*{5}/],
      [24, /name1.*\*{5}$/],
      [25, /user1.*role1/],
      [32, /role3.*Keys.*RangeEnd/],
      [34, /normal +1 +\?$/],
    ] as const) {
      assert.match(lines[index - 1] ?? "", words);
    }
    // Entries 20, 21 and 24 are a login, a new user and a new password.
    for (const secret of ["password", "token", "pass1", "pass2"]) {
      const holds = (bytes: Uint8Array): boolean => Buffer.from(bytes).includes(secret);
      assert.ok(!text.environment.out.includes(secret) && !data.some(holds), secret);
    }
  });

  test("says where there is no Raft log", async (context) => {
    const directory = await temporaryDirectory(context);
    const { code, environment } = await run(["raft", "dump", directory, "--json"]);
    assert.equal(code, EXIT_USAGE);
    assert.equal(environment.json.error.code, "RAFT_INVALID_OPTION");
  });

  test("works beside the node that writes", async (context) => {
    for (const backend of ["walnut", "etcd"] as const) {
      const directory = await node(context, { backend });
      const log = await open(directory, backend);
      await log.save(undefined, [{ index: 21, term: 3, type: 0, data: Buffer.from("live") }]);
      const { code, environment } = await run([
        "raft",
        "dump",
        directory,
        "--from",
        "21",
        "--json",
      ]);
      assert.equal(code, EXIT_OK);
      assert.equal(environment.json.index, 21);
      await log.close();
    }
  });
});

suite("walnut raft verify", () => {
  test("finds nothing wrong with a whole log", async (context) => {
    for (const backend of ["walnut", "etcd", "level"] as const) {
      const directory = await node(context, { backend });
      const { code, environment } = await run(["raft", "verify", directory, "--json"]);
      assert.equal(code, EXIT_OK);
      assert.equal(environment.json.ok, true);
      assert.equal(environment.json.groups[0].lastIndex, 20);
      const text = await run(["raft", "verify", directory]);
      assert.match(text.environment.out, /nothing is damaged/);
    }
  });

  test("names each wrong checksum with file, offset and entry, and a broken snapshot", async (context) => {
    const directory = await node(context);
    const bytes = await readFile(join(directory, WAL));
    for (const entry of ["entry 4", "entry 15"]) {
      await flip(join(directory, WAL), bytes.indexOf(entry) + 2);
    }
    const [snap = ""] = await readdir(join(directory, "snap"));
    await flip(join(directory, "snap", snap), 20);
    const { code, environment } = await run(["raft", "verify", directory, "--json"]);
    assert.equal(code, EXIT_DAMAGE);
    const kinds = environment.json.damage.map(
      ({ kind, lastIndex }: { kind: string; lastIndex?: number }) => `${kind} ${lastIndex ?? "-"}`,
    );
    assert.deepEqual(kinds.slice(0, 3), ["crc-mismatch 3", "crc-mismatch 14", "snapshot -"]);
    const text = await run(["raft", "verify", directory]);
    assert.equal(text.code, EXIT_DAMAGE);
    assert.match(text.environment.out, new RegExp(WAL));
  });

  test("names damage of the backend walnut", async (context) => {
    const directory = await node(context, { backend: "walnut" });
    const path = join(directory, "wal/000000000001.wal");
    await flip(path, (await readFile(path)).indexOf("entry 4"));
    const { code, environment } = await run(["raft", "verify", directory, "--json"]);
    assert.equal(code, EXIT_DAMAGE);
    assert.ok(environment.json.damage.length > 0);
  });

  test("shows its progress on a terminal when it takes long, and only there", async (context) => {
    const directory = await node(context);
    let elapsedMs = 0;
    for (const isTTY of [true, false]) {
      const environment = new RecordedEnvironment({ isTTY });
      environment.monotonicMs = () => (elapsedMs += 2000);
      assert.equal(await runCli(["raft", "verify", directory], environment), EXIT_OK);
      assert.equal(environment.err.includes("verify ["), isTTY);
    }
  });
});

suite("walnut raft repair", () => {
  /** A node whose last record was cut by a crash. */
  async function tornNode(context: TestContext): Promise<string> {
    const directory = await node(context);
    const path = join(directory, WAL);
    await truncate(path, (await readFile(path)).lastIndexOf("entry 20") + 3);
    return directory;
  }

  test("says what it would cut, changes nothing, and then does it, keeping a copy", async (context) => {
    const directory = await tornNode(context);
    const path = join(directory, WAL);
    const before = await readFile(path);
    const plan = await run(["raft", "repair", directory]);
    assert.equal(plan.code, EXIT_DAMAGE);
    assert.match(plan.environment.out, /ends with entry 19.*--apply/s);
    assert.deepEqual(await readFile(path), before);
    const done = await run(["raft", "repair", directory, "--apply", "--json"]);
    assert.equal(done.code, EXIT_OK);
    assert.equal(done.environment.json.isApplied, true);
    assert.deepEqual(await readFile(`${path}.broken`), before);
    assert.ok((await stat(path)).size < before.byteLength);
    const after = await run(["raft", "repair", directory]);
    assert.equal(after.code, EXIT_OK);
    assert.match(after.environment.out, /nothing to repair/);
  });

  test("does not touch a log with damage elsewhere", async (context) => {
    const directory = await tornNode(context);
    const path = join(directory, WAL);
    await flip(path, (await readFile(path)).indexOf("entry 4"));
    const before = await readFile(path);
    const { code, environment } = await run(["raft", "repair", directory, "--apply"]);
    assert.equal(code, EXIT_DAMAGE);
    assert.match(environment.out, /no repair mends/);
    assert.deepEqual(await readFile(path), before);
  });

  test("does not touch a log that is open", async (context) => {
    const directory = await node(context);
    const log = await open(directory, "etcd");
    const path = join(directory, WAL);
    await truncate(path, (await stat(path)).size - 4);
    const { code } = await run(["raft", "repair", directory, "--apply"]);
    assert.equal(code, EXIT_LOCKED);
    await log.close();
  });
});

suite("walnut raft convert", () => {
  test("goes from each backend to each, and compares", async (context) => {
    const backends = ["walnut", "etcd", "level"] as const;
    for (const from of backends) {
      const directory = await node(context, { backend: from });
      for (const to of backends) {
        const target = join(directory, "..", `${to}-copy`);
        const { code, environment } = await run([
          "raft",
          "convert",
          directory,
          target,
          "--backend",
          to,
          "--json",
        ]);
        assert.equal(code, EXIT_OK, environment.err);
        assert.equal(environment.json.groups[0].lastIndex, 20);
        const log = await open(target, to);
        assert.equal(log.firstIndex, 1);
        const { hardState, confState } = log.initialState();
        assert.deepEqual(hardState, { term: 3, vote: 7n, commit: 19 });
        assert.deepEqual(confState, CONF_STATE);
        assert.equal(
          Buffer.from((await log.entries(20, 21))[0]?.data ?? []).toString(),
          "entry 20",
        );
        await log.close();
      }
    }
  });

  test("a log that was compacted begins behind its snapshot", async (context) => {
    const directory = await node(context, { isCompacted: true });
    const target = join(directory, "../copy");
    const { code, environment } = await run([
      "raft",
      "convert",
      directory,
      target,
      "--backend",
      "walnut",
    ]);
    assert.equal(code, EXIT_OK, environment.err);
    assert.match(environment.out, /entries 13 - 20/);
    const log = await open(target, "walnut");
    assert.equal(log.firstIndex, 13);
    assert.equal((await log.snapshot())?.metadata.index, 12);
    await log.close();
  });

  test("refuses a target that is not empty, and a damaged source, and leaves neither changed", async (context) => {
    const directory = await node(context);
    const full = await run(["raft", "convert", directory, directory, "--backend", "walnut"]);
    assert.equal(full.code, EXIT_USAGE);
    const path = join(directory, WAL);
    await flip(path, (await readFile(path)).indexOf("entry 4"));
    const target = join(directory, "../copy");
    const { code } = await run(["raft", "convert", directory, target, "--backend", "walnut"]);
    assert.equal(code, EXIT_DAMAGE);
    assert.deepEqual(await readdir(join(directory, "..")), ["node"]);
  });

  test("one group of many becomes etcd's only one", async (context) => {
    const directory = join(await temporaryDirectory(context), "node");
    const groups = await openRaftGroups({
      storageRootDirectory: directory,
      clusterId: 5,
      peerId: 7,
    });
    for (const groupId of [3, 9]) {
      const data = Buffer.from(`of group ${groupId}`);
      await groups.group(groupId).save(undefined, [{ index: 1, term: 1, type: 0, data }]);
    }
    await groups.close();
    const target = join(directory, "../copy");
    const many = await run(["raft", "convert", directory, target, "--backend", "etcd"]);
    assert.equal(many.code, EXIT_USAGE);
    const one = await run([
      "raft",
      "convert",
      directory,
      target,
      "--backend",
      "etcd",
      "--group",
      "9",
    ]);
    assert.equal(one.code, EXIT_OK, one.environment.err);
    const log = await open(target, "etcd");
    assert.equal(Buffer.from((await log.entries(1, 2))[0]?.data ?? []).toString(), "of group 9");
    await log.close();
  });
});
