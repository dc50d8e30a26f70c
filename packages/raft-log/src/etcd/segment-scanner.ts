/**
 * Reads one file of etcd's WAL forward, record by record, and checks each against the rolling checksum.
 *
 * The one loop for opening, verifying and reading: what to do about damage is the caller's business. A file ends where its bytes
 * end, or at zeros in place of a length.
 */
import type { StorageFile } from "@walnut/wal";
import { crc32c } from "./crc32c.ts";
import {
  decodeFrame,
  FRAME_HEAD_BYTES,
  looksTorn,
  RECORD_TYPE,
  type WalRecord,
} from "./wal-record.ts";
import type { WalDamageKind } from "./wal-damage.ts";

/** Read at once, unless a record is larger. */
const WINDOW_BYTES = 1024 * 1024; // 1 MiB

export interface ScannedRecord extends WalRecord {
  readonly offsetBytes: number;
  readonly endOffsetBytes: number;
  /** The checksum is wrong, and the scan goes on all the same. */
  readonly isDamaged: boolean;
}

/** Where and why a scan ended. Everything before `offsetBytes` is whole. */
export interface ScanEnd {
  readonly kind: "end" | WalDamageKind;
  readonly offsetBytes: number;
  readonly reason: string;
}

export interface SegmentScannerOptions {
  /** The checksum so far; 0 at the beginning of what is read: the file's first record then says it. */
  readonly crc: number;
  /** Whether a record that was cut by a crash may stand at the end: in the newest file only. */
  readonly isNewest: boolean;
  /** Goes on behind a wrong checksum, with the one that the record says. */
  readonly goesOn?: boolean | undefined;
}

export class SegmentScanner {
  readonly #file: StorageFile;
  readonly #sizeBytes: number;
  readonly #options: SegmentScannerOptions;
  #window: Uint8Array = new Uint8Array(0);
  /** Place of the window in the file, and of the next record. */
  #windowOffset = 0;
  #offset = 0;
  #crc: number;
  #end: ScanEnd | undefined;

  constructor(file: StorageFile, sizeBytes: number, options: SegmentScannerOptions) {
    this.#file = file;
    this.#sizeBytes = sizeBytes;
    this.#options = options;
    this.#crc = options.crc;
  }

  /** Why the scan is over; `undefined` as long as it is not. */
  get end(): ScanEnd | undefined {
    return this.#end;
  }

  /** The next records; none when the scan is over. Their data are views of memory that stays as it is. */
  async next(): Promise<readonly ScannedRecord[]> {
    const records: ScannedRecord[] = [];
    while (this.#end === undefined && records.length === 0) {
      const neededBytes = this.#decodeWindow(records);
      if (neededBytes > 0 && records.length === 0) await this.#fill(neededBytes);
    }
    return records;
  }

  /** Takes what the window holds. @returns the bytes from the next record on that are needed to go on; 0 at the end */
  #decodeWindow(records: ScannedRecord[]): number {
    while (this.#end === undefined) {
      const at = this.#offset - this.#windowOffset;
      const frame = decodeFrame(this.#window, at);
      if (frame.kind === "short") return this.#shortage(this.#windowOffset + frame.endOffset);
      if (frame.kind === "end") {
        this.#stop("end", "");
        return 0;
      }
      if (frame.kind === "unparsable") {
        const isTorn = this.#looksTorn(at, frame.endOffset);
        this.#stop(isTorn ? "torn" : "unparsable", `no record: ${frame.reason}`);
        return 0;
      }
      const isDamaged = !this.#verify(frame.record);
      if (isDamaged && !this.#mayGoOn(frame.record, at, frame.endOffset)) return 0;
      const endOffsetBytes = this.#windowOffset + frame.endOffset;
      records.push({ ...frame.record, offsetBytes: this.#offset, endOffsetBytes, isDamaged });
      this.#offset = endOffsetBytes;
    }
    return 0;
  }

  /** More bytes are needed than the window holds: they are read, or the file has ended. */
  #shortage(endOffset: number): number {
    const leftBytes = this.#sizeBytes - this.#offset;
    if (endOffset <= this.#sizeBytes) return endOffset - this.#offset;
    if (leftBytes === 0) this.#stop("end", "");
    else if (leftBytes < FRAME_HEAD_BYTES) this.#stop("torn", "the file ends inside a length");
    else {
      const wanted = endOffset - this.#offset;
      this.#stop("torn", `a record of ${wanted} bytes where ${leftBytes} are left`);
    }
    return 0;
  }

  /** Takes the record's checksum over. @returns whether it is the one of the data */
  #verify({ type, crc, data }: WalRecord): boolean {
    // A reader that begins with a checksum record has none of its own yet.
    const isFirst = type === RECORD_TYPE.crc && this.#crc === 0;
    const expected = type === RECORD_TYPE.crc ? this.#crc : crc32c(this.#crc, data);
    this.#crc = crc;
    return isFirst || expected === crc;
  }

  #mayGoOn({ crc }: WalRecord, at: number, end: number): boolean {
    if (this.#looksTorn(at, end)) {
      this.#stop("torn", "the record was being written when power was lost");
      return false;
    }
    if (this.#options.goesOn === true) return true;
    this.#stop("crc-mismatch", `the data has not the checksum ${crc.toString(16)} of its record`);
    return false;
  }

  #looksTorn(at: number, end: number): boolean {
    if (!this.#options.isNewest) return false;
    const body = this.#window.subarray(at + FRAME_HEAD_BYTES, end);
    return looksTorn(body, this.#offset + FRAME_HEAD_BYTES);
  }

  #stop(kind: ScanEnd["kind"], reason: string): void {
    this.#end = { kind, offsetBytes: this.#offset, reason };
  }

  async #fill(neededBytes: number): Promise<void> {
    const leftBytes = this.#sizeBytes - this.#offset;
    const window = new Uint8Array(Math.min(leftBytes, Math.max(neededBytes, WINDOW_BYTES)));
    const readBytes = await this.#file.read(window, 0, window.byteLength, this.#offset);
    this.#window = window.subarray(0, readBytes);
    this.#windowOffset = this.#offset;
    if (readBytes >= neededBytes) return;
    // Cut by somebody else since its size was asked for.
    this.#stop("torn", `the file ends after ${readBytes} of ${neededBytes} bytes`);
  }
}
