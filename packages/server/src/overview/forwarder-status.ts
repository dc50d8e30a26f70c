/**
 * What an agent (`walnut forward`) answers to `GET /v1/forward/status`, read with suspicion: another process wrote it,
 * perhaps of another version, perhaps something else altogether. Pure.
 */
import type { ForwarderStatus } from "@walnut/console";
import * as z from "zod";

const MAX_CATEGORIES = 1_000;
const MAX_TEXT = 300;

const count = z.number().min(0);
/** What an upstream has said may be in it: one line, and not a long one. */
const text = z
  .string()
  .transform((given) => given.replace(/[\p{Cc}\s]+/gu, " ").slice(0, MAX_TEXT));

const category = z.object({
  name: text,
  state: text,
  depth: count,
  depth_bytes: count,
  oldest_age_ms: count,
  put_items: count,
  put_items_per_second: count,
  shipped_items: count,
  items_per_second: count,
  requests: count,
  retries: count,
  refused_items: count,
  dropped: z.object({ oldest_records: count, newest_records: count }),
  dead_letters: count,
  last_failure: text.optional(),
});

const answer = z.object({
  to: text,
  state: z.enum(["running", "paused"]),
  directory: text,
  survives: text,
  warnings: z.array(text).max(MAX_CATEGORIES),
  depth: count,
  dead_letters: count,
  size_bytes: count,
  max_total_bytes: count,
  categories: z.array(category).max(MAX_CATEGORIES),
});

/** The status as the overview tells it; `undefined` where this is none. */
export function readForwarderStatus(value: unknown): ForwarderStatus | undefined {
  const parsed = answer.safeParse(value);
  if (!parsed.success) return undefined;
  const { data } = parsed;
  return {
    to: data.to,
    state: data.state,
    directory: data.directory,
    survives: data.survives,
    warnings: data.warnings,
    depth: data.depth,
    deadLetters: data.dead_letters,
    sizeBytes: data.size_bytes,
    maxTotalBytes: data.max_total_bytes,
    categories: data.categories.map((each) => ({
      name: each.name,
      state: each.state,
      depth: each.depth,
      depthBytes: each.depth_bytes,
      oldestAgeMs: each.oldest_age_ms,
      putItems: each.put_items,
      putItemsPerSecond: each.put_items_per_second,
      shippedItems: each.shipped_items,
      shippedItemsPerSecond: each.items_per_second,
      requests: each.requests,
      retries: each.retries,
      refusedItems: each.refused_items,
      droppedItems: each.dropped.oldest_records + each.dropped.newest_records,
      deadLetters: each.dead_letters,
      lastFailure: each.last_failure ?? null,
    })),
  };
}
