/**
 * A machine in memory for tests of the engine: simulated disk, virtual clock, repeatable randomness.
 *
 * Calls of the disk take effect in order, as microtasks; time stands still until a test lets it pass.
 */
import { SeededRandom, SimulatedDisk, VirtualClock } from "@walnut/testkit";
import {
  openWalWith,
  type Storage,
  type Wal,
  type WalEnvironment,
  type WalOptions,
} from "@walnut/wal";

export const LOG_DIRECTORY = "/log";

/** Small buffers, no timers and no zeros ahead, unless a test asks for them. */
export const QUIET_OPTIONS = {
  directory: LOG_DIRECTORY,
  segmentSizeBytes: 8 * 1024,
  bufferSizeBytes: 64 * 1024,
  prewriteBytes: 0,
  attestDelayMs: 0,
  segmentMaxAgeMs: 0,
} as const satisfies WalOptions;

export interface MachineOptions {
  readonly disk?: SimulatedDisk;
  readonly clock?: VirtualClock;
  readonly seed?: number;
  /** Puts faults or traces between the engine and the disk. */
  readonly wrapStorage?: (disk: SimulatedDisk) => Storage;
}

export class Machine {
  readonly disk: SimulatedDisk;
  readonly clock: VirtualClock;
  readonly environment: WalEnvironment;

  constructor(options: MachineOptions = {}) {
    this.disk = options.disk ?? new SimulatedDisk();
    this.clock = options.clock ?? new VirtualClock();
    const random = new SeededRandom(options.seed ?? 1);
    const { clock } = this;
    this.environment = {
      storage: options.wrapStorage?.(this.disk) ?? this.disk,
      nowMs: () => clock.nowMs(),
      monotonicMs: () => clock.monotonicMs(),
      setTimer: (delayMs, callback) => clock.setTimer(delayMs, callback),
      defer: (callback) => void setImmediate(callback),
      randomBytes: (length) => random.bytes(length),
    };
  }

  open(options: Partial<WalOptions> = {}): Promise<Wal> {
    return openWalWith(this.environment, { ...QUIET_OPTIONS, ...options });
  }

  /** The machine after a power loss that kept nothing but what was promised. */
  afterPowerLoss(): Machine {
    return new Machine({ disk: this.disk.onlyDurable(), seed: 2 });
  }

  /** Replaces a file's bytes on the disk, durably and at once. */
  async replace(path: string, bytes: Uint8Array): Promise<void> {
    await this.disk.remove(path);
    this.disk.plant(path, bytes);
  }

  /** Bytes of a file; fails when it is not there. */
  bytesOf(path: string): Uint8Array {
    const bytes = this.disk.peek(path);
    if (bytes === undefined) throw new Error(`${path} is not there`);
    return bytes;
  }

  /** Names in the log's directory, sorted. */
  get fileNames(): string[] {
    return this.disk
      .snapshot()
      .map(([path]) => path)
      .filter((path) => path.startsWith(`${LOG_DIRECTORY}/`))
      .map((path) => path.slice(LOG_DIRECTORY.length + 1))
      .sort();
  }
}

/** Path of a segment of the log. */
export function segmentPath(segmentId: number): string {
  return `${LOG_DIRECTORY}/${String(segmentId).padStart(12, "0")}.wal`;
}

export function textBytes(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

export function bytesText(bytes: Uint8Array): string {
  return new TextDecoder().decode(bytes);
}

/** Lets everything run that can without time passing: promise jobs, and callbacks that were deferred. */
export async function settle(turns = 5): Promise<void> {
  for (let turn = 0; turn < turns; turn++) {
    await new Promise<void>((resolve) => setImmediate(resolve));
  }
}

/** All records as `lsn:text`. */
export async function readTexts(
  wal: Wal,
  options: Parameters<Wal["read"]>[0] = {},
): Promise<string[]> {
  const texts: string[] = [];
  for await (const { lsn, payload } of wal.read(options))
    texts.push(`${lsn}:${bytesText(payload)}`);
  return texts;
}

/** `count` texts of `read`'s form, starting with LSN `first`, as {@link appendNumbered} writes them. */
export function numbered(first: number, last: number): string[] {
  return Array.from(
    { length: last - first + 1 },
    (_, index) => `${first + index}:r${first + index}`,
  );
}

/** Appends `r<lsn>` for the next `count` LSNs, all at once. */
export async function appendNumbered(wal: Wal, count: number): Promise<void> {
  const next = wal.positions.appendedLsn + 1;
  await Promise.all(
    Array.from({ length: count }, (_, index) => wal.append(textBytes(`r${next + index}`))),
  );
}

/** Appends to `count` segments, two records each; the last of them is the active one. */
export async function appendSegments(wal: Wal, count: number): Promise<void> {
  for (let segment = 0; segment < count; segment++) {
    if (segment > 0) await wal.rotate();
    await appendNumbered(wal, 2);
  }
}
