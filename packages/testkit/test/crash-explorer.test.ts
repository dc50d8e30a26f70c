/**
 * The explorer is tried on a small log whose bugs are known: it must pass the correct one and find every
 * bug. An explorer that finds nothing proves nothing.
 */

import assert from "node:assert/strict";
import { suite, test } from "node:test";

import { exploreCrashes, parseCrashChain, replayCrash, SimulatedDisk } from "@walnut/testkit";

import { TOY_BUGS, ToyLog, toySubject } from "./toy-log.ts";

suite("exploreCrashes", () => {
  test("finds nothing wrong with a correct log", async () => {
    let states = 0;
    for (const seed of [1, 2, 3]) {
      const report = await exploreCrashes({ subject: toySubject("none"), seed, maxStates: 800 });
      assert.deepEqual(report.failures, [], `seed ${seed}`);
      assert.ok(report.moments > 10 && report.exhaustiveMoments > 5);
      states += report.states;
    }
    assert.ok(states > 1_500, `${states} states`);
  });

  for (const bug of TOY_BUGS) {
    test(`finds the bug of a log that has "${bug}"`, async () => {
      for (let seed = 1; seed <= 8; seed += 1) {
        const subject = toySubject(bug);
        const report = await exploreCrashes({ subject, seed, maxStates: 3_000 });
        const [failure] = report.failures;
        if (failure === undefined) continue;

        // The line replays it, and says the same.
        const [name, seedText, ...chain] = failure.replay.split(" ");
        assert.equal(name, subject.name);
        const lines: string[] = [];
        const again = await replayCrash({
          subject,
          seed: Number(seedText),
          chain: parseCrashChain(chain.join(" ")),
          print: (line) => lines.push(line),
        });
        assert.equal(firstLine(again.failures[0]?.message), firstLine(failure.message));
        assert.ok(lines.length > 5, "a replay shows the storage calls");
        return;
      }
      assert.fail("not found");
    });
  }

  test("sees the same with the same seed", async () => {
    const explore = (): Promise<unknown> =>
      exploreCrashes({ subject: toySubject("no-cut"), seed: 1, maxStates: 1_500, maxFailures: 3 });
    assert.deepEqual(await explore(), await explore());
  });

  test("reports a workload that fails without any crash", async () => {
    const subject = {
      ...toySubject("none"),
      run: () => Promise.reject(new Error("broken workload")),
    };
    const report = await exploreCrashes({ subject, seed: 1 });
    assert.match(report.failures[0]?.message ?? "", /broken workload/u);
  });
});

suite("parseCrashChain", () => {
  test("reads what a failure prints", () => {
    assert.deepEqual(parseCrashChain("17:x3 5:k end:n"), [
      { moment: 17, image: "x3" },
      { moment: 5, image: "k" },
      { moment: "end", image: "n" },
    ]);
    assert.deepEqual(parseCrashChain(""), []);
    assert.throws(() => parseCrashChain("17"), RangeError);
    assert.throws(() => parseCrashChain("x:17"), RangeError);
  });
});

suite("ToyLog", () => {
  test("is a log: what is appended is there after reopening", async () => {
    const disk = new SimulatedDisk();
    const log = await ToyLog.open(disk, "none");
    assert.equal(await log.append([Buffer.from("one"), Buffer.from("two")]), 1);
    assert.equal(await log.append([Buffer.from("three")]), 3);
    await log.ack(1);
    await log.close();
    const again = await ToyLog.open(disk, "none");
    const texts = again.records.map(({ payload }) => Buffer.from(payload).toString());
    assert.deepEqual(texts, ["one", "two", "three"]);
    assert.equal(again.cursorLsn, 1);
  });
});

function firstLine(text: string | undefined): string | undefined {
  return text?.split("\n")[0];
}
