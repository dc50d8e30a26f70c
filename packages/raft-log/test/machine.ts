/** A machine in memory: simulated disk, a clock that stands still, repeatable randomness. Power losses on request. */
import {
  KeepAllChooser,
  LoseAllChooser,
  SeededRandom,
  SimulatedDisk,
  VirtualClock,
} from "@walnut/testkit";
import type { Storage, WalEnvironment } from "@walnut/wal";

export interface MachineOptions {
  readonly disk?: SimulatedDisk;
  /** Puts faults or traces between the log and the disk. */
  readonly wrapStorage?: (disk: SimulatedDisk) => Storage;
}

export class Machine {
  readonly disk: SimulatedDisk;
  readonly environment: WalEnvironment;

  constructor({ disk = new SimulatedDisk(), wrapStorage }: MachineOptions = {}) {
    this.disk = disk;
    const random = new SeededRandom(1);
    const clock = new VirtualClock();
    this.environment = {
      storage: wrapStorage?.(disk) ?? disk,
      nowMs: () => clock.nowMs(),
      monotonicMs: () => clock.monotonicMs(),
      setTimer: (delayMs, callback) => clock.setTimer(delayMs, callback),
      defer: (callback) => void setImmediate(callback),
      randomBytes: (length) => random.bytes(length),
    };
  }

  /** The machine after a power loss that kept nothing but what was promised. */
  afterPowerLoss(): Machine {
    return new Machine({ disk: this.disk.afterPowerLoss(new LoseAllChooser()) });
  }

  /** The machine after kill -9. */
  afterKill(): Machine {
    return new Machine({ disk: this.disk.afterProcessCrash(new KeepAllChooser()) });
  }
}
