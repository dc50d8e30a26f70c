/**
 * Durability levels in words: what a write that was answered survives, on the file system at hand. Pure.
 *
 * A file system in memory makes every level weaker than its name; saying so is the least a log can do.
 */
import type { ServerDurability } from "./options/wal-section.ts";

const SURVIVAL: Readonly<Record<ServerDurability, string>> = {
  fsync: "an answered write is on the device with its metadata and survives a power loss",
  fdatasync: "an answered write is on the device and survives a power loss",
  interval:
    "an answered write survives a crash of the process, and a power loss but for the last interval",
  async: "an answered write survives a crash of the process, not a power loss",
  memory: "an answered write is in memory only, until it is in Parquet",
  off: "nothing is logged; an answered write is in memory only, until it is in Parquet",
};

/** `type` of statfs(2) for file systems that forget everything at a reboot. */
const VOLATILE_FILE_SYSTEMS: ReadonlyMap<number, string> = new Map([
  [0x0102_1994, "tmpfs"],
  [0x8584_58f6, "ramfs"],
]);

/** Level and what it survives, for people. */
export function durabilityText(level: ServerDurability, fileSystemType: number): string {
  const volatile = VOLATILE_FILE_SYSTEMS.get(fileSystemType);
  if (volatile === undefined || level === "off") return `${level}: ${SURVIVAL[level]}`;
  return `${level} on ${volatile}: an answered write survives a restart of the process, not a reboot`;
}
