import assert from "node:assert/strict";
import { suite, test } from "node:test";
import fc from "fast-check";
import { LineBatcher, type Batch } from "../src/line-batches.ts";

const LIMITS = { rows: 3, bytes: 200 };

function batchesOf(text: string, cuts: readonly number[] = []): readonly Batch[] {
  const bytes = Buffer.from(text, "utf8");
  const batcher = new LineBatcher(LIMITS);
  const places = [...cuts.map((cut) => cut % (bytes.length + 1)), bytes.length];
  let from = 0;
  const batches: Batch[] = [];
  for (const to of places.toSorted((a, b) => a - b)) {
    batches.push(...batcher.push(bytes.subarray(from, to)));
    from = to;
  }
  return [...batches, ...batcher.end()];
}

function texts(batches: readonly Batch[]): readonly string[] {
  return batches.map(({ body }) => Buffer.from(body).toString("utf8"));
}

const LINE = fc.oneof(
  fc.constantFrom(
    "",
    '# a comment with = and "',
    "m n=1i 1",
    String.raw`c\ p\,u,host=a\ b,r=\=" f="x\"`,
    'm t="two\nlines, a=\\"b\\" \\\\",n=1i 5',
    'm t="" 5\r',
    String.raw`m\\,a=\\b f\ "x=1 5`,
    'm f="a=",g="=\n" 7',
  ),
);

suite("LineBatcher", () => {
  test("cuts between lines, never inside of a quoted text", () => {
    const line = 'm t="1\n2\n3\n4\n5\n6\n7" 1\n';
    assert.deepEqual(texts(batchesOf(line.repeat(5))), [line.repeat(3), line.repeat(2)]);
    const [first, second] = batchesOf(line.repeat(5));
    assert.deepEqual([first?.position, second?.position, first?.rows], [1, 4, 3]);
  });

  test("gives the same batches however the bytes arrive, and every byte once", () => {
    fc.assert(
      fc.property(fc.array(LINE, { maxLength: 20 }), fc.array(fc.nat()), (lines, cuts) => {
        const text = lines.join("\n");
        const whole = batchesOf(text);
        assert.equal(texts(whole).join(""), text);
        assert.deepEqual(batchesOf(text, cuts), whole);
      }),
    );
  });

  test("a line longer than a batch is a batch; lines without rows are not counted as such", () => {
    const long = `m t="${"x".repeat(500)}" 1\n`;
    const batches = batchesOf(`# c\n\n${long}m n=1i 2\n`);
    assert.deepEqual(
      batches.map(({ rows, position }) => [rows, position]),
      [
        [1, 1],
        [1, 4],
      ],
    );
  });
});
