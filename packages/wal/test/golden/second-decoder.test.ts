/**
 * A second decoder, in another language and from docs/format.md alone (`tools/read-wal.py`), reads what the engine has written and
 * comes to the same conclusions.
 */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { suite, test } from "node:test";
import { fileURLToPath } from "node:url";
import { combineSeeds, SeededRandom } from "@walnut/testkit";
import { isWalError, type Gap } from "@walnut/wal";
import { LOG_DIRECTORY, Machine, textBytes } from "../machine.ts";
import { damaged, formatStep, randomDamage } from "../recovery/damage.ts";
import {
  describePayload,
  diskWith,
  GOLDEN_DIRECTORY,
  goldenNames,
  loadGolden,
  type ExpectedRecord,
} from "./golden-log.ts";

const READER = fileURLToPath(new URL("../../../../tools/read-wal.py", import.meta.url));
const HAS_PYTHON = spawnSync("python3", ["--version"]).status === 0;
const OPTIONS = HAS_PYTHON ? {} : { skip: "python3 is not installed" };
/** Codecs that the standard library of Python can decode. */
const DECODED = ["none", "deflate"];

type Line =
  | { readonly type: "record"; readonly lsn: number; readonly kind: number; readonly payload: string }
  | { readonly type: "gap"; readonly firstLsn: number; readonly lastLsn: number }
  | {
      readonly type: "unsupported";
      readonly firstLsn: number;
      readonly lastLsn: number;
      readonly codec: string;
      readonly encrypted: boolean;
    }
  | { readonly type: "cursor"; readonly name: string; readonly ackedLsn: number }
  | {
      readonly type: "end";
      readonly firstLsn: number;
      readonly lastLsn: number;
      readonly tornBytes: number;
    };

interface SecondReading {
  readonly exitCode: number | null;
  readonly lines: readonly Line[];
  readonly errors: string;
}

function readWithPython(directory: string): SecondReading {
  const run = spawnSync("python3", [READER, directory], {
    encoding: "utf8",
    maxBuffer: 64 * 1024 * 1024,
  });
  const lines = run.stdout.split("\n").filter((line) => line !== "");
  return {
    exitCode: run.status,
    lines: lines.map((line) => JSON.parse(line) as Line),
    errors: run.stderr,
  };
}

function readFilesWithPython(files: ReadonlyMap<string, Uint8Array>): SecondReading {
  const directory = fs.mkdtempSync(path.join(os.tmpdir(), "walnut-python-"));
  try {
    for (const [name, bytes] of files) {
      const target = path.join(directory, name);
      fs.mkdirSync(path.dirname(target), { recursive: true });
      fs.writeFileSync(target, bytes);
    }
    return readWithPython(directory);
  } finally {
    fs.rmSync(directory, { recursive: true, force: true });
  }
}

function recordsIn(lines: readonly Line[]): ExpectedRecord[] {
  return lines.flatMap((line) =>
    line.type === "record"
      ? [
          {
            lsn: line.lsn,
            kind: line.kind,
            payload: describePayload(Uint8Array.from(Buffer.from(line.payload, "hex"))),
          },
        ]
      : [],
  );
}

function gapsIn(lines: readonly Line[]): Gap[] {
  return lines.flatMap((line) =>
    line.type === "gap" ? [{ firstLsn: line.firstLsn, lastLsn: line.lastLsn }] : [],
  );
}

/** LSNs of records whose codec Python cannot decode. */
function undecodedLsns(lines: readonly Line[]): Set<number> {
  const lsns = new Set<number>();
  for (const line of lines) {
    if (line.type !== "unsupported") continue;
    assert.ok(!DECODED.includes(line.codec) || line.encrypted);
    for (let lsn = line.firstLsn; lsn <= line.lastLsn; lsn++) lsns.add(lsn);
  }
  return lsns;
}

/** Files of the log on a machine's disk. */
function filesOf(machine: Machine): ReadonlyMap<string, Uint8Array> {
  return new Map(
    machine.disk
      .snapshot()
      .filter(([filePath]) => filePath.startsWith(`${LOG_DIRECTORY}/`))
      .map(([filePath, bytes]) => [filePath.slice(LOG_DIRECTORY.length + 1), bytes]),
  );
}

suite("a decoder written from the document alone", OPTIONS, () => {
  for (const name of goldenNames()) {
    test(`reads the golden log ${name} as the engine does`, () => {
      const { expected } = loadGolden(name);
      const { exitCode, lines, errors } = readWithPython(path.join(GOLDEN_DIRECTORY, name));
      assert.equal(exitCode, 0, errors);
      const undecoded = undecodedLsns(lines);
      assert.equal(undecoded.size > 0, /snappy|lz4|zstd/u.test(name));
      assert.deepEqual(
        recordsIn(lines),
        expected.records.filter(({ lsn }) => !undecoded.has(lsn)),
      );
      assert.deepEqual(lines.at(-1), {
        type: "end",
        firstLsn: expected.firstLsn,
        lastLsn: expected.lastLsn,
        tornBytes: expected.tornTailBytes,
      });
      const cursors = lines.flatMap((line) => (line.type === "cursor" ? [line] : []));
      assert.deepEqual(
        cursors.map((cursor) => ({ name: cursor.name, lsn: cursor.ackedLsn })),
        expected.cursors,
      );
    });
  }

  test("reads a log that was truncated at both ends", () => truncatedLog());
  test("reads a log with gaps", () => salvagedLog());
  test("says where encrypted records are, and checks all that needs no key", () => encryptedLog());

  test("comes to the same conclusion about damage", async () => {
    for (const name of ["small", "plain", "small-crashed", "codec-deflate"]) {
      for (let number = 0; number < 3; number++) await damagedLog(name, number);
    }
  });
});

async function truncatedLog(): Promise<void> {
  const machine = new Machine();
  const wal = await machine.open();
  for (let round = 0; round < 3; round++) {
    await wal.appendBatch(["a", "b", "c", "d"].map((text) => textBytes(`${text}${round}`)));
    await wal.rotate();
  }
  await wal.truncateBack(10);
  await wal.truncateFront(3);
  await wal.append(textBytes("new"));
  await wal.close();
  const { exitCode, lines, errors } = readFilesWithPython(filesOf(machine));
  assert.equal(exitCode, 0, errors);
  const texts = recordsIn(lines).map(({ lsn, payload }) => `${lsn}:${Buffer.from(payload, "hex").toString()}`);
  assert.deepEqual(texts, ["3:c0", "4:d0", "5:a1", "6:b1", "7:c1", "8:d1", "9:a2", "10:b2", "11:new"]);
}

async function salvagedLog(): Promise<void> {
  const golden = loadGolden("small");
  const files = damaged(golden.files, [
    { kind: "flip", name: "000000000001.wal", offset: 130, bit: 0 },
    { kind: "remove", name: "000000000002.wal" },
  ]);
  const machine = new Machine({ disk: diskWith(files), seed: 2 });
  const wal = await machine.open({ recovery: "salvage" });
  await wal.close();
  const { exitCode, lines, errors } = readFilesWithPython(filesOf(machine));
  assert.equal(exitCode, 0, errors);
  assert.deepEqual(gapsIn(lines), [
    { firstLsn: 2, lastLsn: 4 },
    { firstLsn: 5, lastLsn: 6 },
  ]);
  const lsns = recordsIn(lines).map(({ lsn }) => lsn);
  assert.deepEqual(lsns, [1, 7, 8, 9, 10]);
}

async function encryptedLog(): Promise<void> {
  const machine = new Machine();
  const wal = await machine.open({ encryption: { keyId: 1, keys: () => new Uint8Array(32).fill(1) } });
  await wal.appendBatch([textBytes("secret"), textBytes("more")]);
  await wal.close();
  const { exitCode, lines, errors } = readFilesWithPython(filesOf(machine));
  assert.equal(exitCode, 0, errors);
  assert.deepEqual(lines[0], {
    type: "unsupported",
    firstLsn: 1,
    lastLsn: 2,
    codec: "none",
    encrypted: true,
  });
}

/** Strict mode looks at everything, as the second decoder does. */
async function damagedLog(name: string, number: number): Promise<void> {
  const golden = loadGolden(name);
  const steps = randomDamage(golden.files, new SeededRandom(combineSeeds("python", name, number)));
  const files = damaged(golden.files, steps);
  const second = readFilesWithPython(files);
  const what = `${name} ${number}: ${steps.map(formatStep).join("; ")}`;
  try {
    const wal = await new Machine({ disk: diskWith(files), seed: 2 }).open({ recovery: "strict" });
    const records: ExpectedRecord[] = [];
    for await (const { lsn, kind, payload } of wal.read()) {
      records.push({ lsn, kind, payload: describePayload(payload) });
    }
    await wal.close();
    assert.equal(second.exitCode, 0, `${what}: only the second decoder sees damage: ${second.errors}`);
    assert.deepEqual(recordsIn(second.lines), records, what);
  } catch (error) {
    if (!isWalError(error)) throw error;
    assert.equal(error.code, "WAL_CORRUPT");
    assert.equal(second.exitCode, 1, `${what}: only the engine sees damage: ${error.message}`);
  }
}
