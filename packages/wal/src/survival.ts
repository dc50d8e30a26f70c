/**
 * What acknowledged records survive, in words: the durability level, held against what the directory is stored on.
 */
import type { DurabilityLevel, ResolvedWalOptions } from "./options.ts";
import type { VolumeFacts } from "./storage/storage.ts";

/** What the log is stored on, as it was when it was opened. */
export type VolumeStatus = Pick<VolumeFacts, "type" | "isVolatile" | "isNetwork">;

export const UNKNOWN_VOLUME: VolumeStatus = {
  type: "unknown",
  isVolatile: undefined,
  isNetwork: false,
};

/** What is known of a volume without the numbers that change. */
export function volumeStatus({ type, isVolatile, isNetwork }: VolumeStatus): VolumeStatus {
  return { type, isVolatile, isNetwork };
}

/** The worst that an acknowledged record survives. */
export function survivalOf(
  options: Pick<ResolvedWalOptions, "durability" | "syncIntervalMs" | "syncIntervalBytes">,
  volume: VolumeStatus,
): string {
  const { durability } = options;
  if (durability === "off") return "nothing: nothing is kept";
  if (durability === "memory") return "a close of the log, not the death of the process";
  if (volume.isVolatile === true) return "a restart of the process, not of the host";
  return SURVIVAL[durability](options);
}

type Written = Exclude<DurabilityLevel, "off" | "memory">;

const SURVIVAL: Readonly<
  Record<
    Written,
    (options: Pick<ResolvedWalOptions, "syncIntervalMs" | "syncIntervalBytes">) => string
  >
> = {
  fsync: () => "a power loss",
  fdatasync: () => "a power loss",
  interval: ({ syncIntervalMs, syncIntervalBytes }) =>
    `the death of the process; a power loss except for the last ${syncIntervalMs} ms or ${syncIntervalBytes} bytes`,
  async: () => "the death of the process; not a power loss",
};

/** What an operator should know about the volume; empty when all is as it should be. */
export function volumeWarnings(volume: VolumeStatus): readonly string[] {
  const warnings: string[] = [];
  const { type } = volume;
  if (volume.isVolatile === true) {
    warnings.push(`the directory is on ${type}, which a restart of the host empties`);
  }
  if (volume.isNetwork) {
    warnings.push(
      `the directory is on ${type}, a network file system: what a sync, a lock or a rename promises there is up to the server`,
    );
  }
  if (type === "overlay" && volume.isVolatile !== true) {
    warnings.push("the directory is on overlay: it goes with its container; mount a volume");
  }
  return warnings;
}
