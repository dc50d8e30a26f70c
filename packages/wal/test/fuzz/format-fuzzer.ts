/**
 * Fuzzes everything that reads bytes of a log: decoders, the scanner, the searches behind damage, codecs, and opening as a whole.
 *
 * An input is made of a seed and a number, so each can be repeated alone. Mutated bytes get their checksums right again half of the
 * time: otherwise nothing would ever get past them. A target throws when a promise is broken: an exception that is not
 * documented, a result that contradicts the bytes, more output than was asked for.
 */
import assert from "node:assert/strict";
import { combineSeeds, SeededRandom, SimulatedDisk } from "@walnut/testkit";
import { isWalError, type RecoveryMode } from "@walnut/wal";
import { CODEC_NAMES, CodecRegistry, type Codec } from "../../src/codec/codecs.ts";
import { checksum } from "../../src/format/checksum.ts";
import { decodeCheckpoint, encodeCheckpoint } from "../../src/format/checkpoint-file.ts";
import { decodeCursorFile, encodeCursorFile } from "../../src/format/cursor-file.ts";
import { splitEncryptedBody } from "../../src/format/encrypted-body.ts";
import { decodeFrame, frameLengthBytes, peekFrame } from "../../src/format/frame.ts";
import { bodyIsWellFormed } from "../../src/format/record.ts";
import { decodeSegmentHeader, encodeSegmentHeader } from "../../src/format/segment-header.ts";
import { formatSegmentName, parseSegmentName } from "../../src/format/segment-name.ts";
import { FrameScanner, isPlausibleHeader } from "../../src/segment/frame-scanner.ts";
import { findHeaderCopy } from "../../src/segment/header-copy.ts";
import { examineRest, findFrame } from "../../src/segment/lone-frame.ts";
import { firstPosition, segmentInfo } from "../../src/segment/segment-info.ts";
import { diskWith, loadGolden, type GoldenLog } from "../golden/golden-log.ts";
import { Machine } from "../machine.ts";

/** Reads an input; "accepted" when it found something valid in it. Throws when a promise is broken. */
export interface FuzzTarget {
  readonly name: string;
  /** How often it is chosen; those that open whole logs are slow. */
  readonly weight: number;
  readonly run: (random: SeededRandom, corpus: FuzzCorpus) => boolean | Promise<boolean>;
}

export interface FuzzReport {
  readonly accepted: number;
  readonly refused: number;
  readonly failures: readonly string[];
}

export interface FuzzOptions {
  readonly targets: readonly FuzzTarget[];
  readonly inputs: number;
  readonly seed: number;
  /** Number of the first input. */
  readonly first?: number;
  /** An input that takes longer is a failure, in milliseconds. */
  readonly limitMs?: number;
}

const MAX_FAILURES = 10;
const CODEC_RAW_LIMIT_BYTES = 1024 * 1024; // 1 MiB

/** What inputs are made from: golden logs, and a codec of each kind. */
export interface FuzzCorpus {
  readonly logs: readonly GoldenLog[];
  readonly segments: readonly Uint8Array[];
  readonly codecs: readonly Codec[];
}

export async function loadCorpus(): Promise<FuzzCorpus> {
  const logs = ["small", "small-crashed", "crashed", "released", "codec-deflate", "codec-lz4"].map(
    loadGolden,
  );
  const registry = new CodecRegistry();
  const codecs: Codec[] = [];
  for (const name of CODEC_NAMES) if (name !== "none") codecs.push(await registry.load(name));
  const segments = logs.flatMap(({ files }) =>
    [...files].filter(([name]) => name.endsWith(".wal")).map(([, bytes]) => bytes),
  );
  return { logs, segments, codecs };
}

export async function fuzzFormat(options: FuzzOptions): Promise<FuzzReport> {
  const { targets, inputs, seed, first = 0, limitMs = 2_000 } = options;
  const corpus = await loadCorpus();
  const wheel = targets.flatMap((target) => Array.from({ length: target.weight }, () => target));
  const failures: string[] = [];
  let accepted = 0;
  let refused = 0;
  for (let number = first; number < first + inputs && failures.length < MAX_FAILURES; number++) {
    const random = new SeededRandom(combineSeeds(seed, number));
    const target = random.pick(wheel);
    const startedMs = performance.now();
    try {
      const outcome = target.run(random, corpus);
      if (outcome instanceof Promise ? await outcome : outcome) accepted++;
      else refused++;
      const tookMs = performance.now() - startedMs;
      assert.ok(tookMs < limitMs, `took ${Math.round(tookMs)} ms`);
    } catch (error) {
      const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
      failures.push(`${target.name}: --seed ${seed} --first ${number} --inputs 1: ${text}`);
    }
  }
  return { accepted, refused, failures };
}

// --- Making inputs --------------------------------------------------------------------------------------

/** A few random changes: bits, bytes, interesting numbers, ranges moved, cut or repeated. */
export function mutated(bytes: Uint8Array, random: SeededRandom): Uint8Array {
  let result: Uint8Array = bytes.slice();
  for (
    let count = random.pick([0, 1, 1, 1, 2, 3, 8]);
    count > 0 && result.byteLength > 0;
    count--
  ) {
    result = mutatedOnce(result, random);
  }
  return result;
}

function mutatedOnce(bytes: Uint8Array, random: SeededRandom): Uint8Array {
  const at = random.below(bytes.byteLength);
  switch (random.below(7)) {
    case 0:
      return bytes.slice(0, at);
    case 1: {
      const length = random.between(1, Math.min(64, bytes.byteLength - at));
      bytes.copyWithin(random.below(bytes.byteLength), at, at + length);
      return bytes;
    }
    case 2:
      bytes.set(random.bytes(Math.min(random.between(1, 32), bytes.byteLength - at)), at);
      return bytes;
    case 3: {
      const value = random.pick([0, 1, 0x7f, 0xff, 2 ** 16, 2 ** 31 - 1, 2 ** 31, 2 ** 32 - 1]);
      const aligned = at & ~3;
      if (aligned + 4 <= bytes.byteLength) {
        new DataView(bytes.buffer, bytes.byteOffset).setUint32(aligned, value, true);
      }
      return bytes;
    }
    case 4:
      return Uint8Array.from(Buffer.concat([bytes, random.bytes(random.between(1, 64))]));
    default:
      bytes[at] = (bytes[at] ?? 0) ^ (1 << random.below(8));
      return bytes;
  }
}

/** Puts the right checksum behind a change, as a broken or hostile writer would. */
function reseal(bytes: Uint8Array, from: number, to: number, at: number, seed = 0): void {
  if (at < 0 || at + 4 > bytes.byteLength || to < from || to > bytes.byteLength) return;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  view.setUint32(at, checksum(bytes.subarray(from, to), seed), true);
}

/** Makes the checksums of a segment's header and of some of its frames right. */
function resealSegment(bytes: Uint8Array, random: SeededRandom): void {
  reseal(bytes, 0, 60, 60);
  const header = decodeSegmentHeader(bytes);
  if (header.kind !== "valid") return;
  const { saltSeed } = segmentInfo("", header.header);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (let offset = 64; offset + 48 <= bytes.byteLength; offset += 8) {
    const peek = peekFrame(view, offset, bytes.byteLength - offset);
    if (peek.kind !== "candidate" || random.chance(0.2)) continue;
    const end = offset + peek.lengthBytes;
    if (end <= bytes.byteLength)
      reseal(bytes, offset + 8, end, offset + 4, (saltSeed ^ offset) >>> 0);
  }
}

function segmentInput(random: SeededRandom, corpus: FuzzCorpus): Uint8Array {
  const bytes = mutated(random.pick(corpus.segments), random);
  if (bytes.byteLength >= 64 && random.chance(0.5)) resealSegment(bytes, random);
  return bytes;
}

// --- Targets --------------------------------------------------------------------------------------------

const SEGMENT_HEADER: FuzzTarget = {
  name: "segment header",
  weight: 24,
  run: (random, { segments }) => {
    const bytes = mutated(random.pick(segments).slice(0, 64), random);
    if (random.chance(0.7)) reseal(bytes, 0, 60, 60);
    const before = bytes.slice();
    const result = decodeSegmentHeader(bytes);
    assert.deepEqual(bytes, before);
    if (result.kind !== "valid") return false;
    const { header } = result;
    for (const value of [header.segmentId, header.firstLsn, header.previousSegmentId]) {
      assert.ok(Number.isSafeInteger(value) && value >= 0);
    }
    const again = decodeSegmentHeader(encodeSegmentHeader(header));
    assert.deepEqual(again, result);
    return true;
  },
};

const CHECKPOINT: FuzzTarget = {
  name: "checkpoint",
  weight: 24,
  run: (random) => {
    const valid = encodeCheckpoint({
      firstSegmentId: random.uint32(),
      firstLsn: random.uint32(),
      writtenAtMs: random.uint32(),
    });
    const bytes = mutated(valid, random);
    if (random.chance(0.7)) reseal(bytes, 0, 36, 36);
    const result = decodeCheckpoint(bytes);
    if (result.kind !== "valid") return false;
    assert.deepEqual(decodeCheckpoint(encodeCheckpoint(result.checkpoint)), result);
    return true;
  },
};

const CURSOR: FuzzTarget = {
  name: "cursor file",
  weight: 24,
  run: (random) => {
    const name = "abcXYZ.0_-".slice(0, random.between(1, 10));
    const bytes = mutated(
      encodeCursorFile({ name, ackedLsn: random.uint32(), writtenAtMs: random.uint32() }),
      random,
    );
    if (random.chance(0.7)) reseal(bytes, 0, bytes.byteLength - 4, bytes.byteLength - 4);
    const result = decodeCursorFile(bytes);
    if (result.kind !== "valid") return false;
    assert.match(result.cursor.name, /^[\w-][\w.-]{0,63}$/u);
    assert.deepEqual(encodeCursorFile(result.cursor), bytes);
    return true;
  },
};

const FRAME: FuzzTarget = {
  name: "frame",
  weight: 32,
  run: (random, corpus) => {
    const bytes = segmentInput(random, corpus);
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    const result = decodeSegmentHeader(bytes);
    const saltSeed = result.kind === "valid" ? segmentInfo("", result.header).saltSeed : 0;
    const from = Math.min(bytes.byteLength, 64 + random.below(200));
    const found = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).indexOf(
      "FRM1",
      from,
    );
    const offset = found < 0 ? from : found;
    const peek = peekFrame(view, offset, bytes.byteLength - offset);
    if (peek.kind !== "candidate") return false;
    assert.ok(peek.lengthBytes >= 48 && peek.lengthBytes <= frameLengthBytes(2 ** 31 - 1));
    if (offset + peek.lengthBytes > bytes.byteLength) return false;
    const seed = (saltSeed ^ offset) >>> 0;
    const decoded = decodeFrame(bytes, view, offset, peek.lengthBytes, seed);
    if (decoded === undefined) return false;
    const { firstLsn, timeMs, storedBytes } = decoded.header;
    assert.ok(Number.isSafeInteger(firstLsn) && Number.isSafeInteger(timeMs));
    assert.equal(frameLengthBytes(storedBytes), peek.lengthBytes);
    return isPlausibleHeader(decoded.header, offset);
  },
};

const RECORDS: FuzzTarget = {
  name: "records of a body",
  weight: 24,
  run: (random) => {
    const heads = Array.from({ length: random.between(0, 6) }, () => random.between(0, 20));
    const valid = Buffer.concat(
      heads.map((length) => {
        const record = Buffer.alloc(4 + length, 1);
        record.writeUInt32LE(length, 0);
        return record;
      }),
    );
    const body = mutated(Uint8Array.from(valid), random);
    const count = random.chance(0.8) ? heads.length : random.uint32();
    return bodyIsWellFormed(body, count);
  },
};

const NAME: FuzzTarget = {
  name: "segment name",
  weight: 8,
  run: (random) => {
    const bytes = mutated(new TextEncoder().encode(formatSegmentName(random.uint32())), random);
    const name = new TextDecoder().decode(bytes);
    const id = parseSegmentName(name);
    if (id !== undefined) assert.equal(formatSegmentName(id), name);
    return id !== undefined;
  },
};

const ENCRYPTED: FuzzTarget = {
  name: "encrypted body",
  weight: 8,
  run: (random) => {
    const bytes = random.bytes(random.between(0, 80));
    if (random.chance(0.5)) bytes.fill(0, 26, 28);
    const parts = splitEncryptedBody(bytes);
    if (parts === undefined) return false;
    assert.equal(28 + parts.ciphertext.byteLength + parts.tag.byteLength, bytes.byteLength);
    return true;
  },
};

const CODEC: FuzzTarget = {
  name: "codec",
  weight: 32,
  run: (random, { codecs }) => {
    const codec = random.pick(codecs);
    const raw = new Uint8Array(random.pick([0, 1, 5, 100, 3000])).fill(random.below(256));
    if (random.chance(0.5)) raw.set(random.bytes(Math.min(60, raw.byteLength)));
    const stored = random.chance(0.1) ? random.bytes(40) : mutated(codec.compress(raw), random);
    const rawBytes = random.pick([
      raw.byteLength,
      raw.byteLength,
      raw.byteLength + 1,
      random.below(CODEC_RAW_LIMIT_BYTES),
    ]);
    const before = stored.slice();
    const result = codec.decompress(stored, rawBytes);
    assert.deepEqual(Buffer.from(stored), Buffer.from(before), codec.name);
    if (result !== undefined) assert.equal(result.byteLength, rawBytes, codec.name);
    return result !== undefined;
  },
};

const SCANNER: FuzzTarget = {
  name: "scanner and searches",
  weight: 8,
  run: async (random, corpus) => {
    const bytes = segmentInput(random, corpus);
    const disk = new SimulatedDisk();
    disk.plant("/segment", bytes);
    const file = await disk.openFile("/segment", "read");
    const copy = await findHeaderCopy(file, random.between(1, 3));
    const result = decodeSegmentHeader(bytes);
    const header = result.kind === "valid" ? result.header : copy;
    if (header === undefined) return false;
    const { saltSeed, firstLsn, headerDigest } = segmentInfo("/segment", header);
    const scanner = new FrameScanner({
      file,
      saltSeed,
      start: firstPosition(firstLsn, headerDigest),
      limitOffset: bytes.byteLength,
      chunkBytes: random.pick([64, 1000, 1024 * 1024]),
    });
    let offset = scanner.position.offset;
    for (let frame = await scanner.next(); frame !== undefined; frame = await scanner.next()) {
      assert.equal(frame.offset, offset);
      offset += frame.lengthBytes;
      assert.ok(offset <= bytes.byteLength);
    }
    const rest = await examineRest(file, saltSeed, offset, bytes.byteLength);
    assert.ok(rest.endOffset >= offset && rest.endOffset <= Math.max(offset, bytes.byteLength));
    const range = { fromOffset: offset, endOffset: bytes.byteLength };
    const lone = await findFrame(file, saltSeed, range, () => true);
    assert.ok(lone === undefined || lone.offset >= offset);
    return offset > 64;
  },
};

/** A hostile header may say that gigabytes are missing, and a salvage then fills as much as there is room for. */
const DISK_BYTES = 64 * 1024 * 1024; // 64 MiB

const DOCUMENTED = [
  "WAL_CORRUPT",
  "WAL_UNSUPPORTED_FORMAT",
  "WAL_GAP",
  "WAL_CODEC_MISSING",
  "WAL_KEY_MISSING",
  "WAL_NO_SPACE",
];

const LOG: FuzzTarget = {
  name: "whole log",
  weight: 1,
  run: async (random, corpus) => {
    const golden = random.pick(corpus.logs);
    const files = new Map(golden.files);
    const name = random.pick([...files.keys()].sort());
    const bytes = mutated(files.get(name) ?? new Uint8Array(), random);
    if (name.endsWith(".wal") && bytes.byteLength >= 64 && random.chance(0.5)) {
      resealSegment(bytes, random);
    }
    if (name === "CHECKPOINT" && random.chance(0.5)) reseal(bytes, 0, 36, 36);
    files.set(name, bytes);
    const recovery = random.pick([
      "default",
      "strict",
      "salvage",
    ] as const satisfies RecoveryMode[]);
    const disk = diskWith(files);
    disk.capacityBytes = DISK_BYTES;
    const machine = new Machine({ disk, seed: random.uint32() });
    try {
      const wal = await machine.open({ recovery });
      let lastLsn = 0;
      for await (const { lsn } of wal.read({ onGap: () => undefined })) {
        assert.ok(lsn > lastLsn);
        lastLsn = lsn;
      }
      await wal.close();
      return true;
    } catch (error) {
      if (!isWalError(error) || !DOCUMENTED.includes(error.code)) throw error;
      return false;
    }
  },
};

export const FORMAT_TARGETS: readonly FuzzTarget[] = [
  SEGMENT_HEADER,
  CHECKPOINT,
  CURSOR,
  FRAME,
  RECORDS,
  NAME,
  ENCRYPTED,
  CODEC,
  SCANNER,
  LOG,
];
