/** Real file systems that are really full: the promises of the simulated ones hold there too. */

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { suite, test, type TestContext } from "node:test";
import { fileURLToPath } from "node:url";

import { SmallVolume, VOLUME_KINDS, whyNotMountable } from "@walnut/testkit";
import { isWalError, openWal, type Wal, type WalOptions } from "@walnut/wal";

const RECORD_BYTES = 4_000;
const OPTIONS = {
  segmentSizeBytes: 256 * 1024,
  prewriteBytes: 32 * 1024,
} as const satisfies Partial<WalOptions>;
/** No volume of these tests holds as many. */
const MAX_RECORDS = 10_000;

function openOn(volume: SmallVolume): Promise<Wal> {
  return openWal({ ...OPTIONS, directory: join(volume.path, "log") });
}

/** The payload of an LSN. */
function record(lsn: number): Uint8Array {
  return new Uint8Array(RECORD_BYTES).fill(lsn % 251);
}

/** Appends until there is no room, a few at once. Returns the highest LSN that was answered. */
async function fillByAppends(wal: Wal): Promise<number> {
  for (let round = 0; round < MAX_RECORDS; round += 1) {
    const next = wal.positions.appendedLsn + 1;
    const answers = await Promise.allSettled(
      Array.from({ length: 4 }, (_, index) => wal.append(record(next + index))),
    );
    const refused = answers.find((answer) => answer.status === "rejected");
    if (refused === undefined) continue;
    assert.ok(isWalError(refused.reason, "WAL_NO_SPACE"), String(refused.reason));
    const answered = answers.flatMap((answer) =>
      answer.status === "fulfilled" ? [answer.value] : [],
    );
    return Math.max(next - 1, ...answered);
  }
  assert.fail("the volume never became full");
}

/**
 * Appends one record after the other until one is refused: what a refused group had begun to take, zeros ahead of it for one, is
 * there again for a smaller one. Returns the highest LSN.
 */
async function appendUntilRefused(wal: Wal): Promise<number> {
  for (let count = 0; count < MAX_RECORDS; count += 1) {
    const next = wal.positions.appendedLsn + 1;
    try {
      await wal.append(record(next));
    } catch (error) {
      assert.ok(isWalError(error, "WAL_NO_SPACE"), String(error));
      return next - 1;
    }
  }
  assert.fail("the volume never became full");
}

/** Reads all of it and compares. */
async function assertHolds(
  wal: Wal,
  range: { readonly firstLsn: number; readonly lastLsn: number },
): Promise<void> {
  let expected = range.firstLsn;
  for await (const { lsn, payload } of wal.read()) {
    assert.equal(lsn, expected);
    assert.deepEqual(payload, record(lsn));
    expected += 1;
  }
  assert.ok(
    expected > range.lastLsn,
    `${expected - 1} is the last, ${range.lastLsn} was acknowledged`,
  );
}

async function rejectsForSpace(promise: Promise<unknown>): Promise<void> {
  await assert.rejects(promise, (error) => isWalError(error, "WAL_NO_SPACE"));
}

for (const kind of VOLUME_KINDS) {
  suite(`a full ${kind}`, { skip: whyNotMountable(kind) }, () => {
    test("that appends have filled: they reject, nothing acknowledged is lost, reads go on", async (context) => {
      const volume = SmallVolume.mount(kind, context);
      const wal = await openOn(volume);
      await fillByAppends(wal);
      assert.equal(wal.status().state, "open");
      const lastLsn = await appendUntilRefused(wal);
      await assertHolds(wal, { firstLsn: 1, lastLsn });
      await wal.close().catch((error: unknown) => assert.ok(isWalError(error, "WAL_NO_SPACE")));
      const again = await openOn(volume);
      await assertHolds(again, { firstLsn: 1, lastLsn });
      await again.close();
    });

    test("is emptied by a cursor that moves on it, and writing resumes by itself", async (context) => {
      const volume = SmallVolume.mount(kind, context);
      const wal = await openOn(volume);
      const cursor = wal.cursor("consumer");
      await wal.append(record(1));
      await cursor.ack(1);
      const lastLsn = await fillByAppends(wal);
      volume.fill();
      assert.equal(volume.freeBytes, 0);
      const freeLsn = Math.floor(lastLsn / 2);
      await cursor.ack(freeLsn);
      assert.ok(wal.positions.firstLsn > 1, "segments were released");
      const next = wal.positions.appendedLsn + 1;
      assert.equal(await wal.append(record(next)), next);
      await assertHolds(wal, { firstLsn: wal.positions.firstLsn, lastLsn: next });
      await wal.close();
      const again = await openOn(volume);
      assert.equal(again.cursor("consumer").lsn, freeLsn);
      await assertHolds(again, { firstLsn: again.positions.firstLsn, lastLsn: next });
      await again.close();
    });

    test("that another file has filled to the last byte: closes, and opens with no byte free", async (context) => {
      const volume = SmallVolume.mount(kind, context);
      const wal = await openOn(volume);
      for (let lsn = 1; lsn <= 150; lsn += 1) await wal.append(record(lsn));
      volume.fill();
      const lastLsn = await fillByAppends(wal);
      assert.equal(wal.status().state, "open");
      await wal.close().catch((error: unknown) => assert.ok(isWalError(error, "WAL_NO_SPACE")));
      // Closing gives back what was prepared for later.
      volume.fill();
      assert.equal(volume.freeBytes, 0);

      const full = await openOn(volume);
      await assertHolds(full, { firstLsn: 1, lastLsn });
      // Opening gives back what a crash or a close had left.
      volume.fill();
      await rejectsForSpace(full.append(record(lastLsn + 1)));
      volume.drain();
      const next = full.positions.appendedLsn + 1;
      assert.equal(await full.append(record(next)), next);
      await full.close();
      const again = await openOn(volume);
      await assertHolds(again, { firstLsn: 1, lastLsn: next });
      await again.close();
    });

    test("whose writer is killed the moment it hears of it: everything acknowledged is there", async (context) => {
      const volume = SmallVolume.mount(kind, context);
      const directory = join(volume.path, "log");
      volume.take(512 * 1024);
      const { lines, signal } = await runFillWriter(directory, context);
      assert.equal(signal, "SIGKILL");
      assert.equal(lines.at(-1), "FULL WAL_NO_SPACE");
      const lastLsn = Math.max(...lines.slice(0, -1).map(Number));
      assert.ok(lastLsn > 100);
      volume.fill();
      const wal = await openWal({ ...OPTIONS, directory });
      let found = 0;
      for await (const { lsn, payload } of wal.read()) {
        found = lsn;
        assert.equal(payload.byteLength, 3_000);
      }
      assert.ok(found >= lastLsn, `${found} is the last, ${lastLsn} was acknowledged`);
      volume.drain();
      assert.equal(await wal.append(record(1)), wal.positions.appendedLsn);
      await wal.close();
    });
  });
}

suite(
  "a limit on the size of files",
  { skip: process.platform === "win32" && "needs ulimit" },
  () => {
    test("rejects what would exceed it, kills nobody and costs nothing that was acknowledged", async (context) => {
      const directory = mkdtempSync(join(tmpdir(), "walnut-limit-"));
      context.after(() => rmSync(directory, { recursive: true }));
      // Smaller than a segment, so that appends run into it.
      const { lines, signal } = await runFillWriter(directory, context, { maxFileKib: 200 });
      assert.equal(signal, "SIGKILL");
      assert.match(lines.at(-1) ?? "", /^FULL WAL_NO_SPACE$/u);
      const lastLsn = Math.max(...lines.slice(0, -1).map(Number));
      const wal = await openWal({ ...OPTIONS, directory });
      assert.ok(wal.positions.durableLsn >= lastLsn && lastLsn > 10);
      await wal.close();
    });
  },
);

async function runFillWriter(
  directory: string,
  context: TestContext,
  { maxFileKib }: { readonly maxFileKib?: number } = {},
): Promise<{ readonly lines: readonly string[]; readonly signal: string | null }> {
  const program = fileURLToPath(new URL("fill-writer.ts", import.meta.url));
  const flags = ["--conditions=@walnut/source", "--import", "tsx"];
  const words = [process.execPath, ...flags, program, directory];
  const limit = maxFileKib === undefined ? "" : `ulimit -f ${maxFileKib} && `;
  // dash counts blocks of 512 bytes, bash KiB: ask for bash, which every machine with root tests has.
  const child = spawn("bash", ["-c", `${limit}exec "$@"`, "bash", ...words], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  context.after(() => child.kill("SIGKILL"));
  let output = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => (output += text));
  const signal = await new Promise<string | null>((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (_code, bySignal) => resolve(bySignal));
  });
  return { lines: output.trimEnd().split("\n"), signal };
}
