/**
 * openSpool: the composition root. Options, then the budget, then the categories. The only place where disk, clock and randomness come in.
 *
 * Every category is opened, because a guarantee counts only while its log is open; one without items costs its lock file.
 */
import { CapacityGroup, nodeEnvironment, type WalEnvironment } from "@walnut/wal";
import { resolveSpoolOptions, type SpoolOptions } from "./options.ts";
import { openCategory, type SpoolCategory } from "./spool-category.ts";
import { Spool } from "./spool.ts";

/**
 * Opens a spool, recovers its categories and takes their locks. Everything that was put before is there.
 *
 * @throws {SpoolError} `SPOOL_INVALID_OPTION`; {@link WalError} `WAL_LOCKED` when another process has it open, `WAL_CORRUPT`, `WAL_IO`
 */
export async function openSpool(options: SpoolOptions): Promise<Spool> {
  return await openSpoolWith(nodeEnvironment(), options);
}

/** As {@link openSpool}, in a given environment: for simulated disks and clocks. */
export async function openSpoolWith(
  environment: WalEnvironment,
  options: SpoolOptions,
): Promise<Spool> {
  // What is wrong with the options is told before anything is made.
  resolveSpoolOptions(options, 0);
  await environment.storage.ensureDirectory(options.directory);
  const { totalBytes } = await environment.storage.describeVolume(options.directory);
  const resolved = resolveSpoolOptions(options, totalBytes);
  const group = new CapacityGroup({ maxBytes: resolved.maxTotalBytes });
  const categories = new Map<string, SpoolCategory>();
  try {
    for (const category of resolved.categories) {
      const opened = await openCategory(environment, resolved, { category, group });
      categories.set(category.name, opened);
    }
  } catch (error) {
    await Promise.allSettled([...categories.values()].map((each) => each.close()));
    throw error;
  }
  return new Spool({ options: resolved, group, categories });
}
