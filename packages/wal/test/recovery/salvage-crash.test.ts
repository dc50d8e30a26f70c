/**
 * A machine that dies while it salvages: whatever is left, salvaging again keeps the same promises.
 *
 * A crash before every event of the salvage, of the read and of the first append behind it; after some of them a second one.
 * Several times as many: `WALNUT_SALVAGE_CRASHES=20 npm test -- salvage-crash`
 */
import assert from "node:assert/strict";
import { suite, test } from "node:test";
import {
  combineSeeds,
  KeepAllChooser,
  LoseAllChooser,
  RandomChooser,
  SeededRandom,
  Simulation,
  type SimulatedDisk,
  type SimulatedEnvironment,
} from "@walnut/testkit";
import { openWalWith } from "@walnut/wal";
import { diskWith, loadGolden, type ExpectedRecord } from "../golden/golden-log.ts";
import { Machine, QUIET_OPTIONS } from "../machine.ts";
import { damaged, type DamageStep, type LogFiles } from "./damage.ts";
import {
  assertDense,
  assertGoesOn,
  assertLossesAreNamed,
  assertNothingVanished,
  assertRight,
  deliveredBy,
  reportsOn,
  type Delivered,
} from "./salvaged-log.ts";
import { DamageSurvey, surveyLog } from "./segment-survey.ts";

const SAMPLES = Number(process.env["WALNUT_SALVAGE_CRASHES"] ?? "1");
const NEW_PAYLOAD = "6e6577"; // "new"

interface Case {
  readonly what: string;
  readonly golden: string;
  readonly steps: readonly DamageStep[];
}

function segment(id: number): string {
  return `${String(id).padStart(12, "0")}.wal`;
}

function flip(name: string, offset: number): DamageStep {
  return { kind: "flip", name, offset, bit: 3 };
}

const CASES: readonly Case[] = [
  {
    what: "frames in two segments",
    golden: "small",
    steps: [
      flip(segment(1), 130),
      { kind: "overwrite", name: segment(3), offset: 70, bytes: new Uint8Array(60).fill(9) },
    ],
  },
  {
    what: "a long range over many sectors",
    golden: "plain",
    steps: [{ kind: "overwrite", name: segment(1), offset: 300, bytes: new Uint8Array(4000) }],
  },
  { what: "a header", golden: "small", steps: [flip(segment(2), 30), flip(segment(2), 80)] },
  { what: "a missing segment", golden: "plain", steps: [{ kind: "remove", name: segment(3) }] },
  {
    what: "a segment beyond help",
    golden: "small",
    steps: [{ kind: "truncate", name: segment(2), lengthBytes: 50 }],
  },
  {
    what: "a last segment beyond help",
    golden: "plain",
    steps: [{ kind: "overwrite", name: segment(6), offset: 0, bytes: new Uint8Array(9000) }],
  },
  { what: "a missing tail", golden: "small", steps: [{ kind: "remove", name: segment(3) }] },
  {
    what: "a missing front",
    golden: "released",
    steps: [{ kind: "remove", name: segment(3) }, flip(segment(4), 100)],
  },
  {
    what: "the checkpoint and a frame",
    golden: "released",
    steps: [flip("CHECKPOINT", 10), flip(segment(4), 100)],
  },
  {
    what: "a cursor and a frame",
    golden: "plain",
    steps: [flip("cursors/reader.cursor", 10), flip(segment(2), 1300)],
  },
  {
    what: "a torn tail behind a damaged frame",
    golden: "crashed",
    steps: [flip(segment(1), 500)],
  },
];

/** One life: salvage, read, append. `acked` is the LSN of the append once it is answered. */
interface Life {
  acked: number | undefined;
}

/** Time goes on from life to life, as it does for machines. */
function startingAt(environment: SimulatedEnvironment, lifeNumber: number): SimulatedEnvironment {
  return { ...environment, nowMs: () => environment.nowMs() + lifeNumber * 60_000 };
}

class CrashedSalvage {
  readonly #written: readonly ExpectedRecord[];
  readonly #survey: DamageSurvey;
  readonly #files: LogFiles;
  lives = 0;

  constructor(written: readonly ExpectedRecord[], survey: DamageSurvey, files: LogFiles) {
    this.#written = written;
    this.#survey = survey;
    this.#files = files;
  }

  /** Lives on a disk, cut before every event; what each cut leaves is judged, and sometimes lived on and cut again. */
  async explore(
    disk: SimulatedDisk,
    seed: number,
    depth: number,
    ackedBefore: number | undefined,
  ): Promise<void> {
    const life: Life = { acked: ackedBefore };
    const random = new SeededRandom(combineSeeds(seed, "cuts"));
    const simulation = new Simulation({ seed, disk });
    let moment = 0;
    let lastStamp = "";
    const end = await simulation.run(
      async (environment) => await live(startingAt(environment, depth), life),
      async () => {
        moment++;
        const stamp = `${simulation.disk.changeStamp}|${life.acked}`;
        if (stamp === lastStamp || (depth > 0 && !random.chance(0.1))) return false;
        lastStamp = stamp;
        for (const [name, image] of imagesOf(simulation.disk, combineSeeds(seed, moment))) {
          await this.#judge(image(), `${depth}: before event ${moment}, ${name}`, life.acked);
          if (depth > 0 || !random.chance(0.01 * SAMPLES)) continue;
          await this.explore(image(), combineSeeds(seed, moment, name), depth + 1, life.acked);
        }
        return false;
      },
    );
    assert.deepEqual(end, { kind: "done", value: undefined });
    assert.deepEqual(simulation.disk.violations, []);
  }

  async #judge(disk: SimulatedDisk, where: string, acked: number | undefined): Promise<void> {
    this.lives++;
    try {
      const machine = new Machine({ disk, seed: 9 });
      const environment = startingAt(machine.environment, 7);
      const wal = await openWalWith(environment, { ...QUIET_OPTIONS, recovery: "salvage" });
      const delivered = await deliveredBy(wal);
      assertDense(delivered);
      const old = withoutNew(delivered);
      if (acked !== undefined) {
        // Behind the answered append of one life there may be the unanswered one of the next.
        const added = delivered.records.filter(({ lsn }) => lsn >= acked);
        assert.ok(
          added.length === 1 || added.length === 2,
          `${added.length} records from ${acked}`,
        );
        for (const [index, record] of added.entries()) {
          assert.deepEqual(record, { lsn: acked + index, kind: 0, payload: NEW_PAYLOAD });
        }
      }
      assertRight(old, this.#written);
      assertLossesAreNamed(old, this.#written, this.#survey, reportsOn(disk));
      assertNothingVanished(disk, this.#files, this.#survey);
      // Three more openings: for a share of the lives.
      if (SAMPLES > 1 || this.lives % 3 === 0) await assertGoesOn(disk, wal, delivered);
      else await wal.close();
    } catch (error) {
      throw new Error(`life ${where}: ${String(error)}`, { cause: error });
    }
  }
}

async function live(environment: SimulatedEnvironment, life: Life): Promise<void> {
  const wal = await openWalWith(environment, { ...QUIET_OPTIONS, recovery: "salvage" });
  await deliveredBy(wal);
  life.acked = await wal.append(Buffer.from(NEW_PAYLOAD, "hex"));
  await wal.close();
}

/** What was delivered of the old records: those of earlier lives' appends, at the end, left out. */
function withoutNew(delivered: Delivered): Delivered {
  const records = delivered.records.filter(({ payload }) => payload !== NEW_PAYLOAD);
  const added = delivered.records.length - records.length;
  return { ...delivered, records, lastLsn: delivered.lastLsn - added };
}

/** Disks that a crash now could leave, each made anew when it is asked for. */
function imagesOf(
  disk: SimulatedDisk,
  seed: number,
): readonly (readonly [name: string, image: () => SimulatedDisk])[] {
  const random = (index: number): RandomChooser =>
    new RandomChooser(new SeededRandom(combineSeeds(seed, index)));
  return [
    ["power, all lost", () => disk.afterPowerLoss(new LoseAllChooser())],
    ["kill", () => disk.afterProcessCrash(new KeepAllChooser())],
    ...Array.from(
      { length: SAMPLES },
      (_, index) => [`power ${index}`, () => disk.afterPowerLoss(random(index))] as const,
    ),
  ];
}

suite("a crash during the salvage of", () => {
  for (const { what, golden: name, steps } of CASES) {
    test(`${what} leaves a log that can be salvaged as if there had been none`, async () => {
      const golden = loadGolden(name);
      const files = damaged(golden.files, steps);
      const survey = new DamageSurvey(await surveyLog(golden.files), golden.files, files);
      const crashed = new CrashedSalvage(golden.expected.records, survey, files);
      await crashed.explore(diskWith(files), combineSeeds(what), 0, undefined);
      assert.ok(crashed.lives >= 50, `${crashed.lives} lives`);
    });
  }
});
