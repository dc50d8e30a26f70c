import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { z } from "zod";
import { schemaProblem } from "../src/schema-problem.ts";

const SCHEMA = z.strictObject({
  name: z.string().min(1).max(3),
  rights: z.array(z.enum(["read", "write", "admin"])).min(1),
  seconds: z.number().positive().max(9).optional(),
  hours: z.string().regex(/^\d+$/).optional(),
});

function problem(value: unknown): string {
  const { error } = SCHEMA.safeParse(value);
  assert.ok(error !== undefined);
  return schemaProblem(error, "the body");
}

suite("schemaProblem", () => {
  test("names the place and what must be there", () => {
    const name = "x";
    const rights = ["read"];
    for (const [value, expected] of [
      [[], "the body must be of the type object"],
      [{ rights }, "name is missing; expected: string"],
      [{ name: 1, rights }, "name must be of the type string"],
      [{ name: "", rights }, "name must have at least 1 character"],
      [{ name: "long", rights }, "name must have at most 3 characters"],
      [{ name, rights: [] }, "rights must have at least 1 entry"],
      [{ name, rights: ["root"] }, 'rights[0] must be "read", "write" or "admin"'],
      [{ name, rights, seconds: 0 }, "seconds must be more than 0"],
      [{ name, rights, seconds: 10 }, "seconds must be at most 9"],
      [{ name, rights, hours: "soon" }, "hours has another form than it must have"],
      [{ name, rights, life: 1 }, "the body has what is not known: life"],
    ] as const) {
      assert.equal(problem(value), expected);
    }
  });
});
