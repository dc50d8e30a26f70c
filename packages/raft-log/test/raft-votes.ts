/**
 * Vote and term are on the device when `save` resolves: the power goes right after, and they are there. Each promise is tried with a
 * disk that lies about syncs as well: a test that such a disk passes proves nothing.
 */
import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { WrappedStorage, type SimulatedDisk } from "@walnut/testkit";
import { openRaftLogWith, type HardState, type RaftBackend, type RaftLog } from "@walnut/raft-log";
import { entriesOf, entry, hardState, textOf } from "../src/contract/contract-case.ts";
import { Machine } from "./machine.ts";

const NODE = {
  storageRootDirectory: "/node",
  clusterId: 1,
  peerId: 2,
  segmentSizeBytes: 64 * 1024,
} as const;

/** Syncs of the log's files are answered and not carried out, from the moment it is told to lie. */
class LyingDisk {
  isLying = false;

  wrap(disk: SimulatedDisk): WrappedStorage {
    return new WrappedStorage(disk, {
      intercept: async (call, proceed, { file, buffers }) => {
        if (!this.isLying || !call.path.endsWith(".wal")) return await proceed();
        const isSync = call.kind === "syncData" || call.kind === "syncAll";
        if (call.kind === "writeDurable") await file?.write(buffers ?? [], call.offsetBytes ?? 0);
        // These resolve to nothing; so does this.
        if (isSync || call.kind === "writeDurable")
          return undefined as Awaited<ReturnType<typeof proceed>>;
        return await proceed();
      },
    });
  }
}

/** Saves of which each alone has to survive; what follows from the one before it. */
const SAVES: readonly {
  readonly name: string;
  readonly save: (log: RaftLog) => Promise<void>;
  readonly kept: HardState;
}[] = [
  { name: "the first vote", save: (log) => log.save(hardState(1, 3), []), kept: hardState(1, 3) },
  { name: "a term without a vote", save: (log) => log.save(hardState(2), []), kept: hardState(2) },
  {
    name: "a vote in a known term",
    save: (log) => log.save(hardState(2, 1), []),
    kept: hardState(2, 1),
  },
  {
    name: "a vote that says it need not be synced",
    save: (log) => log.save(hardState(3, 1), [], { mustSync: false }),
    kept: hardState(3, 1),
  },
  {
    name: "a vote with entries that need not be synced",
    save: (log) => log.save(hardState(4, 2), [entry(1, 4)], { mustSync: false }),
    kept: hardState(4, 2),
  },
  {
    name: "babuza's defect: a vote right behind the same state with an advance of commit",
    save: async (log) => {
      await log.save(hardState(4, 2, 1), []);
      await log.save(hardState(5, 2, 1), []);
    },
    kept: hardState(5, 2, 1),
  },
];

/** Declares the tests. */
export function testVotes(backend: RaftBackend): void {
  const open = (machine: Machine): Promise<RaftLog> =>
    openRaftLogWith(machine.environment, { ...NODE, backend });
  suite(`vote and term: ${backend}`, () => {
    test("are there after a power loss right behind each save", async () => {
      const machine = new Machine();
      const log = await open(machine);
      for (const { name, save, kept } of SAVES) {
        await save(log);
        const again = await open(machine.afterPowerLoss());
        assert.deepEqual(again.initialState().hardState, kept, name);
      }
    });

    test("of every save among many that overlap are there when it resolves", async () => {
      const machine = new Machine();
      const log = await open(machine);
      const checks: Promise<void>[] = [];
      for (let term = 1; term <= 20; term++) {
        const isThere = async (): Promise<void> => {
          await log.save(hardState(term, term % 3), term % 4 === 0 ? [entry(term / 4, term)] : []);
          const crashed = await open(machine.afterPowerLoss());
          assert.ok(crashed.initialState().hardState.term >= term, `term ${term}`);
        };
        checks.push(isThere());
      }
      await Promise.all(checks);
    });

    for (const { name, save, kept } of SAVES) {
      test(`would be lost on a disk that does not sync, and this suite would tell: ${name}`, async () => {
        const liar = new LyingDisk();
        const machine = new Machine({ wrapStorage: (disk) => liar.wrap(disk) });
        const log = await open(machine);
        liar.isLying = true;
        await save(log);
        await assert.rejects(async () => {
          // May be refused at once: what was said to be on the device is not.
          const again = await open(machine.afterPowerLoss());
          assert.deepEqual(again.initialState().hardState, kept);
        });
      });
    }

    test("with unsafeNoSync may be lost: the option does what it says", async () => {
      const machine = new Machine();
      const log = await openRaftLogWith(machine.environment, {
        ...NODE,
        backend,
        unsafeNoSync: true,
      });
      for (let term = 1; term <= 9; term++) await log.save(hardState(term, 1), [entry(term, term)]);
      const again = await open(machine.afterPowerLoss());
      assert.ok(again.initialState().hardState.term < 9);
    });

    test("an advance of commit alone is not synced, and never takes a vote back", async () => {
      const machine = new Machine();
      const log = await open(machine);
      await log.save(hardState(1, 3), entriesOf(1, 3, 1));
      await log.save(hardState(1, 3, 3), []);
      const again = await open(machine.afterPowerLoss());
      const { term, vote } = again.initialState().hardState;
      assert.deepEqual([term, vote], [1, 3n]);
      assert.deepEqual(await textOf(again), await textOf(log));
    });
  });
}
