/**
 * Everything at once on a disk that runs full and gets room again: writers, a reader that acknowledges, one that follows, one that
 * acknowledges what is only in memory, truncations, rotation, syncs and backups run beside each other, each as its own actor, on a simulated disk whose calls take effect in an order that
 * follows from the seed. What was answered and not cut since must be there: at the end, after closing, and after a crash at a
 * random moment.
 *
 * The crash explorer cuts one history everywhere; this goes through many histories and cuts each once.
 */
import assert from "node:assert/strict";
import {
  combineSeeds,
  KeepAllChooser,
  RandomChooser,
  SeededRandom,
  Simulation,
  type SimulatedDisk,
  type SimulatedEnvironment,
} from "@walnut/testkit";
import { isWalError, openWalWith, type Wal, type WalOptions } from "@walnut/wal";

const DIRECTORY = "/log";
const LEVELS = ["fdatasync", "fdatasync", "async", "interval"] as const;
type Level = (typeof LEVELS)[number];

interface Answered {
  readonly text: string;
  readonly level: Level;
  /** When it was appended, in calls: a cut drops what was appended before it. */
  readonly call: number;
  /** How far a cursor had been moved by then. */
  readonly ackedLsn: number;
}

/** What the actors were told. */
class Ledger {
  /** Answered records by LSN. */
  readonly records = new Map<number, Answered>();
  readonly #cuts: { readonly call: number; readonly lastLsn: number }[] = [];
  /** What a reader was shown, by LSN. */
  readonly shown = new Map<number, string>();
  /** Records below may be gone. */
  firstLsn = 1;
  /** Up to here a cursor passes over everything. */
  ackedLsn = 0;
  calls = 0;
  noSpace = 0;
  answers = 0;

  answered(lsn: number, record: Answered): void {
    // What a policy dropped has LSN 0.
    if (lsn === 0) return;
    this.answers++;
    const cuts = this.#cuts.filter((cut) => record.call < cut.call);
    if (cuts.length === 0) assert.ok(lsn > record.ackedLsn, `a cursor skips LSN ${lsn}`);
    if (!cuts.some((cut) => lsn > cut.lastLsn)) this.records.set(lsn, record);
  }

  /** A cursor has been moved to a record that was appended at `call`. */
  acked(lsn: number, call: number): void {
    if (this.#cuts.some((cut) => call < cut.call)) return;
    this.ackedLsn = Math.max(this.ackedLsn, lsn);
  }

  /** A cut gives LSNs out again on purpose. */
  get hasCuts(): boolean {
    return this.#cuts.length > 0;
  }

  /** Whatever was appended before and lies behind `lastLsn` may be gone from now on. */
  cut(lastLsn: number): void {
    this.#cuts.push({ call: this.calls, lastLsn });
    this.ackedLsn = Math.min(this.ackedLsn, lastLsn);
    for (const lsn of this.records.keys()) if (lsn > lastLsn) this.records.delete(lsn);
  }

  get highestLsn(): number {
    return Math.max(0, ...this.records.keys());
  }
}

function optionsOf(random: SeededRandom): WalOptions {
  return {
    directory: DIRECTORY,
    durability: "fdatasync",
    segmentSizeBytes: 8 * 1024,
    bufferSizeBytes: 64 * 1024,
    maxPendingBytes: 1024 * 1024,
    prewriteBytes: random.pick([0, 0, 4 * 1024]),
    attestDelayMs: random.pick([0, 5]),
    segmentMaxAgeMs: random.pick([0, 0, 40]),
    syncIntervalMs: 20,
    released: random.pick(["delete", "delete", "archive"] as const),
    codec: random.pick(["none", "none", "deflate"] as const),
    ...(random.chance(0.3)
      ? { encryption: { keyId: 1, keys: () => new Uint8Array(32).fill(7) } }
      : {}),
    ...(random.chance(0.3)
      ? {
          maxLogBytes: 32 * 1024,
          whenFull: random.pick(["reject", "drop-oldest", "drop-newest"] as const),
        }
      : {}),
  };
}

/**
 * Runs one history. Returns what happened, for a count.
 *
 * @param hasFollowers - whether a reader follows, and another acknowledges what is only in memory; by the seed if not said
 */
export async function runOverlap(
  seed: number,
  hasFollowers: boolean = new SeededRandom(combineSeeds(seed, "followers")).chance(0.5),
): Promise<{ answers: number; noSpace: number }> {
  const random = new SeededRandom(combineSeeds(seed, "overlap"));
  const options = optionsOf(random);
  const ledger = new Ledger();
  const simulation = new Simulation({ seed });
  // Half of the histories end in a crash.
  const crashAt = random.chance(0.5) ? random.between(20, 900) : Number.POSITIVE_INFINITY;
  let events = 0;
  const end = await simulation.run(
    (environment) =>
      runActors(environment, simulation.disk, { options, random, ledger, hasFollowers }),
    () => ++events >= crashAt,
  );
  if (end.kind === "failed") throw end.error;
  assert.deepEqual(simulation.disk.violations, []);
  if (end.kind === "done") {
    await verify(simulation.disk, { ...options, recovery: "strict" }, ledger, LEVELS);
  } else {
    assert.equal(end.kind, "stopped");
    const isKill = random.chance(0.4);
    const disk = isKill
      ? simulation.disk.afterProcessCrash(new KeepAllChooser())
      : simulation.disk.afterPowerLoss(new RandomChooser(random));
    disk.capacityBytes = Number.POSITIVE_INFINITY;
    await verify(disk, options, ledger, isKill ? LEVELS : ["fdatasync"]);
  }
  return { answers: ledger.answers, noSpace: ledger.noSpace };
}

interface Stage {
  readonly options: WalOptions;
  readonly random: SeededRandom;
  readonly ledger: Ledger;
  readonly hasFollowers: boolean;
}

async function runActors(
  environment: SimulatedEnvironment,
  disk: SimulatedDisk,
  { options, random, ledger, hasFollowers }: Stage,
): Promise<void> {
  const wal = await openWalWith(environment, options);
  const seedOf = (name: string): SeededRandom => new SeededRandom(random.uint32() ^ name.length);
  const isFull = random.chance(0.8);
  const pause = (ms: number): Promise<void> =>
    new Promise((resolve) => void environment.setTimer(ms, resolve));
  /** A call that may find the disk full, and may fail in no other way. */
  const attempt = async <T>(call: () => Promise<T>): Promise<T | undefined> => {
    ledger.calls++;
    try {
      return await call();
    } catch (error) {
      if (isWalError(error, "WAL_NO_SPACE")) ledger.noSpace++;
      else if (!isWalError(error, "WAL_LSN_TRUNCATED") && !(error instanceof RangeError))
        throw error;
      return undefined;
    }
  };
  const rounds = random.between(4, 14);
  const writer = async (name: string): Promise<void> => {
    const own = seedOf(name);
    for (let round = 0; round < rounds; round++) {
      const level = own.pick(LEVELS);
      const count = own.pick([1, 1, 1, 3]);
      const texts = Array.from({ length: count }, (_, item) =>
        `${name}-${round}-${item} `.padEnd(own.pick([20, 300, 1500, 3000]), "."),
      );
      const call = ledger.calls + 1;
      const { ackedLsn } = ledger;
      const answer = await attempt(() =>
        wal.appendBatch(
          texts.map((text) => new TextEncoder().encode(text)),
          { durability: level },
        ),
      );
      for (const [item, text] of texts.entries()) {
        const lsn = answer === undefined || answer.firstLsn === 0 ? 0 : answer.firstLsn + item;
        ledger.answered(lsn, { text, level, call, ackedLsn });
      }
      if (own.chance(0.3)) await pause(own.pick([1, 10]));
    }
  };
  const repeat = async (
    share: number,
    step: (own: SeededRandom) => Promise<unknown>,
  ): Promise<void> => {
    const own = seedOf("step");
    if (!random.chance(share)) return;
    for (let round = 0; round < rounds; round++) {
      await pause(own.pick([0, 1, 7, 30]));
      await attempt(() => step(own));
    }
  };
  const following = hasFollowers ? follow(wal, ledger) : undefined;
  await Promise.all([
    writer("a"),
    writer("bb"),
    writer("ccc"),
    repeat(0.8, async (own) => {
      const lsn = own.between(0, ledger.highestLsn);
      ledger.firstLsn = Math.max(ledger.firstLsn, lsn + 1);
      await wal.cursor("reader").ack(lsn);
    }),
    repeat(0.5, () => wal.rotate()),
    repeat(0.3, () => wal.sync()),
    repeat(0.3, async (own) => {
      const { firstLsn, appendedLsn } = wal.positions;
      const lsn = own.between(firstLsn, appendedLsn + 1);
      ledger.firstLsn = Math.max(ledger.firstLsn, lsn);
      await wal.truncateFront(lsn);
    }),
    repeat(0.3, async (own) => {
      const { firstLsn, appendedLsn } = wal.positions;
      const lastLsn = own.between(Math.max(firstLsn - 1, appendedLsn - 4), appendedLsn);
      ledger.cut(lastLsn);
      await wal.truncateBack(lastLsn);
    }),
    repeat(0.3, async (own) => {
      try {
        await wal.backup(`/backup-${own.uint32()}`);
      } catch (error) {
        // There may be nothing to back up.
        if (!isWalError(error, "WAL_INVALID_OPTION")) throw error;
      }
    }),
    repeat(0.4, async () => {
      for await (const { lsn, payload } of wal.read({ visibility: "written" })) {
        assert.ok(lsn > 0 && payload.byteLength > 0);
      }
    }),
    repeat(hasFollowers ? 1 : 0, async () => {
      const call = ledger.calls;
      const lsn = await wal.append(new Uint8Array(700), { durability: "memory" });
      ledger.firstLsn = Math.max(ledger.firstLsn, lsn + 1);
      await wal.cursor("memory").ack(lsn);
      ledger.acked(lsn, call);
    }),
    repeat(isFull ? 1 : 0, async (own) => {
      disk.capacityBytes =
        disk.snapshot().reduce((sum, [, bytes]) => sum + bytes.byteLength, 0) + own.below(6000);
      await pause(own.between(1, 20));
      disk.capacityBytes = Number.POSITIVE_INFINITY;
    }),
  ]);
  disk.capacityBytes = Number.POSITIVE_INFINITY;
  // Writing goes on by itself once there is room; a log with a budget gets it by letting go.
  if (options.maxLogBytes !== undefined) {
    ledger.firstLsn = wal.positions.appendedLsn + 1;
    await letGo(wal);
  }
  const call = ++ledger.calls;
  const { ackedLsn } = ledger;
  const lsn = await wal.append(new TextEncoder().encode("last"), { durability: "fdatasync" });
  ledger.answered(lsn, { text: "last", level: "fdatasync", call, ackedLsn });
  await check(wal, ledger, LEVELS, options.whenFull === "drop-oldest");
  await wal.close();
  await following;
}

/** Notes what a tail is shown, until the log is closed or has dropped what comes next. */
async function follow(wal: Wal, ledger: Ledger): Promise<void> {
  try {
    for await (const { lsn, payload } of wal.tail({ visibility: "written" })) {
      ledger.shown.set(lsn, new TextDecoder().decode(payload));
    }
  } catch (error) {
    if (!isWalError(error, "WAL_LSN_TRUNCATED")) throw error;
  }
}

/** Moves every cursor to the end. */
async function letGo(wal: Wal): Promise<void> {
  for (const { name } of [{ name: "reader" }, ...wal.status().cursors]) {
    await wal.cursor(name).ack(wal.positions.appendedLsn);
  }
}

/** Opens what is left and looks for all that must be there. */
async function verify(
  disk: SimulatedDisk,
  options: WalOptions,
  ledger: Ledger,
  levels: readonly Level[],
): Promise<void> {
  const simulation = new Simulation({ seed: 1, disk });
  const end = await simulation.run(async (environment) => {
    const wal = await openWalWith(environment, options);
    await check(wal, ledger, levels, options.whenFull === "drop-oldest");
    // A log with a budget may have to be emptied first.
    if (options.maxLogBytes !== undefined) await letGo(wal);
    await wal.append(new TextEncoder().encode("after"));
    await wal.close();
  });
  if (end.kind === "failed") throw end.error;
  assert.equal(end.kind, "done");
}

async function check(
  wal: Wal,
  ledger: Ledger,
  levels: readonly Level[],
  dropsOldest: boolean,
): Promise<void> {
  const found = new Map<number, string>();
  let next = wal.positions.firstLsn;
  for await (const { lsn, payload } of wal.read({ visibility: "written" })) {
    assert.equal(lsn, next++, "LSNs are dense");
    found.set(lsn, new TextDecoder().decode(payload));
  }
  // After a power loss, what was only written may be gone and its LSN another record's.
  const isWhole = levels.includes("async") && !ledger.hasCuts;
  for (const [lsn, text] of isWhole ? found : []) {
    const shown = ledger.shown.get(lsn);
    assert.ok(shown === undefined || shown === text, `LSN ${lsn} was shown as another record`);
  }
  const begin = dropsOldest ? wal.positions.firstLsn : ledger.firstLsn;
  for (const [lsn, { text, level }] of ledger.records) {
    if (!levels.includes(level) || lsn < begin || lsn < ledger.firstLsn) continue;
    assert.equal(found.get(lsn), text, `LSN ${lsn}, ${level}`);
  }
}
