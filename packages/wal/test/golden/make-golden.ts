/**
 * Writes the golden logs that are missing: `node --conditions=@walnut/source --import tsx packages/wal/test/golden/make-golden.ts`
 *
 * Salt, clock and contents are fixed, so a log comes out the same each time (compressed ones as long as the compressor is the
 * same). A golden log that is there is never written again; `--replace NAME` is for a format that nobody has used yet.
 */
import * as fs from "node:fs";
import * as path from "node:path";
import { SeededRandom } from "@walnut/testkit";
import type { CodecName, Wal } from "@walnut/wal";
import { LOG_DIRECTORY, Machine, textBytes } from "../machine.ts";
import {
  describeLog,
  diskWith,
  EXPECTED_NAME,
  GOLDEN_DIRECTORY,
  goldenNames,
  segmentNames,
} from "./golden-log.ts";

interface Recipe {
  readonly name: string;
  readonly about: string;
  readonly codec?: CodecName;
  /** Writes the log; the machine's disk is then what is kept. */
  readonly write: (wal: Wal, machine: Machine) => Promise<void>;
  /** Changes the files after the writer is gone, as a crash would. */
  readonly damage?: (files: Map<string, Uint8Array>) => void;
}

const RECIPES: readonly Recipe[] = [
  {
    name: "small",
    about: "three segments of few bytes, a cursor, closed: for cutting at every byte and flipping every bit",
    write: async (wal, machine) => {
      await appendSmall(wal, machine);
      await wal.close();
    },
  },
  {
    name: "small-crashed",
    about: "as small, but the writer died behind the last sync, in the middle of a write",
    write: async (wal, machine) => {
      await appendSmall(wal, machine);
      await wal.append(textBytes("behind the last sync"), { durability: "async" });
    },
    damage: (files) => cutLast(files, 9),
  },
  {
    name: "plain",
    about: "several segments by size and by rotation, every record kind, empty and large records, a batch over frames, closed",
    write: async (wal) => {
      await appendMixed(wal);
      await wal.rotate();
      await appendMixed(wal);
      await wal.cursor("reader").ack(3);
      await wal.cursor("audit.2026").ack(0);
      await wal.close();
    },
  },
  {
    name: "released",
    about: "the first segments are gone: the cursor moved past them",
    write: async (wal) => {
      for (let round = 1; round <= 4; round++) {
        for (let count = 1; count <= 5; count++) await wal.append(textBytes(`${round}/${count}`));
        await wal.rotate();
      }
      await wal.append(textBytes("last"));
      await wal.cursor("flusher").ack(13);
      await wal.close();
    },
  },
  {
    name: "crashed",
    about: "no clean close: frames that nothing vouches for, a batch without its last frame, zeros behind",
    write: async (wal) => {
      await appendMixed(wal);
      await wal.append(textBytes("nothing vouches for this one"));
      await wal.appendBatch(
        Array.from({ length: 6 }, (_, index) => new Uint8Array(900).fill(index)),
        { durability: "async" },
      );
    },
    damage: (files) => {
      cutLast(files, 1000);
      const name = segmentNames(files).at(-1) ?? "";
      files.set(name, Uint8Array.from(Buffer.concat([files.get(name) ?? Buffer.alloc(0), Buffer.alloc(512)])));
    },
  },
  ...(["deflate", "snappy", "lz4", "zstd"] as const).map((codec): Recipe => ({
    name: `codec-${codec}`,
    about: `frames compressed with ${codec}, and some that do not shrink`,
    codec,
    write: async (wal) => {
      await appendMixed(wal);
      await wal.append(textBytes("temperature,room=kitchen value=21.5 ".repeat(100)));
      await wal.close();
    },
  })),
];

/** A few records in three segments: single ones, a batch, an empty one, an idle mark. */
async function appendSmall(wal: Wal, machine: Machine): Promise<void> {
  await wal.append(textBytes("one"));
  await wal.appendBatch([textBytes("two"), new Uint8Array(0), textBytes("four")]);
  await wal.cursor("c").ack(1);
  await wal.rotate();
  await wal.append(textBytes("five"), { kind: 9 });
  machine.clock.advance(1000);
  await wal.sync();
  await wal.append(textBytes("six"));
  await wal.rotate();
  await wal.append(textBytes("seven"));
  await wal.append(textBytes("eight, a little longer than the others"));
  await wal.appendBatch([textBytes("nine"), textBytes("ten")]);
}

/** Records of every kind and of sizes around what matters, and a batch that spans frames. */
async function appendMixed(wal: Wal): Promise<void> {
  const random = new SeededRandom(7);
  for (let kind = 0; kind <= 15; kind++) await wal.append(textBytes(`kind ${kind}`), { kind });
  await Promise.all([0, 1, 3, 4, 5, 7, 8, 9].map((size) => wal.append(random.bytes(size))));
  await wal.append(random.bytes(3000));
  await wal.appendBatch(Array.from({ length: 5 }, (_, index) => new Uint8Array(1000).fill(index)));
  await wal.append(new Uint8Array(10_000).fill(0x61));
}

/** Cuts bytes off the last segment. */
function cutLast(files: Map<string, Uint8Array>, bytes: number): void {
  const name = segmentNames(files).at(-1) ?? "";
  const content = files.get(name) ?? new Uint8Array(0);
  files.set(name, content.slice(0, content.byteLength - bytes));
}

async function make(recipe: Recipe): Promise<void> {
  const machine = new Machine({ seed: 20_260_101 });
  const codec = recipe.codec ?? "none";
  const wal = await machine.open({ codec, attestDelayMs: 100 });
  await recipe.write(wal, machine);
  const files = new Map<string, Uint8Array>();
  for (const [filePath, content] of machine.disk.snapshot()) {
    const name = filePath.slice(LOG_DIRECTORY.length + 1);
    if (name !== "next.prewrite" && !name.endsWith("reserve")) files.set(name, content);
  }
  recipe.damage?.(files);

  const reader = new Machine({ disk: diskWith(files) });
  const expected = await describeLog(recipe.about, await reader.open());
  const directory = path.join(GOLDEN_DIRECTORY, recipe.name);
  for (const [name, content] of files) {
    const target = path.join(directory, name);
    fs.mkdirSync(path.dirname(target), { recursive: true });
    fs.writeFileSync(target, content);
  }
  fs.writeFileSync(path.join(directory, EXPECTED_NAME), `${JSON.stringify(expected, undefined, 2)}\n`);
  console.log(`${recipe.name}: ${files.size} files, ${expected.records.length} records, ${expected.verdict}`);
}

const replaceAt = process.argv.indexOf("--replace");
const replaced = replaceAt === -1 ? undefined : process.argv[replaceAt + 1];
for (const recipe of RECIPES) {
  const isThere = goldenNames().includes(recipe.name);
  if (isThere && recipe.name !== replaced && replaced !== "all") continue;
  fs.rmSync(path.join(GOLDEN_DIRECTORY, recipe.name), { recursive: true, force: true });
  try {
    await make(recipe);
  } catch (error) {
    console.error(`${recipe.name}: ${String(error)}`);
    process.exitCode = 1;
  }
}
