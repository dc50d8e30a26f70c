import assert from "node:assert/strict";
import { suite, test } from "node:test";
import {
  rowFits,
  TAIL_VERDICTS,
  tailVerdict,
  type TailFacts,
} from "../../src/recovery/tail-verdict.ts";

const HEADERS = ["valid", "invalid", "newer"] as const;
const RESTS = ["zeros", "junk", "vouched"] as const;
const BATCHES = ["complete", "open"] as const;
const MARKS = ["none", "attest", "seal"] as const;

const COMBINATIONS: readonly TailFacts[] = HEADERS.flatMap((header) =>
  RESTS.flatMap((rest) =>
    BATCHES.flatMap((batch) => MARKS.map((mark) => ({ header, rest, batch, mark }))),
  ),
);

suite("tail verdict", () => {
  test("has exactly one row for every combination of facts", () => {
    assert.equal(COMBINATIONS.length, 54);
    for (const facts of COMBINATIONS) {
      const rows = TAIL_VERDICTS.filter((row) => rowFits(row, facts)).map(({ label }) => label);
      assert.equal(rows.length, 1, `${JSON.stringify(facts)} fits ${rows.join(", ") || "no row"}`);
      assert.equal(tailVerdict(facts).label, rows[0]);
    }
  });

  test("has no row that fits nothing, and labels in order", () => {
    for (const row of TAIL_VERDICTS) {
      assert.ok(
        COMBINATIONS.some((facts) => rowFits(row, facts)),
        row.label,
      );
    }
    assert.deepEqual(
      TAIL_VERDICTS.map(({ label }) => label),
      TAIL_VERDICTS.map((_, index) => `T${index + 1}`),
    );
  });

  // The rules behind the table, each for every combination it speaks of.
  const rules: {
    readonly rule: string;
    readonly holdsFor: (facts: TailFacts) => boolean;
    readonly actions: readonly string[];
  }[] = [
    {
      rule: "refuses a newer format whatever else is true",
      holdsFor: ({ header }) => header === "newer",
      actions: ["refuse"],
    },
    {
      rule: "calls a damaged header damage whatever else is true",
      holdsFor: ({ header }) => header === "invalid",
      actions: ["damage"],
    },
    {
      rule: "never cuts what a later frame vouches for",
      holdsFor: ({ header, rest }) => header === "valid" && rest === "vouched",
      actions: ["damage"],
    },
    {
      rule: "misses the successor of a sealed segment",
      holdsFor: ({ header, mark }) => header === "valid" && mark === "seal",
      actions: ["damage"],
    },
    {
      rule: "cuts an unfinished write or batch, and only that",
      holdsFor: ({ header, rest, batch, mark }) =>
        header === "valid" &&
        mark !== "seal" &&
        rest !== "vouched" &&
        (rest === "junk" || batch === "open"),
      actions: ["cut"],
    },
    {
      rule: "keeps a whole log, clean only when its end is attested",
      holdsFor: ({ header, rest, batch, mark }) =>
        header === "valid" && rest === "zeros" && batch === "complete" && mark !== "seal",
      actions: ["keep", "clean"],
    },
  ];
  for (const { rule, holdsFor, actions } of rules) {
    test(rule, () => {
      const concerned = COMBINATIONS.filter(holdsFor);
      assert.ok(concerned.length > 0);
      for (const facts of concerned) assert.ok(actions.includes(tailVerdict(facts).action));
    });
  }

  test("is clean in one case only: whole, nothing behind it, attested", () => {
    const clean = COMBINATIONS.filter((facts) => tailVerdict(facts).action === "clean");
    assert.deepEqual(clean, [
      { header: "valid", rest: "zeros", batch: "complete", mark: "attest" },
    ]);
  });
});
