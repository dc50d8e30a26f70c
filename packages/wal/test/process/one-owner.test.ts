/**
 * Several processes that want the same directory: one gets it at a time, and whatever kills the owner lets the next one in.
 */
import assert from "node:assert/strict";
import { suite, test, type TestContext } from "node:test";
import { isWalError, openWal } from "@walnut/wal";
import { Child, temporaryDirectory } from "./child-process.ts";

const CONTENDERS = 3;

async function contenders(directory: string, context: TestContext): Promise<readonly Child[]> {
  const children = Array.from(
    { length: CONTENDERS },
    () => new Child("lock-holder.ts", [directory], context),
  );
  await Promise.all(children.map((child) => child.hasLines(1)));
  return children;
}

/** Tells all of them to try at once; answers are given in the order of the children. */
async function race(children: readonly Child[]): Promise<readonly string[]> {
  const counts = children.map((child) => child.lines.length);
  for (const child of children) child.tell("open");
  await Promise.all(children.map((child, index) => child.hasLines((counts[index] ?? 0) + 1)));
  return children.map((child) => child.lines.at(-1) ?? "");
}

suite("processes racing for one directory", () => {
  test("exactly one gets it each time, whether the last owner closed or was killed", async (context) => {
    const directory = temporaryDirectory(context);
    let children = await contenders(directory, context);
    let expectedLsn = 0;
    for (const ending of ["close", "kill", "close", "kill"]) {
      const answers = await race(children);
      const owners = children.filter((_, index) => answers[index]?.startsWith("open"));
      assert.equal(owners.length, 1, answers.join(", "));
      assert.equal(answers.filter((answer) => answer === "WAL_LOCKED").length, children.length - 1);
      assert.ok(answers.includes(`open ${++expectedLsn}`), answers.join(", "));
      const [owner] = owners;
      assert.ok(owner !== undefined);
      await assert.rejects(openWal({ directory }), (error) => isWalError(error, "WAL_LOCKED"));
      if (ending === "kill") {
        await owner.kill();
        children = children.filter((child) => child !== owner);
      } else {
        const count = owner.lines.length;
        owner.tell("close");
        await owner.hasLines(count + 1);
      }
    }
    await using wal = await openWal({ directory, recovery: "strict" });
    assert.equal(wal.positions.appendedLsn, expectedLsn);
  });
});
