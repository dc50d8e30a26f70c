import assert from "node:assert/strict";
import { suite, test } from "node:test";
import type { CommitBuffer, FrameGeometry } from "../../src/commit/commit-buffer.ts";
import { GroupCommit, type GroupCommitOptions } from "../../src/commit/group-commit.ts";
import { settle, textBytes } from "../machine.ts";

const GEOMETRY: FrameGeometry = { frameHeaderBytes: 48, recordHeadBytes: 4, targetBodyBytes: 1024 };

interface Group {
  readonly lsns: readonly number[];
  readonly durable: boolean;
  readonly frames: readonly (readonly [
    firstLsn: number,
    recordCount: number,
    continues: boolean,
  ])[];
  finish(): void;
  fail(error: Error): void;
}

/** A sink whose groups end when the test says so. */
class ManualSink {
  readonly groups: Group[] = [];
  /** Groups that were begun and have not ended: more than one is a violation. */
  underWay = 0;
  mostUnderWay = 0;

  readonly write = (buffers: readonly CommitBuffer[], durable: boolean): Promise<void> => {
    this.underWay++;
    this.mostUnderWay = Math.max(this.mostUnderWay, this.underWay);
    const frames = buffers.flatMap((buffer) => buffer.frames);
    const lsns = frames.flatMap(({ firstLsn, recordCount }) =>
      Array.from({ length: recordCount }, (_, index) => firstLsn + index),
    );
    return new Promise<void>((resolve, reject) => {
      this.groups.push({
        lsns,
        durable,
        frames: frames.map((frame) => [frame.firstLsn, frame.recordCount, frame.continues]),
        finish: () => {
          this.underWay--;
          resolve();
        },
        fail: (error) => {
          this.underWay--;
          reject(error);
        },
      });
    });
  };

  /** Ends groups as they come until none is left. */
  async finishAll(): Promise<void> {
    await settle();
    for (let next = 0; next < this.groups.length; next++) {
      this.groups[next]?.finish();
      await settle();
    }
  }
}

function commitTo(
  sink: GroupCommitOptions["sink"],
  options: Partial<GroupCommitOptions> = {},
): GroupCommit {
  return new GroupCommit({
    sink,
    geometry: GEOMETRY,
    bufferSizeBytes: 8 * 1024,
    bufferCount: 3,
    maxPendingBytes: 64 * 1024,
    nextLsn: 1,
    defer: (callback) => void setImmediate(callback),
    overloaded: (pendingBytes) => new Error(`overloaded: ${pendingBytes}`),
    onFailure: (cause) => ({
      first: new Error("failed", { cause }),
      later: new Error("poisoned", { cause }),
      nextLsn: 0,
    }),
    ...options,
  });
}

const PAYLOAD = textBytes("0123456789");

function append(commit: GroupCommit, payload: Uint8Array = PAYLOAD): Promise<number> {
  return commit.append(payload.byteLength, payload, "durable");
}

function appendBatch(
  commit: GroupCommit,
  payloads: readonly Uint8Array[],
): Promise<{ readonly firstLsn: number; readonly lastLsn: number }> {
  const heads = payloads.map((payload) => payload.byteLength);
  return commit.appendBatch(heads, payloads, "durable");
}

suite("memory", () => {
  test("is taken by the first append, used again, and given back by trim", async () => {
    const buffers: CommitBuffer[] = [];
    const commit = commitTo((group) => {
      buffers.push(...group);
      return Promise.resolve();
    });
    await append(commit);
    await append(commit);
    commit.trim();
    await append(commit);
    assert.equal(buffers.length, 3);
    assert.equal(buffers[1], buffers[0], "one at a time needs one buffer");
    assert.notEqual(buffers[2], buffers[0]);
  });

  test("that holds records stays", async () => {
    const sink = new ManualSink();
    const commit = commitTo(sink.write);
    const first = append(commit);
    await settle();
    const second = append(commit);
    commit.trim();
    await sink.finishAll();
    assert.deepEqual(await Promise.all([first, second]), [1, 2]);
    assert.deepEqual(
      sink.groups.map(({ lsns }) => lsns),
      [[1], [2]],
    );
  });

  test("is refused when too much waits only where a buffer is full", async () => {
    const sink = new ManualSink();
    const commit = commitTo(sink.write, { maxPendingBytes: 8 * 1024 });
    const large = new Uint8Array(7 * 1024);
    const kept = [append(commit, large)];
    await settle();
    kept.push(append(commit, large));
    await assert.rejects(append(commit, large), /overloaded/);
    await sink.finishAll();
    assert.deepEqual(await Promise.all(kept), [1, 2]);
  });
});

suite("group formation", () => {
  test("puts what is appended in one turn into one group", async () => {
    const sink = new ManualSink();
    const commit = commitTo(sink.write);
    const lsns = Promise.all([append(commit), append(commit), append(commit)]);
    await settle();
    assert.deepEqual(
      sink.groups.map((group) => group.lsns),
      [[1, 2, 3]],
    );
    sink.groups[0]?.finish();
    assert.deepEqual(await lsns, [1, 2, 3]);
  });

  test("gathers what comes while a group is under way into the next one", async () => {
    const sink = new ManualSink();
    const commit = commitTo(sink.write);
    const first = append(commit);
    await settle();
    const later = Array.from({ length: 50 }, () => append(commit));
    await settle();
    assert.equal(sink.groups.length, 1);
    sink.groups[0]?.finish();
    assert.equal(await first, 1);
    await settle();
    assert.equal(sink.groups[1]?.lsns.length, 50);
    await sink.finishAll();
    assert.equal((await Promise.all(later)).at(-1), 51);
  });

  test("never has two groups under way, whatever arrives when", async () => {
    const sink = new ManualSink();
    const commit = commitTo(sink.write);
    const all: Promise<unknown>[] = [];
    for (let round = 0; round < 30; round++) {
      for (let count = 0; count < (round * 7) % 11; count++) all.push(append(commit));
      if (round % 5 === 0) all.push(appendBatch(commit, [PAYLOAD, PAYLOAD]));
      if (round % 4 === 0) all.push(commit.exclusive(() => Promise.resolve()));
      await settle(round % 3);
      sink.groups.at(-1)?.finish();
    }
    await sink.finishAll();
    await Promise.all(all);
    assert.equal(sink.mostUnderWay, 1);
    const written = sink.groups.flatMap((group) => group.lsns);
    assert.deepEqual(
      written,
      written.map((_, index) => index + 1),
    );
    assert.equal(written.length, commit.nextLsn - 1);
  });

  test("asks for durability only when somebody waits for it", async () => {
    const sink = new ManualSink();
    const commit = commitTo(sink.write);
    void commit.append(PAYLOAD.byteLength, PAYLOAD, "written");
    await settle();
    void commit.append(PAYLOAD.byteLength, PAYLOAD, "written");
    void append(commit);
    void commit.append(PAYLOAD.byteLength, PAYLOAD, "buffered");
    await sink.finishAll();
    assert.deepEqual(
      sink.groups.map(({ lsns, durable }) => ({ lsns, durable })),
      [
        { lsns: [1], durable: false },
        { lsns: [2, 3, 4], durable: true },
      ],
    );
  });

  test("takes several buffers in one group when one is not enough", async () => {
    const sink = new ManualSink();
    const commit = commitTo(sink.write);
    const payload = new Uint8Array(1000);
    const all = Array.from({ length: 30 }, () => append(commit, payload));
    await sink.finishAll();
    await Promise.all(all);
    assert.ok(sink.groups.length <= 2);
    assert.equal(sink.groups.flatMap((group) => group.lsns).length, 30);
  });

  test("continues with the LSN it is given", async () => {
    const sink = new ManualSink();
    const commit = commitTo(sink.write, { nextLsn: 1000 });
    const settled = append(commit);
    await sink.finishAll();
    assert.equal(await settled, 1000);
    assert.equal(commit.nextLsn, 1001);
  });
});

suite("order of resolution", () => {
  test("resolves appends in LSN order, over groups and kinds of append", async () => {
    const sink = new ManualSink();
    const commit = commitTo(sink.write);
    const order: number[] = [];
    const all: Promise<unknown>[] = [];
    for (let round = 0; round < 20; round++) {
      all.push(append(commit).then((lsn) => order.push(lsn)));
      if (round % 3 === 0) {
        const batch = appendBatch(commit, [PAYLOAD, PAYLOAD, PAYLOAD]);
        all.push(batch.then(({ firstLsn, lastLsn }) => order.push(firstLsn, lastLsn)));
      }
      if (round % 4 === 0) {
        await settle(1);
        sink.groups.at(-1)?.finish();
      }
    }
    await sink.finishAll();
    await Promise.all(all);
    assert.deepEqual(
      order,
      order.toSorted((a, b) => a - b),
    );
  });

  test("resolves nobody before the sink is done with the group", async () => {
    const sink = new ManualSink();
    const commit = commitTo(sink.write);
    let resolved = 0;
    const all = [1, 2, 3].map(() => append(commit).then(() => resolved++));
    await settle();
    assert.equal(resolved, 0);
    sink.groups[0]?.finish();
    await Promise.all(all);
    assert.equal(resolved, 3);
  });

  test("resolves a buffered append at once and writes it all the same", async () => {
    const sink = new ManualSink();
    const commit = commitTo(sink.write);
    assert.equal(await commit.append(PAYLOAD.byteLength, PAYLOAD, "buffered"), 1);
    assert.equal(sink.groups.length, 0);
    await settle();
    assert.deepEqual(sink.groups[0]?.lsns, [1]);
  });
});

suite("batches", () => {
  test("lie wholly in one frame when they fit", async () => {
    const sink = new ManualSink();
    const commit = commitTo(sink.write);
    const payload = new Uint8Array(200);
    const all = Array.from({ length: 20 }, () => appendBatch(commit, [payload, payload, payload]));
    await sink.finishAll();
    await Promise.all(all);
    for (const { frames } of sink.groups) {
      for (const [firstLsn, recordCount, continues] of frames) {
        assert.equal(continues, false);
        assert.equal((firstLsn - 1) % 3, 0, "a frame begins with a batch");
        assert.equal(recordCount % 3, 0, "a frame ends with a batch");
      }
    }
  });

  test("that are larger fill frames of their own, all but the last marked", async () => {
    const sink = new ManualSink();
    const commit = commitTo(sink.write);
    void append(commit);
    const batch = appendBatch(
      commit,
      Array.from({ length: 7 }, () => new Uint8Array(400)),
    );
    void append(commit);
    await sink.finishAll();
    assert.deepEqual(await batch, { firstLsn: 2, lastLsn: 8 });
    assert.deepEqual(
      sink.groups.flatMap((group) => group.frames),
      [
        [1, 1, false],
        [2, 2, true],
        [4, 2, true],
        [6, 2, true],
        [8, 1, false],
        [9, 1, false],
      ],
    );
  });

  test("that are larger than a buffer get one of their own, in one group", async () => {
    const sink = new ManualSink();
    const commit = commitTo(sink.write);
    const batch = appendBatch(
      commit,
      Array.from({ length: 40 }, (_, index) => new Uint8Array(index * 37)),
    );
    await sink.finishAll();
    assert.deepEqual(await batch, { firstLsn: 1, lastLsn: 40 });
    const { frames = [] } = sink.groups[0] ?? {};
    assert.ok(frames.length > 8);
    assert.deepEqual(
      frames.map(([, , continues]) => continues),
      frames.map((_, index) => index < frames.length - 1),
    );
  });

  for (const sizes of [
    [1020],
    [1021],
    [1024, 0],
    [0, 1024],
    [510, 506],
    [510, 507],
    [5000],
    [5000, 5000, 1],
  ]) {
    test(`of payloads with ${sizes.join(" + ")} bytes are whole whatever stands before them`, async () => {
      for (let before = 0; before < 12; before++) {
        const sink = new ManualSink();
        const commit = commitTo(sink.write);
        for (let index = 0; index < before; index++) void append(commit, new Uint8Array(100));
        const batch = appendBatch(
          commit,
          sizes.map((size) => new Uint8Array(size)),
        );
        void append(commit);
        await sink.finishAll();
        const { firstLsn, lastLsn } = await batch;
        const frames = sink.groups.flatMap((group) => group.frames);
        const own = frames.filter(
          ([first, count]) => first <= lastLsn && first + count - 1 >= firstLsn,
        );
        const isAlone = own.length > 1;
        for (const [index, [first, count, continues]] of own.entries()) {
          assert.equal(continues, index < own.length - 1);
          if (isAlone) assert.ok(first >= firstLsn && first + count - 1 <= lastLsn);
        }
      }
    });
  }
});

suite("overload", () => {
  test("refuses what would exceed the limit, takes it again later, and gives out no LSN for it", async () => {
    const sink = new ManualSink();
    const commit = commitTo(sink.write, { maxPendingBytes: 20 * 1024 });
    const payload = new Uint8Array(1000);
    const outcomes = await Promise.allSettled(
      Array.from({ length: 60 }, (_, index) => {
        const settled = append(commit, payload);
        if (index === 59) void sink.finishAll();
        return settled;
      }),
    );
    const taken = outcomes.filter((outcome) => outcome.status === "fulfilled");
    const refused = outcomes.filter((outcome) => outcome.status === "rejected");
    // The limit is looked at when a buffer is full, so up to one buffer more is taken.
    assert.ok(taken.length >= 10 && taken.length * 1000 <= 28 * 1024, `${taken.length} taken`);
    assert.equal(taken.length + refused.length, 60);
    for (const { reason } of refused) assert.match(String(reason), /overloaded/);
    assert.deepEqual(
      taken.map(({ value }) => value),
      taken.map((_, index) => index + 1),
    );

    const again = append(commit, payload);
    await sink.finishAll();
    assert.equal(await again, taken.length + 1);
    assert.equal(commit.pendingBytes, 0);
  });

  test("refuses a batch as a whole", async () => {
    const sink = new ManualSink();
    const commit = commitTo(sink.write, { maxPendingBytes: 16 * 1024 });
    const first = append(commit, new Uint8Array(7000));
    const batch = Array.from({ length: 12 }, () => new Uint8Array(1000));
    await assert.rejects(appendBatch(commit, batch), /overloaded/);
    await sink.finishAll();
    assert.equal(await first, 1);
    assert.equal(commit.nextLsn, 2);
    const later = appendBatch(commit, batch);
    await sink.finishAll();
    assert.deepEqual(await later, { firstLsn: 2, lastLsn: 13 });
  });

  test("takes a record larger than the limit when nothing else waits", async () => {
    const sink = new ManualSink();
    const commit = commitTo(sink.write, { maxPendingBytes: 8 * 1024 });
    const large = append(commit, new Uint8Array(100_000));
    await sink.finishAll();
    assert.equal(await large, 1);
  });
});

suite("failure", () => {
  test("rejects the group, everybody who waits and everybody later, each once", async () => {
    const sink = new ManualSink();
    const commit = commitTo(sink.write);
    const settlements = new Map<string, string[]>();
    const watch = (name: string, promise: Promise<unknown>): void => {
      const list: string[] = [];
      settlements.set(name, list);
      promise.then(
        () => list.push("resolved"),
        (error: unknown) => list.push(error instanceof Error ? error.message : "?"),
      );
    };
    watch("in the group", append(commit));
    watch("in the group, written", commit.append(PAYLOAD.byteLength, PAYLOAD, "written"));
    await settle();
    watch("waiting", append(commit));
    watch("waiting batch", appendBatch(commit, [PAYLOAD, PAYLOAD]));
    watch(
      "waiting task",
      commit.exclusive(() => Promise.reject(new Error("must not run"))),
    );
    sink.groups[0]?.fail(new Error("EIO"));
    await settle();
    watch("later", append(commit));
    watch("later batch", appendBatch(commit, [PAYLOAD]));
    watch(
      "later task",
      commit.exclusive(() => Promise.reject(new Error("must not run"))),
    );
    await settle();
    assert.deepEqual(Object.fromEntries(settlements), {
      "in the group": ["failed"],
      "in the group, written": ["failed"],
      waiting: ["failed"],
      "waiting batch": ["failed"],
      "waiting task": ["failed"],
      later: ["poisoned"],
      "later batch": ["poisoned"],
      "later task": ["poisoned"],
    });
    assert.equal(commit.failure?.message, "poisoned");
    assert.equal(sink.groups.length, 1, "nothing is written again");
    await commit.drained();
  });

  test("of a task rejects it, the tasks behind it and everybody who waits", async () => {
    const sink = new ManualSink();
    const commit = commitTo(sink.write);
    const outcomes = Promise.allSettled([
      commit.exclusive(() => Promise.resolve()),
      commit.exclusive(() => Promise.reject(new Error("EIO"))),
      commit.exclusive(() => Promise.resolve()),
    ]);
    await settle();
    await sink.finishAll();
    assert.deepEqual(
      (await outcomes).map(({ status }) => status),
      ["fulfilled", "rejected", "rejected"],
    );
    await assert.rejects(append(commit), /poisoned/);
  });

  test("calls onFailure once", async () => {
    const sink = new ManualSink();
    let calls = 0;
    const commit = commitTo(sink.write, {
      onFailure: (cause) => {
        calls++;
        return { first: new Error("failed", { cause }), later: new Error("poisoned"), nextLsn: 0 };
      },
    });
    const first = assert.rejects(append(commit), /failed/);
    await settle();
    const second = assert.rejects(append(commit), /failed/);
    sink.groups[0]?.fail(new Error("EIO"));
    await Promise.all([first, second]);
    assert.equal(calls, 1);
  });
});

suite("failure for want of space", () => {
  /** Rejects everybody who waits, and goes on with the LSN behind what was written. */
  function goingOnFrom(nextLsn: () => number): GroupCommitOptions["onFailure"] {
    return (cause) => ({
      first: new Error("no space", { cause }),
      later: undefined,
      nextLsn: nextLsn(),
    });
  }

  test("rejects everybody who waits and gives their LSNs out again", async () => {
    const sink = new ManualSink();
    let writtenLsn = 0;
    const commit = commitTo(sink.write, { onFailure: goingOnFrom(() => writtenLsn + 1) });
    const good = append(commit);
    await settle();
    sink.groups[0]?.finish();
    assert.equal(await good, 1);
    writtenLsn = 1;
    const inGroup = [append(commit), append(commit)];
    await settle();
    const waiting = [append(commit), appendBatch(commit, [PAYLOAD, PAYLOAD])];
    sink.groups[1]?.fail(new Error("ENOSPC"));
    for (const { status } of await Promise.allSettled([...inGroup, ...waiting])) {
      assert.equal(status, "rejected");
    }
    assert.equal(commit.failure, undefined);
    assert.equal(commit.pendingBytes, 0);
    const later = [append(commit), append(commit)];
    await sink.finishAll();
    assert.deepEqual(await Promise.all(later), [2, 3]);
    assert.deepEqual(sink.groups.at(-1)?.lsns, [2, 3]);
  });

  test("rejects tasks that wait and runs those that come later", async () => {
    const sink = new ManualSink();
    const commit = commitTo(sink.write, { onFailure: goingOnFrom(() => 1) });
    const failed = append(commit);
    await settle();
    const waiting = commit.exclusive(() => Promise.resolve());
    sink.groups[0]?.fail(new Error("ENOSPC"));
    await assert.rejects(failed, /no space/);
    await assert.rejects(waiting, /no space/);
    await commit.exclusive(() => Promise.resolve());
    await commit.drained();
  });
});

suite("exclusive tasks", () => {
  test("run after what was appended before them, and beside no write", async () => {
    const sink = new ManualSink();
    const commit = commitTo(sink.write);
    void append(commit);
    await settle();
    void append(commit);
    const seen: { readonly underWay: number; readonly lsns: readonly number[] }[] = [];
    const task = commit.exclusive(() => {
      seen.push({ underWay: sink.underWay, lsns: sink.groups.flatMap((group) => group.lsns) });
      return Promise.resolve();
    });
    await settle();
    assert.deepEqual(seen, []);
    sink.groups[0]?.finish();
    await settle();
    assert.deepEqual(seen, []);
    sink.groups[1]?.finish();
    await task;
    assert.deepEqual(seen, [{ underWay: 0, lsns: [1, 2] }]);
  });

  test("hold up the next group until they are done", async () => {
    const sink = new ManualSink();
    const commit = commitTo(sink.write);
    let finishTask: () => void = () => undefined;
    const task = commit.exclusive(
      () =>
        new Promise<void>((resolve) => {
          finishTask = resolve;
        }),
    );
    await settle();
    void append(commit);
    await settle();
    assert.equal(sink.groups.length, 0);
    finishTask();
    await task;
    await settle();
    assert.equal(sink.groups.length, 1);
  });

  test("run in the order in which they came", async () => {
    const sink = new ManualSink();
    const commit = commitTo(sink.write);
    const order: number[] = [];
    const tasks = [1, 2, 3].map((name) =>
      commit.exclusive(async () => {
        await settle(1);
        order.push(name);
      }),
    );
    await Promise.all(tasks);
    assert.deepEqual(order, [1, 2, 3]);
  });

  test("run before what was appended after them", async () => {
    const sink = new ManualSink();
    const commit = commitTo(sink.write);
    const seen: number[][] = [];
    const note = (): Promise<void> => {
      seen.push(sink.groups.flatMap((group) => group.lsns));
      return Promise.resolve();
    };
    void append(commit);
    const first = commit.exclusive(note);
    void append(commit);
    const second = commit.exclusive(note);
    void append(commit);
    await sink.finishAll();
    await Promise.all([first, second]);
    assert.deepEqual(seen, [[1], [1, 2]]);
  });

  test("do not starve while writers keep appending", async () => {
    let written = 0;
    const commit = commitTo(async (buffers) => {
      await settle(1);
      for (const buffer of buffers) written += buffer.frames.length;
    });
    let isOver = false;
    const writers = Array.from({ length: 20 }, async () => {
      while (!isOver) await append(commit, new Uint8Array(500));
    });
    await settle(3);
    const lsnBefore = commit.nextLsn;
    for (let index = 0; index < 20; index++) await commit.exclusive(() => Promise.resolve());
    const appendedMeanwhile = commit.nextLsn - lsnBefore;
    isOver = true;
    await Promise.all(writers);
    assert.ok(written > 0);
    // Each task waits for the group under way and the one before it at most: 20 writers, 2 groups, 20 tasks.
    assert.ok(appendedMeanwhile <= 20 * 2 * 20 + 40, `${appendedMeanwhile} appends overtook`);
  });
});

suite("drained", () => {
  test("resolves at once when nothing is there", async () => {
    await commitTo(new ManualSink().write).drained();
  });

  test("waits for the group under way and for what waits behind it", async () => {
    const sink = new ManualSink();
    const commit = commitTo(sink.write);
    void append(commit);
    await settle();
    void append(commit);
    let isDrained = false;
    const drained = commit.drained().then(() => {
      isDrained = true;
    });
    await settle();
    sink.groups[0]?.finish();
    await settle();
    assert.equal(isDrained, false);
    sink.groups[1]?.finish();
    await drained;
    assert.equal(commit.pendingBytes, 0);
  });

  test("resolves after a failure, and never rejects", async () => {
    const sink = new ManualSink();
    const commit = commitTo(sink.write);
    const rejected = assert.rejects(append(commit));
    const drained = commit.drained();
    await settle();
    sink.groups[0]?.fail(new Error("EIO"));
    await rejected;
    await drained;
  });
});
