/**
 * What a forwarder says about itself: plain data for the status command, its HTTP routes and metrics.
 */
import type { DropReport } from "@walnut/wal";
import type { Spool } from "../spool.ts";
import type { CategoryShipper, ShipperStatus } from "./category-shipper.ts";
import type { DeadLetters } from "./dead-letters.ts";

/** One category, from putting to shipping. */
export interface ForwardedCategory extends ShipperStatus {
  readonly name: string;
  /** Items that are not shipped, and their bytes on disk, nearly. */
  readonly depth: number;
  readonly depthBytes: number;
  /** Age of the oldest of them; 0 without one. */
  readonly oldestAgeMs: number;
  readonly putItems: number;
  readonly putBytes: number;
  /** Items taken a second, over the last ten; those shipped are `itemsPerSecond`. */
  readonly putItemsPerSecond: number;
  readonly refusedItems: number;
  readonly sizeBytes: number;
  readonly deadLetters: number;
  readonly dropped: DropReport;
}

export interface ForwarderStatus {
  readonly to: string;
  readonly state: "running" | "paused";
  readonly directory: string;
  /** What an item survives whose put has been answered, in words. */
  readonly survives: string;
  readonly warnings: readonly string[];
  readonly depth: number;
  readonly deadLetters: number;
  readonly sizeBytes: number;
  readonly maxTotalBytes: number;
  readonly categories: readonly ForwardedCategory[];
}

/** What a status is made of. */
export interface ForwarderFacts {
  readonly to: string;
  readonly isPaused: boolean;
  readonly spool: Spool;
  readonly shippers: readonly CategoryShipper[];
  readonly deadLetters: DeadLetters;
  /** Items a second that a category takes. */
  readonly putItemsPerSecond: (category: string) => number;
  readonly nowMs: number;
}

/** A status as of now. */
export async function forwarderStatus(facts: ForwarderFacts): Promise<ForwarderStatus> {
  const { spool, shippers, deadLetters } = facts;
  const { directory, survives, warnings, sizeBytes, maxTotalBytes } = spool.status();
  const categories = await Promise.all(
    shippers.map(async (shipper) => await categoryStatus(shipper, facts)),
  );
  return {
    to: withoutSecrets(facts.to),
    state: facts.isPaused ? "paused" : "running",
    directory,
    survives,
    warnings,
    depth: categories.reduce((sum, { depth }) => sum + depth, 0),
    deadLetters: deadLetters.size,
    sizeBytes,
    maxTotalBytes,
    categories,
  };
}

async function categoryStatus(
  shipper: CategoryShipper,
  facts: ForwarderFacts,
): Promise<ForwardedCategory> {
  const { category, depth } = shipper;
  const { name, putItems, putBytes, refusedItems, sizeBytes, dropped } = category.status();
  const oldestMs = depth === 0 ? undefined : await shipper.oldestPutAtMs();
  return {
    name,
    depth,
    depthBytes: depth === 0 ? 0 : category.pendingBytes,
    oldestAgeMs: oldestMs === undefined ? 0 : Math.max(0, facts.nowMs - oldestMs),
    putItems,
    putBytes,
    putItemsPerSecond: facts.putItemsPerSecond(name),
    refusedItems,
    sizeBytes,
    dropped,
    deadLetters: facts.deadLetters.countOf(name),
    ...shipper.status(),
  };
}

/** An address may carry a token in its query, or a password. */
function withoutSecrets(to: string): string {
  const url = new URL(to);
  url.search = "";
  url.username = "";
  url.password = "";
  return url.href.replace(/\/$/, "");
}
