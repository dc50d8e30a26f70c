/**
 * The engine as the crash explorer sees it: options by seed, a way to open it after a crash, and a workbench
 * that does the engine's operations and tells the history what was asked and answered.
 */

import {
  isWalError,
  openWalWith,
  type Cursor,
  type DurabilityLevel,
  type Wal,
  type WalOptions,
} from "@walnut/wal";
import {
  FaultyStorage,
  identifyPayload,
  ModelViolation,
  type CrashSubject,
  type FaultRule,
  type LogHistory,
  type RecoveredLog,
  type SeededRandom,
  type SentBatch,
  type SimulatedEnvironment,
  type SurvivalLevel,
} from "@walnut/testkit";

/** A level that can be chosen for one append. */
export type AppendLevel = Exclude<DurabilityLevel, "off" | "fsync">;

/** What each level's answer survives, as docs/durability.md says. */
export const SURVIVAL: Readonly<Record<AppendLevel, SurvivalLevel>> = {
  fdatasync: "power-loss",
  interval: "process-crash",
  async: "process-crash",
  memory: "nothing",
};

const DIRECTORY = "/data/log";

/**
 * Only with an interval far longer than anything the simulated disk takes (a slow call: some seconds) can "synced within"
 * be held against the log.
 */
const FAIR_SYNC_INTERVAL_MS = 10_000;

/** Small sizes, so that few records already mean several segments, frames and prewritten stretches. */
export function walOptions(random: SeededRandom): WalOptions {
  return {
    directory: DIRECTORY,
    durability: random.pick(["fdatasync", "fdatasync", "fsync", "interval", "async"] as const),
    segmentSizeBytes: random.pick([8 * 1024, 8 * 1024, 12 * 1024, 40 * 1024]),
    prewriteBytes: random.pick([0, 4 * 1024, 16 * 1024]),
    bufferSizeBytes: 64 * 1024,
    maxPendingBytes: 1024 * 1024,
    attestDelayMs: random.pick([0, 5, 100]),
    segmentMaxAgeMs: random.pick([0, 0, 40]),
    syncIntervalMs: 20,
    syncIntervalBytes: 4_096,
    recovery: random.pick(["default", "default", "strict"] as const),
  };
}

/** What a workload does with an open log. */
export type Work = (bench: WalBench, random: SeededRandom) => Promise<void>;

/** What there is to a workload besides its steps. */
export interface WorkloadSetting {
  /** Options that the workload is about; the others follow from the seed. */
  readonly options?: Partial<WalOptions>;
  /** Calls of the disk that fail while the workload runs, and not after a crash. */
  readonly faults?: (random: SeededRandom) => readonly FaultRule[];
}

/** A workload on the engine as a subject of the explorer. */
export function walSubject(
  name: string,
  options: WalOptions,
  work: Work,
  faults?: WorkloadSetting["faults"],
): CrashSubject {
  return {
    name,
    async run(machine, history, random): Promise<void> {
      const environment =
        faults === undefined
          ? machine
          : { ...machine, storage: new FaultyStorage(machine.storage, faults(random)) };
      const bench = await WalBench.open(environment, history, options);
      await work(bench, random);
      await bench.close();
    },
    recover: (environment, cursorNames) => recoverWal(environment, options, cursorNames),
  };
}

/** Opens the log, reads all of it and compares what it says about itself. */
export async function recoverWal(
  environment: SimulatedEnvironment,
  options: WalOptions,
  cursorNames: readonly string[],
): Promise<RecoveredLog> {
  const wal = await openWalWith(environment, options);
  if (wal.recovery.salvage !== undefined) {
    const places = JSON.stringify(wal.recovery.salvage.places);
    throw new ModelViolation("salvaged", `a crash is no damage: ${places}`);
  }
  const records: { lsn: number; payload: Uint8Array }[] = [];
  const { firstLsn, appendedLsn, durableLsn } = wal.positions;
  for await (const { lsn, payload } of wal.read()) records.push({ lsn, payload: payload.slice() });
  const lastLsn = firstLsn + records.length - 1;
  if (durableLsn !== lastLsn || appendedLsn !== lastLsn) {
    throw new ModelViolation(
      "positions",
      `read ${firstLsn}..${lastLsn}, positions say ${JSON.stringify(wal.positions)}`,
    );
  }
  const handles = new Map<string, Cursor>(cursorNames.map((name) => [name, wal.cursor(name)]));
  return {
    firstLsn,
    records,
    cursors: new Map([...handles].map(([name, cursor]) => [name, cursor.lsn])),
    async append(payloads) {
      const lsn = await appendTo(wal, payloads, "fdatasync");
      for (const [name, cursor] of handles) {
        // A cursor that stood behind the end has been moved back, or this record would never be delivered.
        if (cursor.lsn < lsn || lsn <= lastLsn) continue;
        throw new ModelViolation(
          "cursor-ahead",
          `LSN ${lsn} was appended, ${name} is at ${cursor.lsn}`,
        );
      }
      return lsn;
    },
    ackCursor: (name, lsn) => wal.cursor(name).ack(lsn),
    durableLsn: () => wal.positions.durableLsn,
    close: () => wal.close(),
  };
}

async function appendTo(
  wal: Wal,
  payloads: readonly Uint8Array[],
  durability: AppendLevel,
): Promise<number> {
  const [only] = payloads;
  if (payloads.length === 1 && only !== undefined) return await wal.append(only, { durability });
  const { firstLsn, lastLsn } = await wal.appendBatch(payloads, { durability });
  if (lastLsn - firstLsn + 1 !== payloads.length) {
    throw new ModelViolation("order", `a batch of ${payloads.length} is ${firstLsn}..${lastLsn}`);
  }
  return firstLsn;
}

/** A log at work. */
export class WalBench {
  readonly history: LogHistory;
  readonly #environment: SimulatedEnvironment;
  readonly #options: WalOptions;
  #wal: Wal;
  #tails: Promise<void>[] = [];

  private constructor(parts: {
    readonly environment: SimulatedEnvironment;
    readonly history: LogHistory;
    readonly options: WalOptions;
    readonly wal: Wal;
  }) {
    this.#environment = parts.environment;
    this.history = parts.history;
    this.#options = parts.options;
    this.#wal = parts.wal;
    this.history.claim = () => this.#wal.positions.durableLsn;
  }

  static async open(
    environment: SimulatedEnvironment,
    history: LogHistory,
    options: WalOptions,
  ): Promise<WalBench> {
    const wal = await openWalWith(environment, options);
    return new WalBench({ environment, history, options, wal });
  }

  /** The log itself. */
  get wal(): Wal {
    return this.#wal;
  }

  /** The highest LSN given to an append so far. */
  get appendedLsn(): number {
    return this.#wal.positions.appendedLsn;
  }

  /** Appends one record, or several as one batch. */
  async append(sizes: readonly number[], level: AppendLevel = "fdatasync"): Promise<void> {
    const batch = this.#send(sizes, level);
    this.history.acknowledge(batch, await appendTo(this.#wal, batch.payloads, level));
  }

  /** Appends, and takes a failure of the disk for an answer. Returns false when there was one. */
  async tryAppend(sizes: readonly number[], level: AppendLevel = "fdatasync"): Promise<boolean> {
    const batch = this.#send(sizes, level);
    try {
      this.history.acknowledge(batch, await appendTo(this.#wal, batch.payloads, level));
      return true;
    } catch (error) {
      if (!isWalError(error)) throw error;
      this.history.fail(batch, error.code === "WAL_POISONED");
      return false;
    }
  }

  /** Drops all records behind `lastLsn`. Everything before must have been answered. */
  async truncateBack(lastLsn: number): Promise<void> {
    this.history.requestTruncateBack(lastLsn);
    await this.#wal.truncateBack(lastLsn);
    this.history.acknowledgeTruncateBack();
  }

  /** Drops all records before `firstLsn`. */
  async truncateFront(firstLsn: number): Promise<void> {
    this.history.requestTruncateFront(firstLsn);
    await this.#wal.truncateFront(firstLsn);
    this.history.acknowledgeTruncateFront();
  }

  /** Moves a cursor. */
  async ack(name: string, lsn: number): Promise<void> {
    const cursor = this.#wal.cursor(name);
    if (lsn <= cursor.lsn) return;
    this.history.requestCursor(name, lsn);
    await cursor.ack(lsn);
    this.history.acknowledgeCursor(name, lsn);
  }

  /** After this, all that was appended before survives a power loss. */
  async sync(): Promise<void> {
    const lsn = this.appendedLsn;
    await this.#wal.sync();
    this.history.observeDurable(lsn);
  }

  async rotate(): Promise<void> {
    await this.#wal.rotate();
  }

  /** Reads what is durable, compares it, and holds the log to having shown it. */
  async readAll(): Promise<void> {
    for await (const { lsn, payload } of this.#wal.read()) this.#shown(lsn, payload);
  }

  /** Follows the log until it is closed. */
  startTail(): void {
    const tail = this.#wal.tail();
    const follow = async (): Promise<void> => {
      let expected: number | undefined;
      for await (const { lsn, payload } of tail) {
        if (expected !== undefined && lsn !== expected) {
          throw new ModelViolation("order", `the tail gave ${lsn} after ${expected - 1}`);
        }
        expected = lsn + 1;
        this.#shown(lsn, payload);
      }
    };
    this.#tails.push(follow());
  }

  /** Lets virtual time pass. */
  async wait(ms: number): Promise<void> {
    await new Promise<void>((resolve) => this.#environment.setTimer(ms, resolve));
  }

  async close(): Promise<void> {
    const lsn = this.appendedLsn;
    await this.#wal.close();
    await Promise.all(this.#tails);
    this.#tails = [];
    this.history.observeDurable(lsn);
  }

  async reopen(): Promise<void> {
    await this.close();
    this.#wal = await openWalWith(this.#environment, this.#options);
  }

  /** As {@link reopen}, on a disk that fails: the close may, and so may the opening, which is then tried again. */
  async reopenOnFailingDisk(): Promise<void> {
    await orWalError(this.#wal.close());
    this.history.claim = undefined;
    const open = (): Promise<Wal> => openWalWith(this.#environment, this.#options);
    this.#wal = (await orWalError(open())) ?? (await open());
    this.history.claim = () => this.#wal.positions.durableLsn;
  }

  #send(sizes: readonly number[], level: AppendLevel): SentBatch {
    const { syncIntervalMs = 0 } = this.#options;
    const isFair = level === "interval" && syncIntervalMs >= FAIR_SYNC_INTERVAL_MS;
    const syncedByMs = this.#environment.monotonicMs() + syncIntervalMs;
    return this.history.send(sizes, SURVIVAL[level], isFair ? syncedByMs : undefined);
  }

  #shown(lsn: number, payload: Uint8Array): void {
    const identity = identifyPayload(payload);
    const batch = identity === undefined ? undefined : this.history.batch(identity.number);
    const sent = batch?.payloads[identity?.index ?? 0];
    if (sent === undefined || Buffer.compare(sent, payload) !== 0) {
      throw new ModelViolation("foreign", `a reader was shown LSN ${lsn}, which was not sent`);
    }
    this.history.observeDurable(lsn);
  }
}

/** `undefined` when it failed in a documented way. */
async function orWalError<T>(promise: Promise<T>): Promise<T | undefined> {
  try {
    return await promise;
  } catch (error) {
    if (isWalError(error)) return undefined;
    throw error;
  }
}
