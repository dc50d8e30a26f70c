/**
 * One failing call of the disk, at every place of a history: what was answered is there, what was refused is refused in order, and
 * after a restart the log goes on.
 */
import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { FaultyStorage, type FaultRule, type StorageCallKind } from "@walnut/testkit";
import { isWalError } from "@walnut/wal";
import { isRaftLogError, openRaftLogWith, type RaftBackend, type RaftLog } from "@walnut/raft-log";
import { entry, hardState } from "../src/contract/contract-case.ts";
import { Machine } from "./machine.ts";
import {
  applied,
  EMPTY_MODEL,
  logText,
  modelText,
  partlyApplied,
  perform,
  type RaftModel,
  type RaftOperation,
} from "./raft-model.ts";

/** A backend, and how it writes. */
export interface FaultedBackend {
  readonly backend: RaftBackend;
  /** As in `raft-crashes.ts`. */
  readonly isAtomic: boolean;
  /** The call that puts a save on the device. */
  readonly syncKind: "writeDurable" | "syncData";
}

function open(machine: Machine, backend: RaftBackend): Promise<RaftLog> {
  return openRaftLogWith(machine.environment, {
    storageRootDirectory: "/node",
    backend,
    clusterId: 1,
    peerId: 2,
    segmentSizeBytes: 64 * 1024,
    cacheBytes: 100,
  });
}

const DATA = new Uint8Array(9000).fill(7);

/** Votes, entries, overlaps, compaction and snapshots; several segments long. */
const OPERATIONS: readonly RaftOperation[] = Array.from(
  { length: 16 },
  (_, round): RaftOperation[] => {
    const term = round + 1;
    const first = round * 3 + 1;
    const fresh = [0, 1, 2].map((position) => ({ ...entry(first + position, term), data: DATA }));
    const again = fresh.slice(1).map((one) => ({ ...one, term: term + 1 }));
    const confState = {
      voters: [1n],
      learners: [],
      votersOutgoing: [],
      learnersNext: [],
      autoLeave: false,
    };
    return [
      { kind: "save", hardState: hardState(term, 1), entries: [] },
      { kind: "save", hardState: undefined, entries: fresh },
      {
        kind: "save",
        hardState: hardState(term, 1, first),
        entries: round % 3 === 0 ? again.map((one) => ({ ...one, term })) : [],
      },
      ...(round % 5 === 4
        ? ([
            {
              kind: "snapshot",
              snapshot: { metadata: { index: first, term, confState }, data: DATA },
            },
            { kind: "compact", index: first },
          ] as const)
        : []),
    ];
  },
).flat();

interface Outcome {
  readonly models: readonly RaftModel[];
  /** What a backend that writes saves piece by piece may leave between a model and the next. */
  readonly between: readonly (readonly RaftModel[])[];
  /** Operations that were answered before the first that was refused. */
  readonly answered: number;
  /** Operations that were answered behind one that was refused. */
  readonly answeredLater: number;
  /** The first that was refused. */
  readonly refused: RaftOperation | undefined;
}

async function run(log: RaftLog, together: number): Promise<Outcome> {
  const models = [EMPTY_MODEL];
  const between: (readonly RaftModel[])[] = [];
  let answered = 0;
  let answeredLater = 0;
  let refused: RaftOperation | undefined;
  for (let at = 0; at < OPERATIONS.length && refused === undefined; at += together) {
    const operations = OPERATIONS.slice(at, at + together);
    for (const operation of operations) {
      const model = models.at(-1) ?? EMPTY_MODEL;
      between.push(partlyApplied(model, operation));
      models.push(applied(model, operation));
    }
    const calls = operations.map((operation) => perform(log, operation));
    for (const [position, result] of (await Promise.allSettled(calls)).entries()) {
      if (result.status === "rejected") {
        assert.ok(isOperating(result.reason), String(result.reason));
        refused ??= operations[position];
      } else if (refused !== undefined) answeredLater++;
      else answered++;
    }
  }
  return { models, between, answered, answeredLater, refused };
}

function isOperating(error: unknown): boolean {
  return isWalError(error) || isRaftLogError(error) || isSystemError(error);
}

/** Whether commit was learned is nobody's promise: an advance of it alone is not synced. */
function withoutCommit(text: string): string {
  return text.replace(/commit \d+/, "commit -");
}

/** From the snapshot's own files, which are written without the log. */
function isSystemError(error: unknown): boolean {
  return error instanceof Error && "code" in error && /^E[A-Z]+$/.test(String(error.code));
}

/** Fails the n-th call; `false` when there was no such call. */
async function tryFault(
  { backend, isAtomic }: FaultedBackend,
  rule: FaultRule,
  together: number,
): Promise<boolean> {
  let faulty: FaultyStorage | undefined;
  const machine = new Machine({
    wrapStorage: (disk) => (faulty = new FaultyStorage(disk, [rule])),
  });
  let log;
  try {
    log = await open(machine, backend);
  } catch {
    return true; // Nothing was answered.
  }
  const { models, between, answered, answeredLater, refused } = await run(log, together);
  // After the device failed a save nothing may be answered; after a full disk, what does not stand on the save that failed. A
  // snapshot's file is not the log.
  if (rule.code !== "ENOSPC" && refused?.kind === "save") assert.equal(answeredLater, 0);
  const live = answeredLater > 0 ? [withoutCommit(await logText(log))] : [];
  await log.close().catch(() => undefined); // The device is broken; what counts is what is found.
  const fired = (faulty?.fired.length ?? 0) > 0;
  for (const after of [machine.afterKill(), machine.afterPowerLoss()]) {
    const again = await open(after, backend);
    const possible = [
      ...models.slice(answered),
      ...(isAtomic ? [] : between.slice(answered).flat()),
    ];
    const allowed =
      live.length > 0 ? live : possible.map((model) => withoutCommit(modelText(model)));
    const found = withoutCommit(await logText(again));
    assert.ok(allowed.includes(found), `found:\n${found}\nallowed:\n${allowed.join("\n")}`);
    const index = again.lastIndex + 1;
    await again.save(hardState(1000, 1), [entry(index, 1000)]);
    assert.equal((await again.entries(index, index + 1)).length, 1);
    await again.close();
  }
  assert.deepEqual(machine.disk.openFiles, []);
  return fired;
}

const FAULTS: readonly {
  readonly kind: StorageCallKind;
  readonly code: string;
  readonly effect?: "short" | "after";
}[] = [
  { kind: "write", code: "EIO" },
  { kind: "write", code: "ENOSPC", effect: "short" },
  { kind: "writeDurable", code: "EIO" },
  { kind: "writeDurable", code: "ENOSPC" },
  { kind: "syncData", code: "EIO" },
  { kind: "syncAll", code: "EIO" },
  { kind: "createFile", code: "ENOSPC" },
  { kind: "rename", code: "EIO" },
  { kind: "syncDirectory", code: "EIO" },
];

/** Declares the tests. */
export function testFaults(faulted: FaultedBackend): void {
  const { backend, syncKind } = faulted;
  suite(`a Raft log whose disk fails once: ${backend}`, () => {
    for (const { kind, code, effect } of FAULTS) {
      // Not every backend writes through to the device.
      if (kind === "writeDurable" && syncKind !== kind) continue;
      for (const together of [1, 4]) {
        const name = `${code}${effect === undefined ? "" : ` (${effect})`} from ${kind}`;
        test(`${name} at every call: what was answered is there, ${together} at a time`, async () => {
          let tried = 0;
          for (let nth = 1; nth < 400; nth += nth < 10 ? 1 : 9) {
            if (
              !(await tryFault(
                faulted,
                { kind, nth, code, ...(effect === undefined ? {} : { effect }) },
                together,
              ))
            )
              break;
            tried++;
          }
          assert.ok(tried > 0);
        });
      }
    }

    test("babuza and raft-wal go on after a failed sync; here saves are refused until the log is opened again", async () => {
      let faulty: FaultyStorage | undefined;
      const rule = { kind: syncKind, nth: 4, code: "EIO" } as const;
      const machine = new Machine({
        wrapStorage: (disk) => (faulty = new FaultyStorage(disk, [rule])),
      });
      const log = await open(machine, backend);
      let index = 0;
      let failure: unknown;
      while (failure === undefined && index < 100) {
        failure = await log.save(undefined, [entry(index + 1, 1)]).then(
          () => (index++, undefined),
          (error: unknown) => error,
        );
      }
      assert.equal(faulty?.fired.length, 1);
      assert.ok(isWalError(failure));
      await assert.rejects(log.save(hardState(9, 1), []), (error) =>
        isWalError(error, "WAL_POISONED"),
      );
      assert.equal(log.lastIndex, index);
      assert.equal((await log.entries(1, index + 1)).length, index);
      await log.close().catch(() => undefined); // It may say once more that it is poisoned.
      assert.ok((await open(machine.afterPowerLoss(), backend)).lastIndex >= index);
    });
  });
}
