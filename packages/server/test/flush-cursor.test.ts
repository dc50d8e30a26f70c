import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { FlushCursor } from "../src/flush-cursor.ts";

class FakeCursor {
  lsn = 0;
  readonly calls: number[] = [];
  failNext = false;
  #release: (() => void) | undefined;

  async ack(lsn: number): Promise<void> {
    this.calls.push(lsn);
    await new Promise<void>((resolve) => (this.#release = resolve));
    if (this.failNext) {
      this.failNext = false;
      throw new Error("disk");
    }
    this.lsn = lsn;
  }

  release(): void {
    this.#release?.();
  }
}

suite("FlushCursor", () => {
  test("acknowledges one at a time and skips what a later one covers", async () => {
    const cursor = new FakeCursor();
    const follower = new FlushCursor(cursor, () => assert.fail());
    follower.advance(3);
    follower.advance(5);
    follower.advance(9);
    assert.deepEqual(cursor.calls, [3]);
    cursor.release();
    while (cursor.calls.length < 2) await Promise.resolve();
    assert.deepEqual(cursor.calls, [3, 9]);
    cursor.release();
    await follower.settled();
    assert.equal(cursor.lsn, 9);
  });

  test("held, it only notes, and follows when it is let go", async () => {
    const cursor = new FakeCursor();
    const follower = new FlushCursor(cursor, () => assert.fail());
    follower.hold();
    follower.advance(3);
    follower.advance(5);
    await follower.settled();
    assert.deepEqual(cursor.calls, []);
    follower.letGo();
    cursor.release();
    await follower.settled();
    assert.deepEqual([cursor.calls, cursor.lsn], [[5], 5]);
    follower.letGo();
    assert.deepEqual(cursor.calls, [5]);
  });

  test("never goes back", async () => {
    const cursor = new FakeCursor();
    cursor.lsn = 7;
    const follower = new FlushCursor(cursor, () => assert.fail());
    follower.advance(6);
    follower.advance(7);
    await follower.settled();
    assert.deepEqual(cursor.calls, []);
  });

  test("reports a failure and tries again with the next commit", async () => {
    const cursor = new FakeCursor();
    const errors: unknown[] = [];
    const follower = new FlushCursor(cursor, (error) => errors.push(error));
    cursor.failNext = true;
    follower.advance(2);
    cursor.release();
    await follower.settled();
    assert.equal(errors.length, 1);
    follower.advance(4);
    cursor.release();
    await follower.settled();
    assert.equal(cursor.lsn, 4);
  });
});
