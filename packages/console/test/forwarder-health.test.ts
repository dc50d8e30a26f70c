import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { isQuiet, judgeUpstream } from "../src/app/forwarder-health.ts";
import { category, forwarder } from "./overview-sample.ts";

suite("a forwarder", () => {
  test("whose last tries failed has an upstream that does not take those categories, and why", () => {
    const lastFailure = "connect ECONNREFUSED";
    const { tone, text } = judgeUpstream(
      forwarder([
        category({ name: "logging", requests: 3, lastFailure }),
        category({ name: "metric", requests: 3 }),
        category({ name: "rum", requests: 1, lastFailure }),
      ]),
    );
    assert.equal(tone, "bad");
    assert.equal(text, "does not take logging, rum: connect ECONNREFUSED");
  });

  test("that has sent nothing knows nothing of its upstream", () => {
    assert.equal(judgeUpstream(forwarder([category()])).tone, "idle");
    assert.equal(judgeUpstream(forwarder([category({ requests: 1 })])).tone, "good");
  });

  test("has quiet categories: those in which nothing was and nothing is", () => {
    assert.equal(isQuiet(category()), true);
    const members = ["depth", "putItems", "requests", "refusedItems", "droppedItems"] as const;
    for (const member of [...members, "deadLetters" as const]) {
      assert.equal(isQuiet(category({ [member]: 1 })), false, member);
    }
  });
});
