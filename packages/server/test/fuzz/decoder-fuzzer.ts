/**
 * Feeds changed bytes to the decoders and checks that nothing but documented outcomes happens.
 *
 * Outcomes: a batch that keeps its invariants and survives the log record, or a `ServerError` with a code that the
 * decoder documents. Line protocol must also agree with the reference decoder on the line of the first error, and a
 * record that is accepted must encode to the same bytes. Every input follows from a seed and its number.
 */
import assert from "node:assert/strict";
import { combineSeeds, SeededRandom } from "@walnut/testkit";
import { ServerError, type ServerErrorCode } from "../../src/errors.ts";
import { decodeIngestBatch, encodeIngestBatch } from "../../src/ingest/batch-codec.ts";
import { ReusedMemory } from "../../src/ingest/reused-memory.ts";
import { decodeWriteRecord, encodeWriteRecord } from "../../src/ingest/write-record.ts";
import { DEFAULT_INGEST_LIMITS } from "../../src/ingest/ingest-limits.ts";
import { decodeLineProtocol } from "../../src/ingest/line-protocol.ts";
import { decodeMessagePack } from "../../src/ingest/messagepack.ts";
import { decodeRemoteWrite } from "../../src/ingest/remote-write.ts";
import type { IngestBatch } from "../../src/ingest/table-batch.ts";
import { keyed } from "../idempotency/identities.ts";
import { assertTidy, plainTables } from "../ingest/batch-rows.ts";
import { map, pack, Raw } from "../ingest/messagepack-writer.ts";
import { series, writeRequest } from "../ingest/remote-write-writer.ts";
import { referenceDecode } from "../ingest/reference-line-protocol.ts";

/** A decoder under test. */
export interface FuzzTarget {
  readonly name: string;
  /** Valid inputs that the changes start from. */
  readonly corpus: readonly Uint8Array[];
  /** Bytes and runs of bytes that mean something to the decoder. */
  readonly words: readonly Uint8Array[];
  readonly codes: ReadonlySet<ServerErrorCode>;
  decode(bytes: Uint8Array): IngestBatch;
  /** Further checks of what was accepted and what was refused. */
  check(bytes: Uint8Array, outcome: IngestBatch | ServerError): void;
}

export interface FuzzReport {
  readonly accepted: number;
  readonly refused: number;
  /** One line for each failure, with what repeats it. */
  readonly failures: readonly string[];
}

export interface FuzzPlan {
  readonly targets: readonly FuzzTarget[];
  readonly inputs: number;
  readonly seed: number;
  /** First input number; to repeat a single one. */
  readonly first?: number;
}

const NOW_NS = 7n;
const SLOWEST_MS = 1_000;
const MAX_FAILURES = 20;

/** Runs the plan; every target gets its share of the inputs. */
export function fuzzDecoders(plan: FuzzPlan): FuzzReport {
  const failures: string[] = [];
  let accepted = 0;
  let refused = 0;
  const first = plan.first ?? 0;
  for (let index = first; index < first + plan.inputs && failures.length < MAX_FAILURES; index++) {
    const random = new SeededRandom(combineSeeds("decoders", plan.seed, index));
    const target = random.pick(plan.targets);
    const bytes = changedInput(random, target);
    const startedMs = performance.now();
    try {
      if (runInput(target, bytes)) accepted++;
      else refused++;
      const tookMs = performance.now() - startedMs;
      assert.ok(tookMs < SLOWEST_MS, `took ${tookMs.toFixed(0)} ms`);
    } catch (error) {
      const reason = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
      failures.push(
        `${target.name} --seed ${plan.seed} --first ${index} --inputs 1: ${reason.slice(0, 300)}`,
      );
    }
  }
  return { accepted, refused, failures };
}

/** True when the input was accepted, false when it was refused as documented; throws otherwise. */
function runInput(target: FuzzTarget, bytes: Uint8Array): boolean {
  const before = Buffer.from(bytes);
  let outcome: IngestBatch | ServerError;
  try {
    outcome = target.decode(bytes);
    plainTables(outcome);
  } catch (error) {
    if (!(error instanceof ServerError)) throw error;
    assert.ok(target.codes.has(error.code), `undocumented code ${error.code}`);
    outcome = error;
  }
  assert.ok(before.equals(bytes), "the input was changed");
  target.check(bytes, outcome);
  return !(outcome instanceof ServerError);
}

function changedInput(random: SeededRandom, target: FuzzTarget): Uint8Array {
  let bytes = Buffer.from(random.pick(target.corpus));
  for (let changes = random.between(0, 5); changes > 0; changes--) {
    bytes = change(random, bytes, target);
  }
  return bytes;
}

function change(random: SeededRandom, bytes: Buffer, target: FuzzTarget): Buffer<ArrayBuffer> {
  const at = random.below(bytes.length + 1);
  const length = random.between(1, 16);
  const [head, tail] = [bytes.subarray(0, at), bytes.subarray(at)];
  switch (random.below(7)) {
    case 0: {
      const flipped = Buffer.from(bytes);
      if (at < flipped.length) flipped[at] = (flipped[at] ?? 0) ^ (1 << random.below(8));
      return flipped;
    }
    case 1:
      return Buffer.concat([head, random.bytes(length), tail.subarray(length)]);
    case 2:
      return Buffer.concat([head, random.pick(target.words), tail]);
    case 3: {
      const word = random.pick(target.words);
      return Buffer.concat([head, word, tail.subarray(word.length)]);
    }
    case 4:
      return Buffer.concat([head, tail.subarray(length)]);
    case 5: {
      const other = random.pick(target.corpus);
      const from = random.below(other.length + 1);
      return Buffer.concat([head, other.subarray(from, from + random.between(1, 40)), tail]);
    }
    default:
      return Buffer.concat([head.subarray(0, random.chance(0.2) ? at : bytes.length), tail]);
  }
}

const LINES: readonly string[] = [
  'cpu,host=a,region=eu usage=1.5,procs=7i,up=t,big=18446744073709551615u,s="x" 1700000000000000000\n',
  "cpu,host=a usage=1.5 1\ncpu,host=b usage=2.5 2\ncpu,host=a,region=us usage=-3e-7 -3\nmem used=5i\n",
  'my\\ m,t\\=k=v\\,1 f\\ k="a\\"b\\\\c\nd",g="é" 5\r\n# comment\n\nmy\\ m,t\\=k=v\\,2 g="" 6',
];

/** Line protocol, against the reference decoder. */
export const LINE_TARGET: FuzzTarget = {
  name: "lines",
  corpus: LINES.map((text) => Buffer.from(text)),
  words: [
    ...'\\",= \n\r#-+.0e9iutTf\0'.split(""),
    "\\,",
    "\\\\",
    '"',
    ",x=1",
    " x=1i",
    "time=",
    "1e999",
    "9223372036854775808i",
  ]
    .map((text) => Buffer.from(text))
    .concat([Buffer.of(0xff), Buffer.of(0xc3), Buffer.of(0xed, 0xa0, 0x80)]),
  codes: new Set(["SERVER_INVALID_LINE", "SERVER_TYPE_CONFLICT", "SERVER_TOO_LARGE"]),
  decode: (bytes) =>
    decodeLineProtocol(bytes, {
      database: "db",
      precision: "ns",
      nowNs: NOW_NS,
      limits: DEFAULT_INGEST_LIMITS,
    }),
  check: (bytes, outcome) => {
    const expected = referenceDecode(bytes, { unitNs: 1n, nowNs: NOW_NS });
    if (outcome instanceof ServerError) {
      assert.equal(expected.kind, "error", `refused: ${outcome.message}`);
      assert.equal(outcome.details["line"], expected.kind === "error" ? expected.line : 0);
    } else {
      assert.equal(expected.kind, "rows");
      if (expected.kind === "rows") assert.deepEqual(plainTables(outcome), expected.tables);
      checkRecord(outcome);
    }
  },
};

const ITEMS: readonly Uint8Array[] = [
  map({
    m: "cpu",
    columns: map({
      time: [1, 2, 3],
      a: [1, 2.5, null],
      b: ["x", "y", "x"],
      c: [true, null, false],
    }),
    tags: ["b"],
  }),
  map({
    m: 7,
    t: 1_700_000_000_123n,
    h: "a",
    fields: map({ usage: 1.5, n: -300, s: "text", big: 2n ** 64n - 1n }),
    tags: map({ r: "eu" }),
  }),
  map({
    batch: [
      map({ m: "cpu", h: 3, f: [1, 70_000, -5] }),
      map({ m: "mem", columns: map({ a: Array.from({ length: 40 }, (_, index) => index * 1.5) }) }),
    ],
  }),
  [
    map({ m: "cpu", t: new Raw(0xd6, 0xff, 0x65, 0x53, 0xf1, 0x00), fields: map({ a: 1 }) }),
    map({ m: "cpu", fields: map({ a: 2n ** 53n }) }),
  ],
].map((value) => pack(value));

/** MessagePack in all its shapes. */
export const MESSAGEPACK_TARGET: FuzzTarget = {
  name: "messagepack",
  corpus: ITEMS,
  words: [
    ...[0xc0, 0xc1, 0xc3, 0x7f, 0xe0, 0x80, 0x90, 0xa0, 0x93, 0x81].map((byte) => Buffer.of(byte)),
    ...[0xdd, 0xdf, 0xdb, 0xcf, 0xd3, 0xce, 0xc9, 0xc6].map((byte) =>
      Buffer.of(byte, 0xff, 0xff, 0xff, 0xff),
    ),
    Buffer.of(0xcb, 0x7f, 0xf8, 0, 0, 0, 0, 0, 0),
    Buffer.of(0xcb, 0x3f, 0xf8, 0, 0, 0, 0, 0, 0),
    Buffer.of(0xcf, 0x80, 0, 0, 0, 0, 0, 0, 0),
    ...["m", "t", "time", "columns", "fields", "tags", "batch", "__proto__"].map((key) =>
      pack(key),
    ),
  ],
  codes: new Set(["SERVER_INVALID_MESSAGEPACK", "SERVER_TYPE_CONFLICT", "SERVER_TOO_LARGE"]),
  decode: (bytes) =>
    decodeMessagePack(bytes, { database: "db", nowNs: NOW_NS, limits: DEFAULT_INGEST_LIMITS }),
  check: (bytes, outcome) => {
    if (!(outcome instanceof ServerError)) return checkRecord(outcome);
    const offset = Number(outcome.details["offsetBytes"]);
    assert.ok(offset >= 0 && offset <= bytes.length, `offset ${offset}`);
    return undefined;
  },
};

const REQUESTS: readonly Uint8Array[] = [
  writeRequest([
    series({ __name__: "up", job: "a", instance: "h:1" }, [1_700_000_000_123, 1], [-5, 0.5]),
    series({ __name__: "up", job: "b" }, [1, NaN]),
  ]),
  writeRequest(
    [series({ __name__: "go:sum", le: "+Inf", value: "é" }, [0, 2e300], [1, -0])],
    [{ type: 1, metric_family_name: "m", help: "text" }],
  ),
];

/** Prometheus remote-write. */
export const REMOTE_WRITE_TARGET: FuzzTarget = {
  name: "remote-write",
  corpus: REQUESTS,
  words: [
    ...[0x08, 0x09, 0x0a, 0x10, 0x12, 0x1a, 0x22, 0x00, 0x7f].map((byte) => Buffer.of(byte)),
    Buffer.from("ffffffffffffffff7f", "hex"),
    Buffer.from("ffffffff0f", "hex"),
    Buffer.from("0a02", "hex"),
    Buffer.from("020000000000f07f", "hex"),
    ...["__name__", "value", "time", "__proto__"].map((name) => Buffer.from(name)),
  ],
  codes: new Set(["SERVER_INVALID_REMOTE_WRITE", "SERVER_TYPE_CONFLICT", "SERVER_TOO_LARGE"]),
  decode: (bytes) =>
    decodeRemoteWrite(bytes, { database: "db", limits: DEFAULT_INGEST_LIMITS }).batch,
  check: (bytes, outcome) => {
    if (!(outcome instanceof ServerError)) return checkRecord(outcome);
    const offset = Number(outcome.details["offsetBytes"]);
    assert.ok(offset >= 0 && offset <= bytes.length, `offset ${offset}`);
    return undefined;
  },
};

/** Log records. */
export const RECORD_TARGET: FuzzTarget = {
  name: "record",
  corpus: [
    ...LINES.map((text) => encodeIngestBatch(LINE_TARGET.decode(Buffer.from(text)))),
    ...ITEMS.map((bytes) => encodeIngestBatch(MESSAGEPACK_TARGET.decode(bytes))),
    ...REQUESTS.map((bytes) => encodeIngestBatch(REMOTE_WRITE_TARGET.decode(bytes))),
    ...REQUESTS.map((bytes) => {
      const batch = REMOTE_WRITE_TARGET.decode(bytes);
      return encodeWriteRecord({ batch, identity: keyed("a-key") }, new ReusedMemory());
    }),
  ],
  words: [0, 1, 2, 3, 4, 5, 6, 8, 255].flatMap((byte) => [
    Buffer.of(byte),
    Buffer.of(byte, 0, 0, 0),
    Buffer.of(0xff, 0xff, 0xff, byte),
  ]),
  codes: new Set(["SERVER_STORAGE_CORRUPT"]),
  decode: (bytes) => decodeWriteRecord(bytes).batch,
  check: (bytes, outcome) => {
    if (outcome instanceof ServerError) return;
    const { batch, identity } = decodeWriteRecord(bytes, { isLent: true });
    assert.deepEqual(batch, outcome);
    const again = encodeWriteRecord({ batch: outcome, identity }, new ReusedMemory());
    assert.ok(Buffer.from(again).equals(bytes), "not the one encoding");
  },
};

/** Every target. */
export const ALL_TARGETS: readonly FuzzTarget[] = [
  LINE_TARGET,
  MESSAGEPACK_TARGET,
  REMOTE_WRITE_TARGET,
  RECORD_TARGET,
];

function checkRecord(batch: IngestBatch): void {
  assertTidy(batch);
  assert.deepEqual(decodeIngestBatch(encodeIngestBatch(batch)), batch);
  assert.ok(encodeIngestBatch(batch).length <= DEFAULT_INGEST_LIMITS.maxBatchBytes);
}
