/**
 * Golden logs, cut at every byte and with every bit flipped: what opens is a prefix of what was written, and the rest is an
 * error that names the damaged file. Never another record, never silence about bytes that a later frame vouches for.
 *
 * `npm test` takes the small logs as a whole and a seeded sample of the larger ones. All of the larger ones:
 * `WALNUT_CUT_AND_FLIP=all npm test -- golden/cut-and-flip`
 */
import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { combineSeeds, SeededRandom } from "@walnut/testkit";
import { isWalError, type RecoveryMode, type WalError } from "@walnut/wal";
import { saltSeed } from "../../src/format/checksum.ts";
import { decodeSegmentHeader } from "../../src/format/segment-header.ts";
import { FrameScanner } from "../../src/segment/frame-scanner.ts";
import { firstPosition, segmentInfo } from "../../src/segment/segment-info.ts";
import { flipBit } from "../every-bit.ts";
import { LOG_DIRECTORY, Machine } from "../machine.ts";
import {
  describePayload,
  diskWith,
  loadGolden,
  segmentNames,
  type ExpectedRecord,
  type GoldenLog,
} from "./golden-log.ts";

const TAKES_ALL = process.env["WALNUT_CUT_AND_FLIP"] === "all";
const SAMPLE_SIZE = 120;

/** What came of opening and reading a log. */
interface Outcome {
  readonly records: readonly ExpectedRecord[];
  /** "open" and "read" say where the error came. */
  readonly failedAt: "open" | "read" | undefined;
  readonly error: WalError | undefined;
}

async function openAndRead(
  files: ReadonlyMap<string, Uint8Array>,
  recovery: RecoveryMode = "default",
): Promise<Outcome> {
  const machine = new Machine({ disk: diskWith(files) });
  const records: ExpectedRecord[] = [];
  let failedAt: Outcome["failedAt"] = "open";
  try {
    const wal = await machine.open({ recovery });
    failedAt = "read";
    for await (const { lsn, kind, payload } of wal.read()) {
      records.push({ lsn, kind, payload: describePayload(payload) });
    }
    return { records, failedAt: undefined, error: undefined };
  } catch (error) {
    if (!isWalError(error)) throw error;
    return { records, failedAt, error };
  }
}

/** The promise that holds whatever is damaged: a prefix of what was written, and damage named with its file. */
function assertPrefixOrNamed(golden: GoldenLog, name: string, outcome: Outcome): void {
  const { records, error, failedAt } = outcome;
  assert.deepEqual(records, golden.expected.records.slice(0, records.length));
  if (error === undefined) return;
  assert.equal(error.code, "WAL_CORRUPT");
  assert.equal(error.details["path"], `${LOG_DIRECTORY}/${name}`);
  if (failedAt === "open") assert.equal(records.length, 0);
}

/** Ends of a segment: of its frames, and of what they vouch for. */
interface SegmentEnds {
  readonly endOffset: number;
  readonly vouchedOffset: number;
}

async function endsOf(golden: GoldenLog, name: string): Promise<SegmentEnds> {
  const bytes = golden.files.get(name) ?? new Uint8Array(0);
  const result = decodeSegmentHeader(bytes);
  assert.ok(result.kind === "valid");
  const info = segmentInfo(name, result.header);
  const disk = diskWith(golden.files);
  const scanner = new FrameScanner({
    file: await disk.openFile(`${LOG_DIRECTORY}/${name}`, "read"),
    saltSeed: saltSeed(result.header.salt),
    start: firstPosition(info.firstLsn, info.headerDigest),
    limitOffset: bytes.byteLength,
  });
  let vouchedOffset = 64;
  for (;;) {
    const frame = await scanner.next();
    if (frame === undefined) break;
    vouchedOffset = Math.max(vouchedOffset, frame.header.durableOffset);
  }
  return { endOffset: scanner.position.offset, vouchedOffset };
}

function withFile(
  golden: GoldenLog,
  name: string,
  bytes: Uint8Array,
): ReadonlyMap<string, Uint8Array> {
  return new Map(golden.files).set(name, bytes);
}

/**
 * All of `0 … count-1` for the log "small" (and the torn end of "small-crashed", which is otherwise the same); a seeded sample
 * for the rest.
 */
function chosen(golden: GoldenLog, name: string, count: number): readonly number[] {
  const isTornEnd =
    golden.name === "small-crashed" && name === segmentNames(golden.files).at(-1);
  const all = Array.from({ length: count }, (_, index) => index);
  if (TAKES_ALL || golden.name === "small" || isTornEnd || count <= SAMPLE_SIZE) return all;
  return sampleOf(name, count);
}

function sampleOf(name: string, count: number): readonly number[] {
  const random = new SeededRandom(combineSeeds(name, count));
  return Array.from({ length: SAMPLE_SIZE }, () => random.below(count));
}

async function checkFlips(golden: GoldenLog, name: string): Promise<void> {
  const original = golden.files.get(name) ?? new Uint8Array(0);
  const isSegment = name.endsWith(".wal");
  const isLast = name === segmentNames(golden.files).at(-1);
  const ends = isSegment ? await endsOf(golden, name) : undefined;
  for (const index of chosen(golden, name, original.byteLength * 8)) {
    const byteIndex = index >> 3;
    const outcome = await openAndRead(withFile(golden, name, flipBit(original, byteIndex, index & 7)));
    const where = `${name}: bit ${index & 7} of byte ${byteIndex}`;
    assertAt(where, () => {
      assertPrefixOrNamed(golden, name, outcome);
      const isVouched = ends === undefined || byteIndex < ends.vouchedOffset;
      if (isVouched) assert.ok(outcome.error !== undefined, "durable bytes were damaged, and nobody said so");
      // Of a closed segment all records are vouched for; behind them there is only its seal.
      if (!isVouched && !isLast) assert.equal(outcome.records.length, golden.expected.records.length);
    });
  }
}

async function checkStrictFlips(golden: GoldenLog, name: string): Promise<void> {
  const original = golden.files.get(name) ?? new Uint8Array(0);
  const { vouchedOffset } = await endsOf(golden, name);
  const count = vouchedOffset * 8;
  for (const index of TAKES_ALL ? chosen(golden, name, count) : sampleOf(name, count)) {
    const bytes = flipBit(original, index >> 3, index & 7);
    const outcome = await openAndRead(withFile(golden, name, bytes), "strict");
    assertAt(`${name}: bit ${index & 7} of byte ${index >> 3}`, () => {
      assertPrefixOrNamed(golden, name, outcome);
      assert.equal(outcome.failedAt, "open");
    });
  }
}

async function checkCuts(golden: GoldenLog, name: string): Promise<void> {
  const original = golden.files.get(name) ?? new Uint8Array(0);
  for (const length of chosen(golden, name, original.byteLength)) {
    const outcome = await openAndRead(withFile(golden, name, original.slice(0, length)));
    assertAt(`${name} cut to ${length} bytes`, () => assertPrefixOrNamed(golden, name, outcome));
  }
}

function assertAt(where: string, check: () => void): void {
  try {
    check();
  } catch (error) {
    throw new Error(`${where}: ${error instanceof Error ? error.message : String(error)}`, {
      cause: error,
    });
  }
}

for (const goldenName of ["small", "small-crashed", "plain", "crashed", "released", "codec-deflate"]) {
  const golden = loadGolden(goldenName);
  const names = [...golden.files.keys()].sort();
  const closedNames = segmentNames(golden.files).slice(0, -1);

  suite(`the golden log ${goldenName}`, () => {
    for (const name of names) {
      test(`with any bit of ${name} flipped gives a prefix, or names the file`, async () => {
        await checkFlips(golden, name);
      });
      test(`with ${name} cut at any byte gives a prefix, or names the file`, async () => {
        await checkCuts(golden, name);
      });
    }
    for (const name of closedNames) {
      test(`with any bit of ${name} flipped does not open in strict mode`, async () => {
        await checkStrictFlips(golden, name);
      });
    }
    for (const name of names.filter((candidate) => !candidate.includes("cursor"))) {
      test(`without ${name} gives a prefix or an error, never other records`, async () => {
        const files = new Map(golden.files);
        files.delete(name);
        const { records, error } = await openAndRead(files);
        assert.deepEqual(records, golden.expected.records.slice(0, records.length));
        if (error !== undefined) assert.equal(error.code, "WAL_CORRUPT");
        if (closedNames.includes(name)) assert.ok(error !== undefined);
      });
    }
  });
}
