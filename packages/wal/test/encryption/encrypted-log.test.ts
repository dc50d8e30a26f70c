/** A log that is encrypted: what reads it, what does not need a key, and how keys change. */
import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { suite, test } from "node:test";
import {
  CODEC_NAMES,
  isWalError,
  openWal,
  openWalWith,
  type EncryptionOptions,
  type Wal,
  type WalErrorCode,
} from "@walnut/wal";
import {
  decodeFrame,
  FRAME_FLAG_ENCRYPTED,
  FRAME_HEADER_BYTES,
  FRAME_KIND,
  peekFrame,
  sealFrame,
  type FrameHeader,
} from "../../src/format/frame.ts";
import { decodeSegmentHeader, SEGMENT_HEADER_BYTES } from "../../src/format/segment-header.ts";
import { saltSeed } from "../../src/format/checksum.ts";
import {
  appendNumbered,
  bytesText,
  Machine,
  numbered,
  QUIET_OPTIONS,
  readTexts,
  segmentPath,
  textBytes,
} from "../machine.ts";

const KEYS: Readonly<Record<number, Uint8Array>> = {
  1: new Uint8Array(32).fill(0x11),
  2: new Uint8Array(32).fill(0x22),
};

function keyed(
  keyId: number,
  keys: Readonly<Record<number, Uint8Array>> = KEYS,
): EncryptionOptions {
  return { keyId, keys: (id) => keys[id] };
}

const WRONG = keyed(1, { 1: new Uint8Array(32).fill(0x99) });

function rejectsWith(promise: Promise<unknown>, code: WalErrorCode): Promise<void> {
  return assert.rejects(promise, (error) => isWalError(error, code));
}

/** A machine whose log holds `r1` to `r<count>` under key 1, closed. */
async function encryptedMachine(count: number): Promise<Machine> {
  const machine = new Machine();
  const wal = await machine.open({ encryption: keyed(1) });
  await appendNumbered(wal, count);
  await wal.close();
  return machine;
}

suite("an encrypted log", () => {
  for (const codec of CODEC_NAMES) {
    test(`is read back with its key, with codec ${codec}`, async () => {
      const machine = new Machine();
      const encryption = keyed(1);
      const wal = await machine.open({ encryption, codec });
      await appendNumbered(wal, 20);
      const large = new Uint8Array(100_000).fill(0x61);
      await wal.append(large);
      await wal.appendBatch([textBytes("a"), large, textBytes("b")]);
      await wal.close();
      const again = await machine.open({ encryption, codec });
      const lengths: number[] = [];
      for await (const { lsn, payload } of again.read()) {
        if (lsn <= 20) assert.equal(bytesText(payload), `r${lsn}`);
        else lengths.push(payload.byteLength);
      }
      assert.deepEqual(lengths, [100_000, 1, 100_000, 1]);
      await again.close();
    });
  }

  test("shows no payload in any file", async () => {
    const machine = new Machine();
    const wal = await machine.open({ encryption: keyed(1) });
    for (let index = 0; index < 10; index++) await wal.append(textBytes("a very secret text"));
    await wal.truncateBack(5);
    await wal.append(textBytes("another secret text"));
    await wal.cursor("c").ack(2);
    await wal.close();
    for (const [path, bytes] of machine.disk.snapshot()) {
      assert.ok(!Buffer.from(bytes).includes("secret"), path);
    }
  });

  test("keeps its segments within their size", async () => {
    const machine = new Machine();
    const wal = await machine.open({ encryption: keyed(1) });
    for (let round = 0; round < 10; round++) {
      // Batches too large to share a frame: many frames, each a little longer than it was.
      await Promise.all(
        Array.from({ length: 12 }, () =>
          wal.appendBatch([new Uint8Array(1_500), new Uint8Array(1)]),
        ),
      );
    }
    for (const { sizeBytes } of wal.status().segments) {
      assert.ok(sizeBytes <= QUIET_OPTIONS.segmentSizeBytes, `${sizeBytes} bytes`);
    }
    await wal.close();
  });

  test("is recovered after a power loss as any other", async () => {
    const machine = new Machine();
    const wal = await machine.open({ encryption: keyed(1) });
    await appendNumbered(wal, 5);
    const after = machine.afterPowerLoss();
    const again = await after.open({ encryption: keyed(1) });
    assert.equal(again.recovery.rewrittenRecords > 0, true);
    assert.deepEqual(await readTexts(again), numbered(1, 5));
    await again.close();
  });

  test("lets a tail see records as they come", async () => {
    const machine = new Machine();
    const wal = await machine.open({ encryption: keyed(1) });
    const tail = wal.tail();
    await wal.append(textBytes("x"));
    const { value } = await tail.next();
    assert.equal(bytesText(value?.payload ?? new Uint8Array(0)), "x");
    await tail.return();
    await wal.close();
  });

  test("is cut inside a frame, and what stays is encrypted again", async () => {
    const machine = await encryptedMachine(10);
    const wal = await machine.open({ encryption: keyed(2) });
    await wal.truncateBack(4);
    assert.deepEqual(await readTexts(wal), numbered(1, 4));
    await appendNumbered(wal, 2);
    await wal.close();
    const again = await machine.open({ encryption: keyed(2) });
    assert.deepEqual(await readTexts(again), numbered(1, 6));
    await again.close();
  });
});

suite("keys of an encrypted log", () => {
  test("change: new frames use the new one, old frames are read with theirs", async () => {
    const machine = await encryptedMachine(3);
    const second = await machine.open({ encryption: keyed(2) });
    await appendNumbered(second, 3);
    assert.deepEqual(await readTexts(second), numbered(1, 6));
    await second.close();
    // Without the old key the new records are there, and the old ones say which key they need.
    const third = await machine.open({ encryption: keyed(2, { 2: KEYS[2] ?? new Uint8Array(0) }) });
    assert.deepEqual(await readTexts(third, { from: 4 }), numbered(4, 6));
    await assert.rejects(
      readTexts(third),
      (error) => isWalError(error, "WAL_KEY_MISSING") && error.details["keyId"] === 1,
    );
    await third.close();
  });

  test("may be turned on for a log that was not encrypted", async () => {
    const machine = new Machine();
    const plain = await machine.open();
    await appendNumbered(plain, 2);
    await plain.close();
    const wal = await machine.open({ encryption: keyed(1) });
    await appendNumbered(wal, 2);
    assert.deepEqual(await readTexts(wal), numbered(1, 4));
    await wal.close();
  });

  test("that are wrong do not open the log, and harm nothing", async () => {
    const machine = await encryptedMachine(3);
    await rejectsWith(machine.open({ encryption: WRONG }), "WAL_KEY_WRONG");
    await rejectsWith(machine.open({ encryption: WRONG, recovery: "strict" }), "WAL_KEY_WRONG");
    await rejectsWith(machine.open(), "WAL_KEY_MISSING");
    await rejectsWith(
      machine.open({ encryption: keyed(2, { 2: new Uint8Array(32) }) }),
      "WAL_KEY_MISSING",
    );
    await rejectsWith(machine.open({ encryption: keyed(3) }), "WAL_KEY_MISSING");
    assert.deepEqual(machine.disk.openFiles, []);
    assert.deepEqual(machine.disk.lockedDirectories, []);
    const wal = await machine.open({ encryption: keyed(1) });
    assert.deepEqual(await readTexts(wal), numbered(1, 3));
    await wal.close();
  });

  test("that are wrong leave a crashed log recovered and whole", async () => {
    const machine = new Machine();
    const wal = await machine.open({ encryption: keyed(1) });
    await appendNumbered(wal, 5);
    const after = machine.afterPowerLoss();
    await rejectsWith(after.open({ encryption: WRONG }), "WAL_KEY_WRONG");
    assert.deepEqual(after.disk.openFiles, []);
    // Recovery copied frames into a new segment without their key; they still open with it.
    const again = await after.open({ encryption: keyed(1) });
    assert.deepEqual(await readTexts(again), numbered(1, 5));
    await again.close();
  });

  test("are not needed to cut at a frame's end", async () => {
    const machine = new Machine();
    const old = await machine.open({ encryption: keyed(1) });
    for (let index = 0; index < 4; index++) await appendNumbered(old, 1);
    await old.close();
    const next = await machine.open({ encryption: keyed(2) });
    await appendNumbered(next, 1);
    await next.close();
    const wal = await machine.open({ encryption: keyed(2, { 2: KEYS[2] ?? new Uint8Array(0) }) });
    await wal.truncateBack(2);
    assert.equal(await wal.append(textBytes("r3")), 3);
    await wal.close();
    const again = await machine.open({ encryption: keyed(2) });
    assert.deepEqual(await readTexts(again), numbered(1, 3));
    await again.close();
  });

  test("that are missing refuse a cut inside a frame before anything changes, and the log goes on", async () => {
    const machine = await encryptedMachine(4);
    const next = await machine.open({ encryption: keyed(2) });
    await appendNumbered(next, 1);
    await next.close();
    const wal = await machine.open({ encryption: keyed(2, { 2: KEYS[2] ?? new Uint8Array(0) }) });
    const reader = wal.cursor("reader");
    await reader.ack(3);
    await rejectsWith(wal.truncateBack(2), "WAL_KEY_MISSING");
    assert.equal(reader.lsn, 3);
    assert.equal(await wal.append(textBytes("r6")), 6);
    await wal.truncateBack(5);
    await appendNumbered(wal, 2);
    await wal.close();
    const again = await machine.open({ encryption: keyed(2) });
    assert.deepEqual(await readTexts(again), numbered(1, 7));
    await again.close();
  });

  test("come from a file", async () => {
    const directory = await mkdtemp(join(tmpdir(), "walnut-encrypted-"));
    const keyFile = join(directory, "keys");
    const line = (keyId: number): string =>
      `${keyId}:${Buffer.from(KEYS[keyId] ?? []).toString("base64")}\n`;
    const log = join(directory, "log");
    try {
      await writeFile(keyFile, line(1), { mode: 0o600 });
      const first = await openWal({ directory: log, encryption: { keyFile } });
      await first.append(textBytes("r1"));
      await first.close();
      await writeFile(keyFile, line(1) + line(2));
      const second = await openWal({ directory: log, encryption: { keyFile } });
      await second.append(textBytes("r2"));
      assert.deepEqual(await readTexts(second), numbered(1, 2));
      await second.close();
      await writeFile(keyFile, line(2));
      const third = await openWal({ directory: log, encryption: { keyFile } });
      assert.deepEqual(await readTexts(third, { from: 2 }), numbered(2, 2));
      await rejectsWith(readTexts(third), "WAL_KEY_MISSING");
      await third.close();
    } finally {
      await rm(directory, { recursive: true });
    }
  });

  test("come from a file only where the environment reads one", async () => {
    const { environment } = new Machine();
    const text = `1:${Buffer.from(KEYS[1] ?? []).toString("base64")}\n`;
    const options = { ...QUIET_OPTIONS, encryption: { keyFile: "/keys" } };
    await rejectsWith(openWalWith(environment, options), "WAL_INVALID_OPTION");
    const wal = await openWalWith(
      { ...environment, readKeyFile: () => Promise.resolve(text) },
      options,
    );
    await wal.append(textBytes("x"));
    await wal.close();
  });
});

interface FirstFrame {
  readonly header: FrameHeader;
  readonly lengthBytes: number;
  readonly seed: number;
}

function firstFrameOf(segment: Uint8Array): FirstFrame {
  const decodedHeader = decodeSegmentHeader(segment);
  assert.equal(decodedHeader.kind, "valid");
  const salt = decodedHeader.kind === "valid" ? decodedHeader.header.salt : new Uint8Array(0);
  const seed = (saltSeed(salt) ^ SEGMENT_HEADER_BYTES) >>> 0;
  const view = new DataView(segment.buffer, segment.byteOffset, segment.byteLength);
  const peek = peekFrame(view, SEGMENT_HEADER_BYTES, segment.byteLength - SEGMENT_HEADER_BYTES);
  assert.equal(peek.kind, "candidate");
  const lengthBytes = peek.kind === "candidate" ? peek.lengthBytes : 0;
  const frame = decodeFrame(segment, view, SEGMENT_HEADER_BYTES, lengthBytes, seed);
  assert.ok(frame !== undefined);
  return { header: frame.header, lengthBytes, seed };
}

async function readError(machine: Machine): Promise<unknown> {
  let wal: Wal | undefined;
  try {
    wal = await machine.open({ encryption: keyed(1) });
    await readTexts(wal);
    return undefined;
  } catch (error) {
    return error;
  } finally {
    await wal?.close();
  }
}

suite("an encrypted frame", () => {
  test("says so in its header, and is data of the length it had", async () => {
    const machine = await encryptedMachine(1);
    const { header } = firstFrameOf(machine.bytesOf(segmentPath(1)));
    assert.equal(header.kind, FRAME_KIND.data);
    assert.equal(header.flags, FRAME_FLAG_ENCRYPTED);
    assert.equal(header.rawBytes, 4 + 2);
    assert.equal(header.storedBytes, header.rawBytes + 44);
  });

  test("with a flipped bit is damage, not a wrong key", async () => {
    const machine = await encryptedMachine(1);
    const path = segmentPath(1);
    const original = machine.bytesOf(path);
    const { lengthBytes } = firstFrameOf(original);
    for (let offset = SEGMENT_HEADER_BYTES; offset < SEGMENT_HEADER_BYTES + lengthBytes; offset++) {
      const bytes = original.slice();
      bytes[offset] = (bytes[offset] ?? 0) ^ 0x10;
      const copy = new Machine();
      for (const [name, content] of machine.disk.snapshot()) {
        copy.disk.plant(name, name === path ? bytes : content);
      }
      const error = await readError(copy);
      assert.ok(isWalError(error, "WAL_CORRUPT"), `offset ${offset}: ${String(error)}`);
    }
  });

  test("that was forged, with a right checksum, is a wrong key", async () => {
    const forgeries: readonly {
      readonly name: string;
      readonly forge: (bytes: Uint8Array, header: FrameHeader) => FrameHeader;
    }[] = [
      {
        name: "ciphertext",
        forge: (bytes, header) => {
          const at = SEGMENT_HEADER_BYTES + FRAME_HEADER_BYTES + 30;
          bytes[at] = (bytes[at] ?? 0) ^ 1;
          return header;
        },
      },
      { name: "time", forge: (_, header) => ({ ...header, timeMs: header.timeMs + 1 }) },
      { name: "batch", forge: (_, header) => ({ ...header, codecId: 1 }) },
    ];
    for (const { name, forge } of forgeries) {
      // Not closed: no mark behind the frame whose chain would give the forgery away.
      const machine = new Machine();
      const wal = await machine.open({ encryption: keyed(1) });
      await appendNumbered(wal, 1);
      const after = machine.afterPowerLoss();
      const bytes = after.bytesOf(segmentPath(1)).slice();
      const { header, seed } = firstFrameOf(bytes);
      const forged = forge(bytes, header);
      sealFrame(bytes.subarray(SEGMENT_HEADER_BYTES), 0, forged, seed);
      await after.replace(segmentPath(1), bytes);
      const error = await readError(after);
      assert.ok(isWalError(error, "WAL_KEY_WRONG"), `${name}: ${String(error)}`);
    }
  });
});
