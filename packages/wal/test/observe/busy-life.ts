/** A life of a log that meets every event: groups, rotations, releases, a full disk, a failure, a recovery. */
import { createHash } from "node:crypto";
import { FaultyStorage } from "@walnut/testkit";
import { Machine, settle } from "../machine.ts";

/** Runs it on a simulated disk and returns a fingerprint of every file at every stage. */
export async function busyLife(): Promise<string> {
  const hash = createHash("sha256");
  const machine = new Machine({
    wrapStorage: (disk) =>
      new FaultyStorage(disk, [
        { kind: "writeDurable", nth: 30, code: "ENOSPC", effect: "short" },
        { kind: "writeDurable", nth: 60, code: "EIO", effect: "after" },
      ]),
  });
  const note = (): void => {
    for (const [path, bytes] of machine.disk.snapshot()) hash.update(path).update(bytes);
  };
  for (let life = 0; life < 2; life++) {
    const wal = await machine.open({ prewriteBytes: 4096, attestDelayMs: 5 });
    const cursor = wal.cursor("c");
    for (let round = 0; round < 40; round++) {
      const outcomes = await Promise.allSettled([
        wal.append(new Uint8Array(round * 20).fill(round)),
        wal.appendBatch([new Uint8Array(300), new Uint8Array(10)]),
        wal.append(new Uint8Array(50), { durability: "async" }),
      ]);
      hash.update(outcomes.map(({ status }) => status).join());
      if (round % 10 === 9) await cursor.ack(wal.positions.durableLsn).catch(() => undefined);
      machine.clock.advance(3);
      await settle(1);
    }
    note();
    await wal.close().catch(() => undefined);
    note();
  }
  return hash.digest("hex");
}
