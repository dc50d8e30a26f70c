/** Events: what is published when, and that taking every listener away, or adding bad ones, changes no byte on the disk. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { subscribe, unsubscribe } from "node:diagnostics_channel";
import { suite, test } from "node:test";
import { fileURLToPath } from "node:url";
import { FaultyStorage } from "@walnut/testkit";
import {
  WAL_CHANNELS,
  type CommitEvent,
  type FailureEvent,
  type RecoverEvent,
  type ReleaseEvent,
  type RotateEvent,
  type WalEvents,
} from "@walnut/wal";
import { EventChannel } from "../../src/observe/events.ts";
import { appendNumbered, LOG_DIRECTORY, Machine, settle, textBytes } from "../machine.ts";
import { busyLife } from "./busy-life.ts";

interface Seen {
  readonly name: string;
  readonly event: unknown;
}

/** Runs `work` with a subscriber on every channel and returns what it was told. */
async function recording(work: () => Promise<void>): Promise<Seen[]> {
  const seen: Seen[] = [];
  const listener = (event: unknown, name: string | symbol): void => {
    seen.push({ name: String(name), event });
  };
  for (const name of WAL_CHANNELS) subscribe(name, listener);
  try {
    await work();
  } finally {
    for (const name of WAL_CHANNELS) unsubscribe(name, listener);
  }
  return seen;
}

function eventsOf<Name extends keyof WalEvents>(
  seen: readonly Seen[],
  name: Name,
): WalEvents[Name][] {
  // The name decides which payload it is.
  return seen.filter((one) => one.name === name).map((one) => one.event as WalEvents[Name]);
}

suite("EventChannel", () => {
  test("says whether anybody would hear", () => {
    const events = new EventChannel<CommitEvent>("walnut.wal.commit");
    const listener = (): void => undefined;
    assert.equal(events.hasSubscribers, false);
    subscribe("walnut.wal.commit", listener);
    assert.equal(events.hasSubscribers, true);
    unsubscribe("walnut.wal.commit", listener);
    assert.equal(events.hasSubscribers, false);
  });
});

suite("events of a log", () => {
  test("name the directory, one commit a group, with what was written", async () => {
    const seen = await recording(async () => {
      const wal = await new Machine().open();
      await appendNumbered(wal, 5);
      await wal.append(textBytes("x"), { durability: "async" });
      await wal.close();
    });
    assert.ok(
      seen.every(({ event }) => (event as { directory: string }).directory === LOG_DIRECTORY),
    );
    const commits: readonly CommitEvent[] = eventsOf(seen, "walnut.wal.commit");
    assert.deepEqual(
      commits.map(({ firstLsn, lastLsn, frames, isSynced }) => ({
        firstLsn,
        lastLsn,
        frames,
        isSynced,
      })),
      [
        { firstLsn: 1, lastLsn: 5, frames: 1, isSynced: true },
        { firstLsn: 6, lastLsn: 6, frames: 1, isSynced: false },
      ],
    );
    assert.ok(commits.every(({ writtenBytes, durationMs }) => writtenBytes > 0 && durationMs >= 0));
  });

  test("tell of recovery, rotation and release", async () => {
    const machine = new Machine();
    const seen = await recording(async () => {
      const wal = await machine.open();
      await appendNumbered(wal, 2);
      await wal.rotate();
      await appendNumbered(wal, 1);
      await wal.cursor("c").ack(2);
      await wal.close();
      await (await machine.open()).close();
    });
    const recoveries: readonly RecoverEvent[] = eventsOf(seen, "walnut.wal.recover");
    assert.deepEqual(
      recoveries.map(({ verdict, records }) => ({ verdict, records })),
      [
        { verdict: "T0", records: 0 },
        { verdict: "T5", records: 1 },
      ],
    );
    const rotations: readonly RotateEvent[] = eventsOf(seen, "walnut.wal.rotate");
    assert.deepEqual(
      rotations.map(({ segmentId, firstLsn, previousSegmentId }) => ({
        segmentId,
        firstLsn,
        previousSegmentId,
      })),
      [
        { segmentId: 1, firstLsn: 1, previousSegmentId: 0 },
        { segmentId: 2, firstLsn: 3, previousSegmentId: 1 },
      ],
    );
    const releases: readonly ReleaseEvent[] = eventsOf(seen, "walnut.wal.release");
    assert.deepEqual(releases, [{ directory: LOG_DIRECTORY, segmentIds: [1], firstLsn: 3 }]);
  });

  test("come after the state has changed", async () => {
    const machine = new Machine();
    const wal = await machine.open();
    const positions: number[] = [];
    const listener = (event: unknown): void => {
      const { lastLsn } = event as CommitEvent;
      positions.push(wal.positions.durableLsn - lastLsn);
    };
    subscribe("walnut.wal.commit", listener);
    try {
      await appendNumbered(wal, 1);
      await appendNumbered(wal, 1);
    } finally {
      unsubscribe("walnut.wal.commit", listener);
    }
    assert.deepEqual(positions, [0, 0]);
    await wal.close();
  });

  for (const { code, isFinal, walCode } of [
    { code: "EIO", isFinal: true, walCode: "WAL_IO" },
    { code: "ENOSPC", isFinal: false, walCode: "WAL_NO_SPACE" },
  ]) {
    test(`tell of a failure by ${code} when those who waited know it`, async () => {
      const machine = new Machine({
        wrapStorage: (disk) => new FaultyStorage(disk, [{ kind: "writeDurable", nth: 1, code }]),
      });
      const order: string[] = [];
      const listener = (event: unknown): void => {
        order.push((event as FailureEvent).code);
      };
      const wal = await machine.open();
      subscribe("walnut.wal.failure", listener);
      const seen = await recording(async () => {
        await wal.append(textBytes("x")).catch(() => order.push("told"));
        await settle();
      });
      unsubscribe("walnut.wal.failure", listener);
      const failures: readonly FailureEvent[] = eventsOf(seen, "walnut.wal.failure");
      assert.deepEqual(
        failures.map((failure) => ({ code: failure.code, isFinal: failure.isFinal })),
        [{ code: walCode, isFinal }],
      );
      assert.deepEqual(order.toSorted(), [walCode, "told"].toSorted());
      await wal.close();
    });
  }

  test("let a subscriber use the log in the middle of its work", async () => {
    const wal = await new Machine().open();
    const inside: Promise<number>[] = [];
    const listener = (): void => {
      if (inside.length < 3) inside.push(wal.append(textBytes("from a subscriber")));
    };
    subscribe("walnut.wal.commit", listener);
    try {
      await wal.append(textBytes("x"));
      await settle(20);
      assert.deepEqual(await Promise.all(inside), [2, 3, 4]);
    } finally {
      unsubscribe("walnut.wal.commit", listener);
    }
    await wal.close();
  });
});

suite("the same life, watched and not", () => {
  test("leaves the same bytes without and with subscribers", async () => {
    const alone = await busyLife();
    let watched: string | undefined;
    const seen = await recording(async () => {
      watched = await busyLife();
    });
    assert.equal(watched, alone);
    for (const name of WAL_CHANNELS) {
      assert.ok(eventsOf(seen, name).length > 0, `${name} was published`);
    }
  });

  test("leaves the same bytes when every subscriber throws", async () => {
    // What a subscriber throws is an uncaught exception of the process, so this life has a process of its own.
    const program = fileURLToPath(
      new URL("busy-life-with-throwing-subscribers.ts", import.meta.url),
    );
    const output = execFileSync(
      process.execPath,
      ["--conditions=@walnut/source", "--import", "tsx", program],
      { encoding: "utf8", stdio: ["ignore", "pipe", "inherit"] },
    );
    const { fingerprint, thrown } = JSON.parse(output) as { fingerprint: string; thrown: number };
    assert.equal(fingerprint, await busyLife());
    assert.ok(thrown > 10);
  });
});
