/**
 * What records mean to those who wrote them, for `--decode`: rows of the ingest server, points of a series log.
 *
 * The packages that know are loaded when they are asked for.
 */
import type { StreamEvent } from "@walnut/series";
import type { LogRecords } from "@walnut/wal";
import { CommandFailure } from "./command-failure.ts";
import { EXIT_USAGE } from "./exit-code.ts";
import { rowLines, rowObjects, type IngestRows } from "./ingest-rows.ts";
import { eventLines, eventObjects } from "./series-records.ts";
import type { Terminal } from "./terminal.ts";

type WalRecord = LogRecords["records"][number];

/** Something that a record says, for people: where it belongs, and what it is. */
export interface DecodedLine {
  readonly head: string;
  readonly line: string;
}

/** Is given every record in order; most need those before them. */
export interface RecordDecoder {
  /** For messages: what a record should be. */
  readonly what: string;
  /** What later records need of one that is not shown. */
  skip(record: WalRecord): void;
  lines(record: WalRecord, terminal: Terminal): Iterable<DecodedLine>;
  objects(record: WalRecord): Iterable<object>;
}

/** What can be decoded. */
export const DECODERS = ["ingest", "series"] as const;

/** @throws {CommandFailure} when this installation has none of this name */
export async function loadDecoder(name: string): Promise<RecordDecoder> {
  return name === "series" ? await seriesDecoder() : await ingestDecoder();
}

async function ingestDecoder(): Promise<RecordDecoder> {
  const server: Readonly<Record<string, unknown>> = await import("@walnut/server");
  const decode = server["decodeWriteRecord"];
  if (typeof decode !== "function") {
    throw new CommandFailure(
      EXIT_USAGE,
      "--decode ingest: the installed server cannot decode records",
    );
  }
  // The function of that name has this shape: docs/ingest-record-format.md.
  const decodeRecord = decode as (payload: Uint8Array) => { readonly batch: IngestRows };
  return {
    what: "request of the ingest server",
    skip: () => undefined,
    lines: function* ({ payload }) {
      for (const { database, line } of rowLines(decodeRecord(payload).batch)) {
        yield { head: database, line };
      }
    },
    objects: ({ payload }) => rowObjects(decodeRecord(payload).batch),
  };
}

async function seriesDecoder(): Promise<RecordDecoder> {
  const { StreamDecoder } = await import("@walnut/series");
  let stream: { take(record: WalRecord): StreamEvent | undefined } | undefined;
  const take = (record: WalRecord): StreamEvent | undefined => {
    // A log begins with a file; where damage comes later, points count again from the next one on.
    if (stream === undefined) new StreamDecoder(record.lsn, false).take(record);
    stream ??= new StreamDecoder(record.lsn, true);
    return stream.take(record);
  };
  return {
    what: "record of a series log",
    skip: (record) => void take(record),
    lines: (record, terminal) => eventLines(take(record), terminal),
    objects: (record) => eventObjects(take(record)),
  };
}
