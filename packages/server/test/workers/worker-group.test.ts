import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { everyAnswer, SingleWorker, type Question } from "../../src/workers/worker-group.ts";

const DOUBLE: Question<{ readonly of: number }, number> = { name: "double" };
const NOBODY: Question<object, number> = { name: "nobody" };

suite("a single worker", () => {
  test("asks itself, and failures are part of the result", async () => {
    const group = new SingleWorker();
    group.answer(DOUBLE, ({ of }) => {
      if (of < 0) throw new Error("negative");
      return of * 2;
    });
    const answers = await group.askAll(DOUBLE, { of: 4 });
    assert.deepEqual(answers, [{ worker: 1, kind: "answered", answer: 8 }]);
    assert.deepEqual(everyAnswer(answers), [8]);

    const [failed] = await group.askAll(DOUBLE, { of: -1 });
    assert.equal(failed?.kind === "failed" ? failed.error.code : undefined, "SERVER_INTERNAL");
    const [unknown] = await group.askAll(NOBODY, {});
    assert.equal(unknown?.kind === "failed" ? unknown.error.code : undefined, "SERVER_NOT_FOUND");
    assert.throws(() => everyAnswer([...answers, failed].filter((one) => one !== undefined)), {
      code: "SERVER_INTERNAL",
    });
    assert.throws(() => group.answer(DOUBLE, () => 0), RangeError);
  });
});
