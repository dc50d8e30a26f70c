/**
 * Records of a series log as points and what happens to regions: lines for people, JSON objects for programs. Pure.
 */
import type { StreamEvent } from "@walnut/series";
import { preview, utf8Text } from "./record-text.ts";
import type { Terminal } from "./terminal.ts";

/** Longest part of a value on a line. */
const PREVIEW_WIDTH = 60;

/** A line for each point, and one for each restart and release. */
export function* eventLines(
  event: StreamEvent | undefined,
  terminal: Terminal,
): Generator<{ head: string; line: string }> {
  if (event === undefined || event.kind === "file") return;
  const { kind, region } = event;
  if (kind === "released") {
    yield { head: `region ${region}`, line: "released" };
    return;
  }
  const head = `region ${region} of ${event.memtableId}`;
  if (kind === "restart") yield { head, line: "begins anew" };
  else {
    for (const { seriesId, timestamp, value } of pointsOf(event)) {
      yield {
        head,
        line: `${seriesId} @ ${timestamp}  ${preview(value, PREVIEW_WIDTH, terminal)}`,
      };
    }
  }
}

/** As {@link eventLines}. Ids and timestamps are decimal strings; `text` is there when the value is UTF-8. */
export function* eventObjects(event: StreamEvent | undefined): Generator<object> {
  if (event === undefined || event.kind === "file") return;
  const { kind, region } = event;
  if (kind === "released") {
    yield { kind, region };
    return;
  }
  const { memtableId } = event;
  if (kind === "restart") {
    yield { kind, region, memtableId };
    return;
  }
  for (const { seriesId, timestamp, value } of pointsOf(event)) {
    const text = utf8Text(value);
    yield {
      kind: event.isCarried ? "carried" : "point",
      region,
      memtableId,
      seriesId: String(seriesId),
      timestamp: String(timestamp),
      ...(text === undefined ? {} : { text }),
      base64: Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString("base64"),
    };
  }
}

function* pointsOf({ entries }: StreamEvent & { readonly kind: "points" }): Generator<{
  readonly seriesId: bigint;
  readonly timestamp: bigint;
  readonly value: Uint8Array;
}> {
  for (const { seriesId, timestamps, values } of entries) {
    for (const [index, value] of values.entries()) {
      yield { seriesId, timestamp: timestamps[index] ?? 0n, value };
    }
  }
}
