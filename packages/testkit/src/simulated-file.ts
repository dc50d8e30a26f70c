/**
 * The content of one simulated file: what programs see, what is on the device, and what is still open.
 *
 * - *current*: what a read returns (the page cache).
 * - *durable*: what is on the device for certain.
 * - *pending*: per 512-byte sector every version written since, and every length the file has had since. A
 *   power loss may leave, for each sector on its own, the durable version, any pending version, or (torn) a
 *   mix of two; and for the length the durable one, any pending one, or a block boundary on the way of a
 *   growth. Bytes of the file that never arrived read as zero.
 *
 * A change to a sector that writes what is there already opens nothing: both outcomes are the same bytes.
 * A cut is one step: with the old length all cut sectors still hold what they held, with a length from after
 * the cut none does. Only the sector in which the cut falls is an ordinary write of zeros.
 *
 * After a failed sync the pending versions are *abandoned*: reads still see them, they may or may not be on
 * the device, and no later sync writes them (pages are marked clean). Only a new write to the same sector
 * makes it dirty again. The length is metadata: a later sync still writes it, which is how holes come to be.
 * Knows nothing of names and directories.
 */

import type { CrashChooser } from "./crash-choice.ts";

/** The unit that a power loss keeps or loses, in bytes. */
export const SECTOR_BYTES = 512;

/** A growing file may be caught at any multiple of this, in bytes: file systems grow by blocks. */
export const BLOCK_BYTES = 4096;

interface SectorVersion {
  readonly sequence: number;
  bytes: Uint8Array;
  /** Zeros left by a cut, which arrive with the cut's length or not at all. */
  readonly isCut: boolean;
  isAbandoned: boolean;
}

interface LengthChange {
  readonly sequence: number;
  readonly fromBytes: number;
  toBytes: number;
}

/** One file of a simulated disk. */
export class SimulatedFile {
  #current: Uint8Array;
  #lengthBytes: number;
  #durable: Uint8Array;
  #durableLengthBytes: number;
  /** False while an image shares the bytes with this file; the next change copies them first. */
  #ownsCurrent = true;
  #ownsDurable = true;
  #sectors = new Map<number, SectorVersion[]>();
  #lengths: LengthChange[] = [];

  /** A file that is on the device with this content. */
  constructor(content: Uint8Array = new Uint8Array(0)) {
    this.#current = content;
    this.#durable = content;
    this.#lengthBytes = content.byteLength;
    this.#durableLengthBytes = content.byteLength;
    // One array serves both views until the first change.
    this.#ownsCurrent = false;
    this.#ownsDurable = false;
  }

  get lengthBytes(): number {
    return this.#lengthBytes;
  }

  /** True when a power loss leaves exactly what is there now. */
  get isSettled(): boolean {
    return this.#sectors.size === 0 && this.#lengths.length === 0;
  }

  /** Copies up to `length` bytes at `offset` into `target`; returns how many there were. */
  read(target: Uint8Array, targetOffset: number, length: number, offset: number): number {
    const available = Math.max(0, Math.min(length, this.#lengthBytes - offset));
    target.set(this.#current.subarray(offset, offset + available), targetOffset);
    return available;
  }

  /** What programs see now (a copy). */
  content(): Uint8Array {
    return this.#current.slice(0, this.#lengthBytes);
  }

  /** Writes into the page cache: every touched sector, and a growth of the file, is pending. */
  write(bytes: Uint8Array, offset: number, sequence: number): void {
    if (bytes.byteLength === 0) return;
    const endBytes = offset + bytes.byteLength;
    const previousLength = this.#lengthBytes;
    this.#ownCurrent(endBytes);
    this.#current.set(bytes, offset);
    if (endBytes > previousLength) this.#changeLength(endBytes, sequence);
    this.#recordVersions(offset, endBytes, sequence);
  }

  /** Cuts or zero-extends. Cut bytes become pending zeros; the length is pending. */
  truncate(lengthBytes: number, sequence: number): void {
    const previousLength = this.#lengthBytes;
    if (lengthBytes === previousLength) return;
    if (lengthBytes > previousLength) {
      this.#ownCurrent(lengthBytes);
    } else {
      this.#ownCurrent(previousLength);
      this.#current.fill(0, lengthBytes, previousLength);
    }
    this.#changeLength(lengthBytes, sequence);
    if (lengthBytes < previousLength) {
      const firstCutByte = Math.ceil(lengthBytes / SECTOR_BYTES) * SECTOR_BYTES;
      this.#recordVersions(lengthBytes, Math.min(firstCutByte, previousLength), sequence);
      this.#recordVersions(firstCutByte, previousLength, sequence, true);
    }
  }

  /** Writes through to the device: these bytes, and a length that reaches them. Nothing else is settled. */
  writeDurable(bytes: Uint8Array, offset: number): void {
    if (bytes.byteLength === 0) return;
    const endBytes = offset + bytes.byteLength;
    this.#ownCurrent(endBytes);
    this.#current.set(bytes, offset);
    this.#lengthBytes = Math.max(this.#lengthBytes, endBytes);

    this.#growDurable(endBytes);
    this.#durable.set(bytes, offset);
    this.#durableLengthBytes = Math.max(this.#durableLengthBytes, endBytes);
    for (const change of this.#lengths) change.toBytes = Math.max(change.toBytes, endBytes);
    this.#dropSettledLengths();

    // Other bytes of a sector at the edge may still be old or new; the bytes of this call are the same in
    // every version from here on.
    for (let sector = sectorOf(offset); sector <= sectorOf(endBytes - 1); sector += 1) {
      const versions = this.#sectors.get(sector);
      if (versions === undefined) continue;
      const start = sector * SECTOR_BYTES;
      const from = Math.max(offset, start);
      const to = Math.min(endBytes, start + SECTOR_BYTES);
      for (const version of versions) {
        version.bytes = version.bytes.slice();
        version.bytes.set(bytes.subarray(from - offset, to - offset), from - start);
      }
      this.#dropSettledVersions(sector, versions);
    }
  }

  /** A successful sync: everything up to `sequence` that is not abandoned is on the device. */
  settle(sequence: number): void {
    for (const [sector, versions] of this.#sectors) {
      const index = versions.findLastIndex(
        (version) => version.sequence <= sequence && !version.isAbandoned,
      );
      const version = versions[index];
      if (version === undefined) continue;
      const start = sector * SECTOR_BYTES;
      this.#growDurable(start + SECTOR_BYTES);
      this.#durable.set(version.bytes, start);
      // Older versions are overwritten on the device by this one; newer ones stay open.
      versions.splice(0, index + 1);
      if (versions.length === 0) this.#sectors.delete(sector);
    }
    const index = this.#lengths.findLastIndex((change) => change.sequence <= sequence);
    const change = this.#lengths[index];
    if (change !== undefined) {
      this.#durableLengthBytes = change.toBytes;
      this.#growDurable(change.toBytes);
      this.#lengths.splice(0, index + 1);
      this.#dropSettledLengths();
    }
  }

  /** A failed sync: nothing that is pending now will be written by a later sync. */
  abandon(): void {
    for (const versions of this.#sectors.values()) {
      // A cut is metadata, like the length.
      for (const version of versions) version.isAbandoned = !version.isCut;
    }
  }

  /** How many different contents a power loss could leave, without tears: an upper bound. */
  crashStateCount(): number {
    let count = this.#lengthOptions().length + 1;
    for (const versions of this.#sectors.values()) count *= versions.length + 1;
    return count;
  }

  /** Adds the sequence numbers of what is open to `range`. */
  extendRange(range: { first: number; last: number }): void {
    const include = (sequence: number): void => {
      range.first = Math.min(range.first, sequence);
      range.last = Math.max(range.last, sequence);
    };
    for (const versions of this.#sectors.values()) {
      for (const version of versions) include(version.sequence);
    }
    for (const change of this.#lengths) include(change.sequence);
  }

  /** The file as a power loss leaves it. */
  afterPowerLoss(chooser: CrashChooser, path: string): SimulatedFile {
    if (this.isSettled) {
      this.#ownsDurable = false;
      return new SimulatedFile(this.#durable.subarray(0, this.#durableLengthBytes));
    }
    const { lengthBytes, sequence: lengthSequence } = this.#chooseLength(chooser, path);
    const content = new Uint8Array(lengthBytes);
    content.set(this.#durable.subarray(0, Math.min(lengthBytes, this.#durableLengthBytes)));
    for (const [sector, versions] of this.#sectors) {
      const start = sector * SECTOR_BYTES;
      if (start >= lengthBytes) continue;
      const visibleBytes = Math.min(SECTOR_BYTES, lengthBytes - start);
      const lastCut = versions.findLastIndex(
        (version) => version.isCut && version.sequence <= lengthSequence,
      );
      const cut = versions[lastCut];
      if (cut !== undefined) content.set(cut.bytes.subarray(0, visibleBytes), start);
      const options = versions.slice(lastCut + 1).filter((version) => !version.isCut);
      if (options.length === 0) continue;
      const sequences = options.map((version) => version.sequence);
      const choice = chooser.choose({ kind: "sector", path, sequences });
      const version = options[choice - 1];
      if (version === undefined) continue;
      const visible = version.bytes.subarray(0, visibleBytes);
      const tear = chooser.tear(SECTOR_BYTES);
      if (tear === undefined) {
        content.set(visible, start);
      } else if (tear.isHeadNewer) {
        content.set(visible.subarray(0, tear.splitBytes), start);
      } else if (tear.splitBytes < visible.byteLength) {
        content.set(visible.subarray(tear.splitBytes), start + tear.splitBytes);
      }
    }
    return new SimulatedFile(content);
  }

  /** The same file with the same open questions, free to go its own way. */
  clone(): SimulatedFile {
    const copy = new SimulatedFile();
    this.#ownsCurrent = false;
    this.#ownsDurable = false;
    copy.#current = this.#current;
    copy.#durable = this.#durable;
    copy.#lengthBytes = this.#lengthBytes;
    copy.#durableLengthBytes = this.#durableLengthBytes;
    for (const [sector, versions] of this.#sectors) {
      copy.#sectors.set(
        sector,
        versions.map((version) => ({ ...version })),
      );
    }
    copy.#lengths = this.#lengths.map((change) => ({ ...change }));
    return copy;
  }

  #chooseLength(chooser: CrashChooser, path: string): { lengthBytes: number; sequence: number } {
    const old = { lengthBytes: this.#durableLengthBytes, sequence: 0 };
    const options = this.#lengthOptions();
    if (options.length === 0) return old;
    const sequences = options.map((option) => option.sequence);
    return options[chooser.choose({ kind: "length", path, sequences }) - 1] ?? old;
  }

  #lengthOptions(): { sequence: number; lengthBytes: number }[] {
    const options: { sequence: number; lengthBytes: number }[] = [];
    const floorBytes = this.#floorBytes();
    for (const change of this.#lengths) {
      // A durable write inside the growth has pinned the length to at least its own end: the floor.
      const startBytes = Math.max(change.fromBytes, floorBytes);
      let boundary = (Math.floor(startBytes / BLOCK_BYTES) + 1) * BLOCK_BYTES;
      for (; boundary < change.toBytes; boundary += BLOCK_BYTES) {
        options.push({ sequence: change.sequence, lengthBytes: boundary });
      }
      options.push({ sequence: change.sequence, lengthBytes: change.toBytes });
    }
    return options;
  }

  /** No crash leaves the file shorter than this. */
  #floorBytes(): number {
    return Math.min(this.#durableLengthBytes, ...this.#lengths.map((change) => change.toBytes));
  }

  #changeLength(lengthBytes: number, sequence: number): void {
    const fromBytes = this.#lengthBytes;
    this.#lengthBytes = lengthBytes;
    this.#lengths.push({ sequence, fromBytes, toBytes: lengthBytes });
  }

  /** Remembers, for each sector of the range, what it holds now, unless that changes nothing. */
  #recordVersions(fromBytes: number, toBytes: number, sequence: number, isCut = false): void {
    if (fromBytes >= toBytes) return;
    const first = sectorOf(fromBytes);
    const last = sectorOf(toBytes - 1);
    const snapshot = new Uint8Array((last - first + 1) * SECTOR_BYTES);
    snapshot.set(
      this.#current.subarray(
        first * SECTOR_BYTES,
        Math.min((last + 1) * SECTOR_BYTES, this.#current.byteLength),
      ),
    );
    for (let sector = first; sector <= last; sector += 1) {
      const from = (sector - first) * SECTOR_BYTES;
      const bytes = snapshot.subarray(from, from + SECTOR_BYTES);
      const versions = this.#sectors.get(sector);
      const top = versions?.at(-1);
      if (versions === undefined || top === undefined) {
        if (!isEqual(bytes, this.#durableSector(sector))) {
          this.#sectors.set(sector, [{ sequence, bytes, isCut, isAbandoned: false }]);
        }
      } else if (top.isAbandoned || top.isCut !== isCut || !isEqual(bytes, top.bytes)) {
        versions.push({ sequence, bytes, isCut, isAbandoned: false });
      }
    }
  }

  #durableSector(sector: number): Uint8Array {
    const start = sector * SECTOR_BYTES;
    const stored = this.#durable.subarray(start, start + SECTOR_BYTES);
    if (stored.byteLength === SECTOR_BYTES) return stored;
    const padded = new Uint8Array(SECTOR_BYTES);
    padded.set(stored);
    return padded;
  }

  #dropSettledVersions(sector: number, versions: readonly SectorVersion[]): void {
    const durable = this.#durableSector(sector);
    if (versions.every((version) => isEqual(version.bytes, durable))) this.#sectors.delete(sector);
  }

  #dropSettledLengths(): void {
    for (const versions of this.#sectors.values()) {
      // Whether the cut happened is still open, and its length is what decides.
      if (versions.some((version) => version.isCut)) return;
    }
    if (this.#lengths.every((change) => change.toBytes === this.#durableLengthBytes)) {
      this.#lengths = [];
    }
  }

  #ownCurrent(lengthBytes: number): void {
    if (this.#ownsCurrent && this.#current.byteLength >= lengthBytes) return;
    this.#current = grown(this.#current, this.#lengthBytes, lengthBytes);
    this.#ownsCurrent = true;
  }

  #growDurable(lengthBytes: number): void {
    if (this.#ownsDurable && this.#durable.byteLength >= lengthBytes) return;
    this.#durable = grown(this.#durable, this.#durable.byteLength, lengthBytes);
    this.#ownsDurable = true;
  }
}

function sectorOf(offsetBytes: number): number {
  return Math.floor(offsetBytes / SECTOR_BYTES);
}

function grown(bytes: Uint8Array, usedBytes: number, lengthBytes: number): Uint8Array {
  const used = Math.min(usedBytes, bytes.byteLength);
  const capacity = Math.max(lengthBytes, lengthBytes > used ? used * 2 : used, SECTOR_BYTES);
  const larger = new Uint8Array(capacity);
  larger.set(bytes.subarray(0, used));
  return larger;
}

function isEqual(left: Uint8Array, right: Uint8Array): boolean {
  return Buffer.compare(left, right) === 0;
}
