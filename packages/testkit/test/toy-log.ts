/**
 * A small, correct log, and many ways to get it wrong: what the crash explorer is tried on.
 *
 * One directory of files named by first LSN; one frame a batch: length, first LSN, count, checksum, then
 * sizes and payloads. A torn tail is cut and the cut synced before the first append. A cursor is a small file,
 * replaced by rename. Each bug is one step left out or done too early.
 */

import { crc32 } from "node:zlib";

import type { Storage, StorageFile } from "@walnut/wal";
import type { CrashSubject, LogHistory, RecoveredLog, SeededRandom } from "@walnut/testkit";

/** A step that is wrong. */
export type ToyBug =
  | "none"
  | "ack-before-write"
  | "ack-before-sync"
  | "no-sync"
  | "no-directory-sync"
  | "no-cut"
  | "no-recovery-sync"
  | "no-checksum"
  | "frame-per-record"
  | "cursor-not-synced"
  | "cursor-in-place"
  | "release-before-cursor"
  | "reuses-buffer"
  | "hangs";

/** Every bug there is. */
export const TOY_BUGS: readonly Exclude<ToyBug, "none">[] = [
  "ack-before-write",
  "ack-before-sync",
  "no-sync",
  "no-directory-sync",
  "no-cut",
  "no-recovery-sync",
  "no-checksum",
  "frame-per-record",
  "cursor-not-synced",
  "cursor-in-place",
  "release-before-cursor",
  "reuses-buffer",
  "hangs",
];

const DIRECTORY = "/toy";
const HEADER_BYTES = 20;
const SEGMENT_BYTES = 2_500;

interface Segment {
  readonly firstLsn: number;
  readonly path: string;
}

interface ToyRecord {
  readonly lsn: number;
  readonly payload: Uint8Array;
}

/** The log itself. */
export class ToyLog {
  readonly records: ToyRecord[] = [];
  firstLsn = 1;
  cursorLsn = 0;
  durableLsn = 0;
  readonly #storage: Storage;
  readonly #bug: ToyBug;
  readonly #segments: Segment[] = [];
  #nextLsn = 1;
  #file: StorageFile | undefined;
  #endBytes = 0;
  readonly #queue: { readonly firstLsn: number; readonly payloads: readonly Uint8Array[] }[] = [];
  #turn: Promise<unknown> = Promise.resolve();

  private constructor(storage: Storage, bug: ToyBug) {
    this.#storage = storage;
    this.#bug = bug;
  }

  static async open(storage: Storage, bug: ToyBug): Promise<ToyLog> {
    const log = new ToyLog(storage, bug);
    await storage.ensureDirectory(DIRECTORY);
    await log.#recover();
    return log;
  }

  /** Appends a batch; resolves with its first LSN when it is durable. */
  async append(payloads: readonly Uint8Array[]): Promise<number> {
    const firstLsn = this.#nextLsn;
    this.#nextLsn += payloads.length;
    this.#queue.push({ firstLsn, payloads });
    const done = this.#inTurn(() => this.#commit());
    if (this.#bug === "ack-before-write") {
      done.catch(() => undefined);
      return firstLsn;
    }
    await done;
    return firstLsn;
  }

  /** Moves the cursor and drops the segments below it. */
  async ack(lsn: number): Promise<void> {
    await this.#inTurn(async () => {
      const bytes = new Uint8Array(8);
      new DataView(bytes.buffer).setUint32(0, lsn);
      new DataView(bytes.buffer).setUint32(4, crc32(bytes.subarray(0, 4)));
      if (this.#bug === "release-before-cursor") await this.#release(lsn);
      if (this.#bug === "cursor-in-place") {
        await this.#replaceInPlace(bytes);
      } else {
        const file = await this.#storage.createFile(`${DIRECTORY}/cursor.tmp`);
        await file.write([bytes], 0);
        if (this.#bug !== "cursor-not-synced") await file.syncData();
        await file.close();
        await this.#storage.rename(`${DIRECTORY}/cursor.tmp`, `${DIRECTORY}/cursor`);
        await this.#storage.syncDirectory(DIRECTORY);
      }
      this.cursorLsn = lsn;
      await this.#release(lsn);
    });
  }

  async close(): Promise<void> {
    await this.#inTurn(async () => await this.#file?.close());
  }

  #inTurn<T>(step: () => Promise<T>): Promise<T> {
    const done = this.#turn.then(step);
    this.#turn = done.catch(() => undefined);
    return done;
  }

  /** Writes all that waits and syncs once: a group commit. */
  async #commit(): Promise<void> {
    const group = this.#queue.splice(0);
    for (const { firstLsn, payloads } of group) await this.#write(firstLsn, payloads);
    const last = group.at(-1);
    if (last === undefined || this.#file === undefined) return;
    if (this.#bug === "ack-before-sync") this.#file.syncData().catch(() => undefined);
    else if (this.#bug !== "no-sync") await this.#file.syncData();
    if (this.#bug === "hangs" && last.firstLsn > 6) await new Promise(() => undefined);
    this.durableLsn = last.firstLsn + last.payloads.length - 1;
  }

  async #write(firstLsn: number, payloads: readonly Uint8Array[]): Promise<void> {
    if (this.#file === undefined || this.#endBytes > SEGMENT_BYTES) await this.#rotate(firstLsn);
    const file = this.#file;
    if (file === undefined) throw new Error("no segment");
    const groups = this.#bug === "frame-per-record" ? payloads.map((one) => [one]) : [payloads];
    let lsn = firstLsn;
    for (const group of groups) {
      const frame = encodeFrame(lsn, group);
      const writing = file.write([frame], this.#endBytes);
      if (this.#bug === "reuses-buffer") frame.fill(0);
      await writing;
      this.#endBytes += frame.byteLength;
      lsn += group.length;
    }
  }

  async #rotate(firstLsn: number): Promise<void> {
    // Groups span files: what is in the old one is synced before it is left.
    if (this.#bug !== "no-sync") await this.#file?.syncData();
    await this.#file?.close();
    const path = `${DIRECTORY}/${String(firstLsn).padStart(8, "0")}.seg`;
    this.#file = await this.#storage.createFile(path);
    this.#endBytes = 0;
    if (this.#bug !== "no-directory-sync") await this.#storage.syncDirectory(DIRECTORY);
    this.#segments.push({ firstLsn, path });
  }

  async #release(lsn: number): Promise<void> {
    while ((this.#segments[1]?.firstLsn ?? Number.POSITIVE_INFINITY) <= lsn + 1) {
      const gone = this.#segments.shift();
      if (gone !== undefined) await this.#storage.remove(gone.path);
      this.firstLsn = this.#segments[0]?.firstLsn ?? this.firstLsn;
      // In order: a log must not lose a middle segment before an older one.
      await this.#storage.syncDirectory(DIRECTORY);
    }
  }

  async #replaceInPlace(bytes: Uint8Array): Promise<void> {
    const path = `${DIRECTORY}/cursor`;
    const names = await this.#storage.listDirectory(DIRECTORY);
    const file = names.includes("cursor")
      ? await this.#storage.openFile(path, "write")
      : await this.#storage.createFile(path);
    await file.truncate(0);
    await file.write([bytes], 0);
    await file.syncData();
    await file.close();
    await this.#storage.syncDirectory(DIRECTORY);
  }

  async #recover(): Promise<void> {
    const storage = this.#storage;
    // What a killed process left may be in the cache only; nothing is trusted before it is durable.
    if (this.#bug !== "no-recovery-sync") await storage.syncDirectory(DIRECTORY);
    const names = (await storage.listDirectory(DIRECTORY)).toSorted();
    if (names.includes("cursor.tmp")) await storage.remove(`${DIRECTORY}/cursor.tmp`);
    if (names.includes("cursor")) await this.#readCursor();
    for (const name of names.filter((entry) => entry.endsWith(".seg"))) {
      const path = `${DIRECTORY}/${name}`;
      const firstLsn = Number(name.slice(0, 8));
      if (this.#segments.length === 0) {
        this.firstLsn = firstLsn;
        this.#nextLsn = firstLsn;
      }
      if (firstLsn !== this.#nextLsn) throw new Error(`segment ${name} after ${this.#nextLsn - 1}`);
      await this.#file?.close();
      this.#file = await storage.openFile(path, "write");
      if (this.#bug !== "no-recovery-sync") await this.#file.syncData();
      await this.#scan(this.#file);
      this.#segments.push({ firstLsn, path });
    }
    this.durableLsn = this.#nextLsn - 1;
  }

  async #scan(file: StorageFile): Promise<void> {
    const size = await file.size();
    const bytes = new Uint8Array(size);
    await file.read(bytes, 0, size, 0);
    let offset = 0;
    for (;;) {
      const frame = decodeFrame(bytes.subarray(offset), this.#bug !== "no-checksum");
      if (frame === undefined || frame.firstLsn !== this.#nextLsn) break;
      for (const payload of frame.payloads) {
        this.records.push({ lsn: this.#nextLsn, payload });
        this.#nextLsn += 1;
      }
      offset += frame.frameBytes;
    }
    this.#endBytes = offset;
    if (offset < size && this.#bug !== "no-cut") {
      await file.truncate(offset);
      await file.syncData();
    }
  }

  async #readCursor(): Promise<void> {
    const file = await this.#storage.openFile(`${DIRECTORY}/cursor`, "read");
    const bytes = new Uint8Array(8);
    await file.read(bytes, 0, 8, 0);
    await file.close();
    const view = new DataView(bytes.buffer);
    if (view.getUint32(4) === crc32(bytes.subarray(0, 4))) this.cursorLsn = view.getUint32(0);
  }
}

function encodeFrame(firstLsn: number, payloads: readonly Uint8Array[]): Uint8Array {
  const bodyBytes = payloads.reduce((sum, payload) => sum + 4 + payload.byteLength, 0);
  const frame = new Uint8Array(HEADER_BYTES + bodyBytes);
  const view = new DataView(frame.buffer);
  view.setUint32(0, 0x544f_5931);
  view.setUint32(4, bodyBytes);
  view.setUint32(8, firstLsn);
  view.setUint32(12, payloads.length);
  let offset = HEADER_BYTES;
  for (const payload of payloads) {
    view.setUint32(offset, payload.byteLength);
    frame.set(payload, offset + 4);
    offset += 4 + payload.byteLength;
  }
  view.setUint32(16, checksum(frame));
  return frame;
}

function checksum(frame: Uint8Array): number {
  return crc32(frame.subarray(HEADER_BYTES), crc32(frame.subarray(0, 16)));
}

function decodeFrame(
  bytes: Uint8Array,
  isChecked: boolean,
): { firstLsn: number; payloads: Uint8Array[]; frameBytes: number } | undefined {
  if (bytes.byteLength < HEADER_BYTES) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const frameBytes = HEADER_BYTES + view.getUint32(4);
  if (view.getUint32(0) !== 0x544f_5931 || frameBytes > bytes.byteLength) return undefined;
  const frame = bytes.subarray(0, frameBytes);
  if (isChecked && checksum(frame) !== view.getUint32(16)) return undefined;
  const payloads: Uint8Array[] = [];
  let offset = HEADER_BYTES;
  for (let index = 0; index < view.getUint32(12); index += 1) {
    const length = offset + 4 <= frameBytes ? view.getUint32(offset) : 0;
    payloads.push(frame.slice(offset + 4, offset + 4 + length));
    offset += 4 + length;
  }
  return { firstLsn: view.getUint32(8), payloads, frameBytes };
}

/** The toy with one bug (or none) under a workload that meets every code path. */
export function toySubject(bug: ToyBug): CrashSubject {
  return {
    name: `toy-${bug}`,
    async run(environment, history, random): Promise<void> {
      const log = await ToyLog.open(environment.storage, bug);
      history.claim = () => log.durableLsn;
      await work(log, history, random);
      await log.close();
    },
    async recover(environment): Promise<RecoveredLog> {
      const log = await ToyLog.open(environment.storage, bug);
      return {
        firstLsn: log.firstLsn,
        records: log.records,
        cursors: new Map([["c", log.cursorLsn]]),
        append: (payloads) => log.append(payloads),
        ackCursor: (_name, lsn) => log.ack(lsn),
        durableLsn: () => log.durableLsn,
        close: () => log.close(),
      };
    },
  };
}

async function work(log: ToyLog, history: LogHistory, random: SeededRandom): Promise<void> {
  for (let round = 0; round < 6; round += 1) {
    const appends = Array.from({ length: random.between(1, 3) }, async () => {
      const sizes = Array.from({ length: random.between(1, 3) }, () => random.between(12, 700));
      const batch = history.send(sizes, "power-loss");
      history.acknowledge(batch, await log.append(batch.payloads));
    });
    await Promise.all(appends);
    if (round % 2 === 1) {
      const lsn = random.between(log.cursorLsn, log.durableLsn);
      if (lsn <= log.cursorLsn) continue;
      history.requestCursor("c", lsn);
      await log.ack(lsn);
      history.acknowledgeCursor("c", lsn);
    }
  }
}
