import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { suite, test, type TestContext } from "node:test";
import {
  isRaftLogError,
  openRaftGroups,
  openRaftLog,
  RaftLogError,
  type RaftLogErrorCode,
} from "@walnut/raft-log";

function directory(context: TestContext): string {
  const path = mkdtempSync(join(tmpdir(), "walnut-raft-"));
  context.after(() => rm(path, { recursive: true }));
  return path;
}

async function refused(code: RaftLogErrorCode, call: () => Promise<unknown>): Promise<void> {
  await assert.rejects(call, (error) => isRaftLogError(error, code));
}

const NODE = { clusterId: 1, peerId: 2 };
const ENTRY = { index: 1, term: 1, type: 0, data: new Uint8Array(3) } as const;

suite("errors of Raft storage", () => {
  test("are recognised by code", () => {
    const error = new RaftLogError("RAFT_COMPACTED", "gone", { details: { index: 3 } });
    assert.ok(isRaftLogError(error, "RAFT_COMPACTED"));
    assert.deepEqual(error.details, { index: 3 });
    assert.ok(!isRaftLogError(new Error("gone")));
    assert.ok(!isRaftLogError(new RaftLogError("RAFT_CLOSED", "shut"), "RAFT_UNAVAILABLE"));
  });

  for (const [name, options] of [
    ["an unknown option", { colour: 1 }],
    ["a backend that there is not", { backend: "paper" }],
    ["a negative id", { clusterId: -1 }],
    ["a cache of half a byte", { cacheBytes: 0.5 }],
    ["segments of one byte", { segmentSizeBytes: 1 }],
    ["no directory", { storageRootDirectory: "" }],
  ] as const) {
    test(`${name} is refused as RAFT_INVALID_OPTION`, async (context) => {
      const storageRootDirectory = directory(context);
      const given = { ...NODE, storageRootDirectory, ...options };
      // What a caller without types could pass.
      await refused("RAFT_INVALID_OPTION", () =>
        openRaftLog(given as Parameters<typeof openRaftLog>[0]),
      );
    });
  }

  test("what is no hard state or no entry is refused, and nothing is written", async (context) => {
    const storageRootDirectory = directory(context);
    await using log = await openRaftLog({ ...NODE, storageRootDirectory });
    // What a caller without types could pass.
    type State = NonNullable<Parameters<typeof log.save>[0]>;
    type Entry = Parameters<typeof log.save>[1][number];
    const vote = { term: 1, vote: 1, commit: 0 } as unknown as State;
    await assert.rejects(() => log.save(vote, []), TypeError);
    await assert.rejects(() => log.save({ term: 0.5, vote: 0n, commit: 0 }, []), RangeError);
    const text = { ...ENTRY, data: "text" } as unknown as Entry;
    await assert.rejects(() => log.save(undefined, [text]), TypeError);
    await assert.rejects(() => log.save(undefined, [{ ...ENTRY, index: 0 }]), RangeError);
    assert.equal(log.lastIndex, 0);
    await log.save({ term: 1, vote: 1n, commit: 0 }, [ENTRY]);
    assert.equal(log.lastIndex, 1);
  });

  test("a group id that is no whole number is refused as RAFT_INVALID_OPTION", async (context) => {
    await using groups = await openRaftGroups({
      ...NODE,
      storageRootDirectory: directory(context),
    });
    await refused("RAFT_INVALID_OPTION", async () => groups.group(-1));
    await refused("RAFT_INVALID_OPTION", async () => groups.group(0.5));
  });

  test("another node's directory is refused as RAFT_WRONG_CLUSTER", async (context) => {
    const storageRootDirectory = directory(context);
    await (await openRaftLog({ ...NODE, storageRootDirectory })).close();
    await refused("RAFT_WRONG_CLUSTER", () =>
      openRaftLog({ clusterId: 9, peerId: 2, storageRootDirectory }),
    );
    await refused("RAFT_WRONG_CLUSTER", () =>
      openRaftLog({ clusterId: 1, peerId: 9, storageRootDirectory }),
    );
    await (await openRaftLog({ clusterId: 1n, peerId: 2n, storageRootDirectory })).close();
  });

  test("a damaged identity is RAFT_CORRUPT, and left as it is", async (context) => {
    const storageRootDirectory = directory(context);
    await (await openRaftLog({ ...NODE, storageRootDirectory })).close();
    const path = join(storageRootDirectory, "raft-identity");
    const bytes = readFileSync(path);
    for (const damaged of [
      bytes.subarray(0, 10),
      Buffer.from(bytes).fill(1, 6, 7),
      Buffer.alloc(0),
    ]) {
      writeFileSync(path, damaged);
      await refused("RAFT_CORRUPT", () => openRaftLog({ ...NODE, storageRootDirectory }));
      assert.deepEqual(readFileSync(path), damaged);
    }
  });

  test("bounds: RAFT_UNAVAILABLE behind the end, RAFT_COMPACTED before the start", async (context) => {
    await using log = await openRaftLog({ ...NODE, storageRootDirectory: directory(context) });
    await log.save(undefined, [ENTRY]);
    await refused("RAFT_UNAVAILABLE", () => log.entries(1, 3));
    await log.compact(1);
    await refused("RAFT_COMPACTED", () => log.entries(1, 2));
  });

  test("a gap is RAFT_OUT_OF_ORDER, a closed log RAFT_CLOSED", async (context) => {
    const log = await openRaftLog({ ...NODE, storageRootDirectory: directory(context) });
    await refused("RAFT_OUT_OF_ORDER", () => log.save(undefined, [{ ...ENTRY, index: 2 }]));
    await log.close();
    await refused("RAFT_CLOSED", () => log.save(undefined, [ENTRY]));
  });
});
