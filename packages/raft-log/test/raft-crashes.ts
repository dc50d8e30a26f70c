/**
 * Power loss and kill -9 at every moment of random histories: what is found afterwards is the log after all that was answered, and
 * perhaps after what was under way. Nothing from before; in between only what the backend says.
 */
import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { combineSeeds, crashEverywhere, SeededRandom, Simulation } from "@walnut/testkit";
import type { SimulatedDisk, SimulatedEnvironment } from "@walnut/testkit";
import { openRaftLogWith, type RaftBackend, type RaftLog } from "@walnut/raft-log";
import {
  applied,
  EMPTY_MODEL,
  logText,
  modelText,
  nextOperation,
  partlyApplied,
  perform,
  type RaftModel,
} from "./raft-model.ts";

const SEEDS = Number(process.env["WALNUT_RAFT_CRASH_SEEDS"] ?? "3");
const OPERATIONS = 14;

/** A backend, and what its files cannot promise. */
export interface CrashedBackend {
  readonly backend: RaftBackend;
  /** Whether a save that was not answered is there as a whole or not at all; otherwise its first entries may be. */
  readonly isAtomic: boolean;
  /** Whether it tells a record that was torn inside a sector from a damaged one. */
  readonly toleratesTornSectors: boolean;
  /** Sizes of entries; large ones fill files. Default: those of `raft-model.ts`. */
  readonly dataBytes?: readonly number[];
}

function open(environment: SimulatedEnvironment, backend: RaftBackend): Promise<RaftLog> {
  return openRaftLogWith(environment, {
    backend,
    storageRootDirectory: "/node",
    clusterId: 1,
    peerId: 2,
    segmentSizeBytes: 64 * 1024,
    cacheBytes: 4096,
  });
}

/** Models after each operation that was asked for, and how many of them were answered. */
class History {
  readonly models: RaftModel[] = [EMPTY_MODEL];
  /** What may be found between a model and the next. */
  readonly #between: (readonly RaftModel[])[] = [];
  readonly #crashed: CrashedBackend;
  answered = 0;

  constructor(crashed: CrashedBackend) {
    this.#crashed = crashed;
  }

  async run(environment: SimulatedEnvironment, seed: number): Promise<void> {
    const random = new SeededRandom(seed);
    const log = await open(environment, this.#crashed.backend);
    for (let count = 0; count < OPERATIONS;) {
      const batch: Promise<void>[] = [];
      for (let together = random.pick([1, 1, 1, 3]); together > 0; together--, count++) {
        const model = this.models.at(-1) ?? EMPTY_MODEL;
        const operation = nextOperation(model, random, this.#crashed.dataBytes);
        this.#between.push(this.#crashed.isAtomic ? [] : partlyApplied(model, operation));
        this.models.push(applied(model, operation));
        batch.push(perform(log, operation));
      }
      const asked = this.models.length - 1;
      await Promise.all(batch);
      this.answered = asked;
      if (random.chance(0.1)) await log.purge();
    }
    await log.close();
  }

  /** Asks a disk that a crash left. */
  async judge(disk: SimulatedDisk, seed: number): Promise<void> {
    const { backend } = this.#crashed;
    const between = this.#between.slice(this.answered).flat();
    const allowed = [...this.models.slice(this.answered), ...between].map(modelText);
    const simulation = new Simulation({ seed, disk });
    const end = await simulation.run(async (environment) => {
      const log = await open(environment, backend);
      const found = await logText(log);
      assert.ok(allowed.includes(found), `found:\n${found}\nallowed:\n${allowed.join("\n")}`);
      // Life goes on: what is saved now follows what was found, and is there after another start.
      await log.save({ term: 1000, vote: 1n, commit: 0 }, [
        { index: log.lastIndex + 1, term: 1000, type: 0, data: new Uint8Array(5) },
      ]);
      const before = await logText(log);
      await log.close();
      const again = await open(environment, backend);
      assert.equal(await logText(again), before);
      await again.close();
    });
    if (end.kind === "failed") throw end.error;
    assert.equal(end.kind, "done");
  }
}

/** Declares the tests. */
export function testCrashes(crashed: CrashedBackend): void {
  const sizes =
    crashed.dataBytes === undefined ? "" : `, entries of ${crashed.dataBytes.join(", ")} bytes`;
  suite(`a Raft log after a crash: ${crashed.backend}${sizes}`, () => {
    for (let seed = 1; seed <= SEEDS; seed++) {
      test(`is what was answered, seed ${seed}`, async (context) => {
        const history = new History(crashed);
        const judged = await crashEverywhere({
          seed,
          run: (environment) => history.run(environment, combineSeeds(seed, "operations")),
          judge: (disk) => history.judge(disk, seed),
          stamp: () => `${history.answered} ${history.models.length}`,
          tearSectors: crashed.toleratesTornSectors,
        });
        assert.ok(judged > 100);
        context.diagnostic(`${judged} states`);
      });
    }
  });
}
