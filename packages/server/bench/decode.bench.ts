/**
 * How fast one thread turns request bodies into typed columns, and columns into log records and back.
 *
 *     npm run bench -- decode [--quick] [--rounds N] [--only WORD]
 *
 * Rates are per second of CPU time of the process, garbage collection included, so that they hold on a machine
 * that does other things too. Each line is the median of the rounds, with the best round beside it. The canonical line has 2 tags and 6 fields (4 floats, 2 integers).
 */
import { parseArgs } from "node:util";
import { Packr } from "msgpackr";
import { decodeIngestBatch, encodeIngestBatch } from "../src/ingest/batch-codec.ts";
import { DEFAULT_INGEST_LIMITS } from "../src/ingest/ingest-limits.ts";
import { decodeLineProtocol } from "../src/ingest/line-protocol.ts";
import { decodeMessagePack } from "../src/ingest/messagepack.ts";

const { values: settings } = parseArgs({
  options: {
    quick: { type: "boolean", default: false },
    rounds: { type: "string", default: "9" },
    only: { type: "string", default: "" },
  },
});
const ROUNDS = settings.quick ? 3 : Number(settings.rounds);
const ROUND_MS = settings.quick ? 30 : 150;
const START_NS = 1_760_000_000_000_000_000n;
const OPTIONS = {
  database: "db",
  precision: "ns",
  nowNs: START_NS,
  limits: DEFAULT_INGEST_LIMITS,
} as const;

interface Case {
  readonly name: string;
  readonly rows: number;
  readonly values: number;
  readonly bytes: number;
  run(): void;
}

const random = lcg(1);
const cases: readonly Case[] = [
  lineCase("lines/2 tags + 6 numbers/5000", 5_000, 9, (row) => cpuLine(row)),
  lineCase("lines/floats of 16 digits/5000", 5_000, 9, (row) =>
    cpuLine(row, (value) => `${value}`),
  ),
  lineCase(
    "lines/3 tables in turn/5000",
    5_000,
    9,
    (row) => `${["cpu", "mem", "disk"][row % 3]}${cpuLine(row).slice(3)}`,
  ),
  lineCase("lines/missing fields/5000", 5_000, 8, (row) =>
    cpuLine(row).replace([/load=[^,]*,/, /free=[^,]*,/, /procs=[^,]*,/][row % 3] ?? "", ""),
  ),
  lineCase(
    "lines/one text per line/5000",
    5_000,
    3,
    (row) =>
      `log,host=${host(row)} message="request ${row} took ${row % 977} ms" ${START_NS + BigInt(row)}`,
  ),
  lineCase("lines/one line a body", 1, 9, (row) => cpuLine(row)),
  packCase("columns/time, text, 2 floats, int/10000", 10_000, 5, columnsItem(10_000)),
  packCase("columns/floats/10000", 10_000, 4, {
    m: "m",
    columns: Object.fromEntries(["a", "b", "c", "d"].map((name) => [name, list(10_000, random)])),
  }),
  packCase("columns/integers/10000", 10_000, 4, {
    m: "m",
    columns: Object.fromEntries(
      ["a", "b", "c", "d"].map((name) => [name, list(10_000, (row) => row * 7)]),
    ),
  }),
  packCase("rows/2 tags + 6 numbers/10000", 10_000, 9, list(10_000, rowItem)),
  ...recordCases(),
].filter(({ name }) => name.includes(settings.only));

const rates = new Map<Case, number[]>(cases.map((one) => [one, []]));
for (const one of cases) measure(one);
for (let round = 0; round < ROUNDS; round++) {
  for (const [one, seen] of rates) seen.push(measure(one));
}
console.log(tableLine("case", ["rows/s", "best", "values/s", "MB/s", "us/call"]));
for (const [one, seen] of rates) {
  const sorted = seen.toSorted((a, b) => a - b);
  const calls = sorted[sorted.length >> 1] ?? 0;
  const best = sorted.at(-1) ?? 0;
  console.log(
    tableLine(one.name, [
      count(calls * one.rows),
      count(best * one.rows),
      count(calls * one.values * one.rows),
      count((calls * one.bytes) / 1e6),
      (1e6 / calls).toFixed(1),
    ]),
  );
}

/** Calls per second in one round. */
function measure(one: Case): number {
  const started = process.cpuUsage();
  let calls = 0;
  let usedUs = 0;
  do {
    // Reading the clock costs about as much as the smallest case, so it is read rarely.
    for (let again = one.rows === 1 ? 100 : 1; again > 0; again--, calls++) one.run();
    const { user, system } = process.cpuUsage(started);
    usedUs = user + system;
  } while (usedUs < ROUND_MS * 1_000);
  return (calls / usedUs) * 1e6;
}

function lineCase(name: string, rows: number, values: number, line: (row: number) => string): Case {
  const body = Buffer.from(list(rows, line).join("\n"));
  return {
    name,
    rows,
    values,
    bytes: body.length,
    run: () => void decodeLineProtocol(body, OPTIONS),
  };
}

function packCase(name: string, rows: number, values: number, value: unknown): Case {
  const body = new Packr({ useRecords: false }).pack(value);
  return {
    name,
    rows,
    values,
    bytes: body.length,
    run: () => void decodeMessagePack(body, OPTIONS),
  };
}

function recordCases(): Case[] {
  const made: Case[] = [];
  for (const rows of [5_000, 200_000]) {
    const body = Buffer.from(list(rows, (row) => cpuLine(row)).join("\n"));
    const batch = decodeLineProtocol(body, OPTIONS);
    const record = encodeIngestBatch(batch);
    const size = { rows, values: 9, bytes: record.length };
    made.push({ name: `record/encode/${rows}`, ...size, run: () => void encodeIngestBatch(batch) });
    made.push({
      name: `record/decode/${rows}`,
      ...size,
      run: () => void decodeIngestBatch(record),
    });
  }
  return made;
}

function cpuLine(row: number, text = (value: number): string => value.toFixed(2)): string {
  const float = (scale: number): string => text(random() * scale);
  return (
    `cpu,host=${host(row)},region=${["eu-west", "us-east", "ap-south"][row % 3]} ` +
    `usage=${float(100)},idle=${float(100)},load=${float(4)},free=${float(1e6)},` +
    `procs=${Math.floor(random() * 1_000)}i,switches=${Math.floor(random() * 1e7)}i ` +
    `${START_NS + BigInt(row) * 1_000_000n}`
  );
}

function columnsItem(rows: number): unknown {
  return {
    m: "cpu",
    columns: {
      time: list(rows, (row) => START_NS + BigInt(row) * 1_000_000n),
      host: list(rows, host),
      usage: list(rows, random),
      load: list(rows, random),
      procs: list(rows, (row) => row % 1_000),
    },
  };
}

function rowItem(row: number): unknown {
  const fields = {
    usage: random(),
    idle: random(),
    load: random(),
    free: random(),
    procs: row % 1_000,
    switches: row,
  };
  const tags = { host: host(row), region: "eu-west" };
  return { m: "cpu", t: START_NS + BigInt(row), tags, fields };
}

function host(row: number): string {
  return `server-${String(row % 100).padStart(3, "0")}`;
}

function list<T>(length: number, make: (index: number) => T): T[] {
  return Array.from({ length }, (_, index) => make(index));
}

function lcg(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) & 0x7fff_ffff;
    return state / 0x8000_0000;
  };
}

function count(value: number): string {
  return Math.round(value).toLocaleString("en-US");
}

function tableLine(name: string, cells: readonly string[]): string {
  return `${name.padEnd(40)}${cells.map((cell) => cell.padStart(14)).join("")}`;
}
