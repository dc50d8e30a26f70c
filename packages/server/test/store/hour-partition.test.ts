import assert from "node:assert/strict";
import { suite, test } from "node:test";
import * as fc from "fast-check";
import { gatherPartition, hourOf, partitionByHour } from "../../src/store/hour-partition.ts";
import { MAX_TIMESTAMP_NS, MIN_TIMESTAMP_NS } from "../../src/store/timestamp-range.ts";
import { HOUR_NS, SOME_TIME_NS, table } from "./store-fixture.ts";

suite("partitionByHour", () => {
  test("keeps rows of one hour in time order as they stand", () => {
    const [only, ...others] = partitionByHour(BigInt64Array.from([1n, 1n, 5n, HOUR_NS - 1n]));
    assert.equal(others.length, 0);
    assert.equal(only?.rows, undefined);
    assert.deepEqual(
      [only?.hourStartNs, only?.minTimeNs, only?.maxTimeNs, only?.rowCount],
      [0n, 1n, HOUR_NS - 1n, 4],
    );
  });

  test("has no partition for no rows", () => {
    assert.deepEqual(partitionByHour(new BigInt64Array(0)), []);
  });

  test("puts each side of a boundary in its hour, before 1970 too", () => {
    const cases: readonly (readonly [bigint, bigint])[] = [
      [0n, 0n],
      [-1n, -HOUR_NS],
      [-HOUR_NS, -HOUR_NS],
      [-HOUR_NS - 1n, -2n * HOUR_NS],
      [HOUR_NS - 1n, 0n],
      [HOUR_NS, HOUR_NS],
      [SOME_TIME_NS, 1_759_996_800_000_000_000n],
    ];
    for (const [time, hour] of cases) assert.equal(hourOf(time), hour, String(time));
  });

  test("orders any rows by hour and time, equal times in order of arrival", () => {
    const time = fc.oneof(
      fc.bigInt({ min: MIN_TIMESTAMP_NS, max: MAX_TIMESTAMP_NS }),
      fc.bigInt({ min: SOME_TIME_NS, max: SOME_TIME_NS + 3n * HOUR_NS }),
      fc.bigInt({ min: -3n, max: 3n }),
      fc.bigInt({ min: -2n, max: 2n }).map((hours) => hours * HOUR_NS),
    );
    fc.assert(
      fc.property(fc.array(time, { maxLength: 300 }), (times) => {
        const source = table("db.m", times, {
          order: ["integer", times.map((_, index) => index)],
          odd: ["boolean", times.map((_, index) => (index % 3 === 0 ? null : index % 2 === 1))],
          text: ["string", times.map((_, index) => (index % 5 === 0 ? null : `t${index % 4}`))],
        });
        const expected = times
          .map((value, index) => ({ value, index }))
          .sort((a, b) => (a.value < b.value ? -1 : a.value > b.value ? 1 : a.index - b.index));
        const found: { value: bigint; index: number }[] = [];
        for (const partition of partitionByHour(source.timestamps)) {
          const part = gatherPartition(source, partition);
          assert.equal(part.rowCount, partition.rowCount);
          assert.equal(part.timestamps[0], partition.minTimeNs);
          assert.equal(part.timestamps.at(-1), partition.maxTimeNs);
          const [order, odd, text] = part.columns;
          part.timestamps.forEach((value, row) => {
            assert.equal(hourOf(value), partition.hourStartNs);
            assert.ok(
              order?.type === "integer" && odd?.type === "boolean" && text?.type === "string",
            );
            const index = Number(order.values[row]);
            found.push({ value, index });
            const isValid = (validity: Uint8Array | undefined): boolean =>
              validity === undefined || ((validity[row >> 3] ?? 0) & (1 << (row & 7))) !== 0;
            assert.equal(isValid(odd.validity), index % 3 !== 0);
            if (index % 3 !== 0) assert.equal(odd.values[row], index % 2);
            assert.equal(isValid(text.validity), index % 5 !== 0);
            if (index % 5 !== 0)
              assert.equal(text.dictionary[text.codes[row] ?? 0], `t${index % 4}`);
          });
        }
        assert.deepEqual(found, expected);
      }),
      { numRuns: 300 },
    );
  });

  test("keeps the bits of 64-bit values, NaN with a payload included", () => {
    const bits = BigUint64Array.from([0x7ff8_0000_dead_beefn, 0xffff_ffff_ffff_ffffn, 1n]);
    const source = {
      rowCount: 3,
      timestamps: BigInt64Array.from([3n, 2n, 1n]),
      columns: [
        { name: "f", type: "float", validity: undefined, values: new Float64Array(bits.buffer) },
        { name: "u", type: "unsigned", validity: undefined, values: bits },
      ],
    } as const;
    const [partition] = partitionByHour(source.timestamps);
    assert.ok(partition !== undefined);
    const [f, u] = gatherPartition(source, partition).columns;
    assert.ok(f?.type === "float" && u?.type === "unsigned");
    const reversed = [...bits].reverse();
    assert.deepEqual([...new BigUint64Array(f.values.buffer)], reversed);
    assert.deepEqual([...u.values], reversed);
  });
});
