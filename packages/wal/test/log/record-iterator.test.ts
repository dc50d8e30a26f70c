import assert from "node:assert/strict";
import { suite, test } from "node:test";
import type { FrameRecords } from "../../src/log/log-reader.ts";
import { RecordIterator, recordBatches, type FrameSource } from "../../src/log/record-iterator.ts";
import { bytesText, textBytes } from "../machine.ts";
import { encodeBody } from "../segment-builder.ts";

/** Frames with these record counts, from LSN 1; records are `r<lsn>`. */
class FakeSource implements FrameSource {
  readonly #frames: FrameRecords[] = [];
  readonly #failsAt: number | undefined;
  asked = 0;
  closed = 0;

  constructor(counts: readonly number[], failsAt?: number) {
    this.#failsAt = failsAt;
    let firstLsn = 1;
    for (const recordCount of counts) {
      const texts = Array.from({ length: recordCount }, (_, index) => `r${firstLsn + index}`);
      this.#frames.push({
        firstLsn,
        recordCount,
        timeMs: 0,
        body: encodeBody(texts.map(textBytes)),
      });
      firstLsn += recordCount;
    }
  }

  async next(): Promise<FrameRecords | undefined> {
    await Promise.resolve();
    if (this.asked === this.#failsAt) throw new Error("damage");
    return this.#frames[this.asked++];
  }

  close(): Promise<void> {
    this.closed++;
    return Promise.resolve();
  }
}

const ALL = { fromLsn: 1, toLsn: Number.MAX_SAFE_INTEGER };

suite("RecordIterator", () => {
  for (const { fromLsn, toLsn, lsns } of [
    { ...ALL, lsns: [1, 2, 3, 4, 5, 6] },
    { fromLsn: 2, toLsn: 5, lsns: [2, 3, 4, 5] },
    { fromLsn: 3, toLsn: 3, lsns: [3] },
    { fromLsn: 4, toLsn: 3, lsns: [] },
  ]) {
    test(`delivers ${lsns.length} records from ${fromLsn} to ${toLsn}, and closes its source`, async () => {
      const source = new FakeSource([3, 1, 2]);
      const found: string[] = [];
      for await (const { lsn, payload } of new RecordIterator(source, { fromLsn, toLsn })) {
        found.push(`${lsn}:${bytesText(payload)}`);
      }
      assert.deepEqual(
        found,
        lsns.map((lsn) => `${lsn}:r${lsn}`),
      );
      assert.ok(source.closed > 0);
    });
  }

  test("serves those who ask at once in order, and each record once", async () => {
    const iterator = new RecordIterator(new FakeSource([2, 2]), ALL);
    const results = await Promise.all(Array.from({ length: 6 }, () => iterator.next()));
    assert.deepEqual(
      results.map(({ value }) => value?.lsn),
      [1, 2, 3, 4, undefined, undefined],
    );
  });

  test("stays at its end", async () => {
    const source = new FakeSource([1]);
    const iterator = new RecordIterator(source, ALL);
    await iterator.next();
    for (let count = 0; count < 3; count++) assert.equal((await iterator.next()).done, true);
    assert.ok(source.asked <= 2);
  });

  test("delivers nothing more once it was left, though records of a frame remain", async () => {
    const source = new FakeSource([5]);
    const iterator = new RecordIterator(source, ALL);
    await iterator.next();
    await iterator.return();
    assert.equal((await iterator.next()).done, true);
    assert.ok(source.closed > 0);
  });

  test("tells a failure once, closes its source, and is over", async () => {
    const source = new FakeSource([1, 1], 1);
    const iterator = new RecordIterator(source, ALL);
    await iterator.next();
    const [first, second] = await Promise.allSettled([iterator.next(), iterator.next()]);
    assert.equal(first.status, "rejected");
    assert.deepEqual(second, { status: "fulfilled", value: { value: undefined, done: true } });
    assert.ok(source.closed > 0);
  });
});

suite("recordBatches", () => {
  test("gives the records of one frame after the other, within the range", async () => {
    const source = new FakeSource([3, 1, 2]);
    const batches: number[][] = [];
    for await (const records of recordBatches(source, { fromLsn: 2, toLsn: 5 })) {
      batches.push(records.map(({ lsn }) => lsn));
    }
    assert.deepEqual(batches, [[2, 3], [4], [5]]);
    assert.equal(source.closed, 1);
  });

  test("closes its source when the loop is left", async () => {
    const source = new FakeSource([1, 1]);
    for await (const records of recordBatches(source, ALL)) if (records.length > 0) break;
    assert.equal(source.closed, 1);
  });
});
