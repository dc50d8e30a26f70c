/** Every call of the scenario fails once, in every way that its kind can fail. */

import assert from "node:assert/strict";
import { suite, test, type TestContext } from "node:test";

import {
  formatStorageCall,
  STORAGE_CALL_KINDS,
  type FaultRule,
  type StorageCallKind,
} from "@walnut/testkit";

import { runFaultScenario } from "./fault-scenario.ts";

type Fault = Pick<FaultRule, "code" | "effect">;

/** An open defect of the engine; while this is set, failures are shown and do not count. */

const IO: Fault = { code: "EIO", effect: "before" };
const IO_LATE: Fault = { code: "EIO", effect: "after" };
const NO_SPACE: Fault = { code: "ENOSPC", effect: "before" };
const NO_SPACE_SHORT: Fault = { code: "ENOSPC", effect: "short" };
const IO_SHORT: Fault = { code: "EIO", effect: "short" };
const TOO_MANY_FILES: Fault = { code: "EMFILE", effect: "before" };

const FAULTS: Readonly<Record<StorageCallKind, readonly Fault[]>> = {
  ensureDirectory: [IO, NO_SPACE],
  listDirectory: [IO, TOO_MANY_FILES],
  syncDirectory: [IO, IO_LATE, TOO_MANY_FILES],
  createFile: [IO, IO_LATE, NO_SPACE, TOO_MANY_FILES],
  openFile: [IO, TOO_MANY_FILES],
  rename: [IO, IO_LATE, NO_SPACE],
  remove: [IO, IO_LATE],
  lockDirectory: [IO],
  releaseLock: [],
  describeVolume: [IO],
  size: [IO],
  read: [IO],
  write: [IO, IO_LATE, IO_SHORT, NO_SPACE_SHORT],
  writeDurable: [IO, IO_LATE, IO_SHORT, NO_SPACE_SHORT],
  syncData: [IO, IO_LATE, NO_SPACE],
  syncAll: [IO, IO_LATE, NO_SPACE],
  truncate: [IO, IO_LATE],
  close: [IO_LATE],
};

suite("a fault at the n-th call of a kind", () => {
  test("the scenario makes every kind of call, and passes without faults", async () => {
    const { codes, callCounts, problems } = await runFaultScenario([]);
    assert.deepEqual([...codes, ...problems], []);
    const unused = STORAGE_CALL_KINDS.filter((kind) => (callCounts.get(kind) ?? 0) === 0);
    // In this scenario data is synced by durable writes or with all metadata, and nobody asks for the volume.
    assert.deepEqual(
      unused.filter((kind) => kind !== "syncData" && kind !== "describeVolume"),
      [],
    );
  });

  for (const kind of STORAGE_CALL_KINDS) {
    for (const fault of FAULTS[kind]) {
      test(`${kind} fails with ${fault.code} (${fault.effect})`, async (context) => {
        await assertAll(context, await failEachCall({ kind, ...fault }));
      });
    }
  }

  for (const kind of ["any", "syncDirectory", "write", "writeDurable", "syncAll"] as const) {
    test(`${kind} fails for good`, async (context) => {
      const rule = { kind, code: "EIO", count: Number.POSITIVE_INFINITY } as const;
      await assertAll(context, await failEachCall(rule));
    });
  }
});

/** What callers and the system are owed besides the data: documented errors, and every handle back. */
const CONDUCT = /not a WalError|left open/u;

async function assertAll(context: TestContext, problems: readonly string[]): Promise<void> {
  assert.deepEqual(
    problems.filter((problem) => !CONDUCT.test(problem)),
    [],
  );
  await context.test("with documented errors only, and no handle left", () => {
    assert.deepEqual(
      problems.filter((problem) => CONDUCT.test(problem)),
      [],
    );
  });
}

/** Fails the first call, then the second, … until there is no such call any more. */
async function failEachCall(rule: Omit<FaultRule, "nth">): Promise<string[]> {
  const problems: string[] = [];
  for (let nth = 1; ; nth += 1) {
    const outcome = await runFaultScenario([{ ...rule, nth }], { seed: nth });
    const [call] = outcome.fired;
    if (call === undefined) return problems;
    for (const problem of outcome.problems) {
      problems.push(`call ${nth}, ${formatStorageCall(call)}: ${problem}`);
    }
  }
}
