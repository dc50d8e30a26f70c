/**
 * DELETE over HTTP: `POST /api/v2/delete` as InfluxDB 2.x has it, and
 * `DELETE /api/v1/databases/{database}/measurements/{measurement}`.
 *
 * Asked of every worker, each of which deletes in its shards: all or nothing in each shard and table. Answered when
 * no query sees the rows and no start brings them back.
 */
import { z } from "zod";
import { ServerError } from "../errors.ts";
import type { ServerStorage } from "../server-storage.ts";
import { parseDeletePredicate, type TagCondition } from "../store/delete-criteria.ts";
import type { DeletionCounts } from "../store/row-deletion.ts";
import { everyAnswer, type Question, type WorkerGroup } from "../workers/worker-group.ts";
import type { Exchange } from "./exchange.ts";
import type { Route } from "./router.ts";
import { parseJsonBody, receiveText } from "./text-body.ts";
import { parseTimeNs } from "./time-parameter.ts";

/** What is deleted, as workers tell each other. Times are decimal nanoseconds. */
interface Deletion {
  readonly database: string;
  /** Every measurement of the database when it is left out. */
  readonly measurement?: string | undefined;
  readonly startNs?: string | undefined;
  /** First time that is not deleted. */
  readonly stopNs?: string | undefined;
  readonly tags: readonly TagCondition[];
}

const DELETE_ROWS: Question<Deletion, DeletionCounts> = { name: "delete-rows" };

/** Rewriting a year of files takes minutes. */
const DELETE_TIMEOUT_MS = 3_600_000;
const MAX_BODY_BYTES = 131_072; // 128 KiB

/** Body of `POST /api/v2/delete`. */
export const DELETE_BODY_SCHEMA: z.ZodType<{
  start: string;
  stop: string;
  predicate?: string | undefined;
}> = z.object({ start: z.string(), stop: z.string(), predicate: z.string().optional() });

export interface DeleteRoutesOptions {
  readonly storage: () => ServerStorage;
  readonly group: WorkerGroup;
}

/** Says how this worker answers. Once, at start. */
export function answerDelete({ storage, group }: DeleteRoutesOptions): void {
  group.answer(DELETE_ROWS, async (deletion) => {
    let total: DeletionCounts = { deletedRows: 0, droppedFiles: 0, rewrittenFiles: 0 };
    const { database, measurement, startNs, stopNs, tags } = deletion;
    const criteria = {
      startNs: startNs === undefined ? undefined : BigInt(startNs),
      stopNs: stopNs === undefined ? undefined : BigInt(stopNs),
      tags,
    };
    for (const { store } of storage().shards) {
      const measurements =
        measurement === undefined
          ? store.stats().tables.filter((table) => table.database === database)
          : [{ database, measurement }];
      for (const table of measurements) {
        total = sum(total, await store.dataLife.deleteRows(table, criteria));
      }
    }
    return total;
  });
}

/** The two routes; `admin` each. */
export function deleteRoutes({ group }: DeleteRoutesOptions): readonly Route[] {
  async function run(deletion: Deletion): Promise<DeletionCounts> {
    const { startNs, stopNs } = deletion;
    if (startNs !== undefined && stopNs !== undefined && BigInt(startNs) > BigInt(stopNs)) {
      throw invalid("start is later than stop");
    }
    const options = { timeoutMs: DELETE_TIMEOUT_MS };
    return everyAnswer(await group.askAll(DELETE_ROWS, deletion, options)).reduce(sum);
  }

  async function deleteV2(exchange: Exchange): Promise<void> {
    const database = exchange.parameter("bucket") ?? exchange.parameter("bucketID") ?? "";
    if (database === "") throw invalid("the database is missing: give it as ?bucket=NAME");
    const text = await receiveText(exchange, MAX_BODY_BYTES);
    if (text === undefined) return;
    const { start, stop, predicate } = parseJsonBody(
      text,
      DELETE_BODY_SCHEMA,
      '{"start": "…", "stop": "…"}',
    );
    const { measurement, tags } = parseDeletePredicate(predicate ?? "");
    const counts = await run({
      database,
      measurement,
      tags,
      startNs: String(parseTimeNs("start", start)),
      // InfluxDB deletes the last nanosecond too.
      stopNs: String(parseTimeNs("stop", stop) + 1n),
    });
    exchange.noContent({ "X-Walnut-Deleted-Rows": String(counts.deletedRows) });
  }

  async function deleteMeasurement(exchange: Exchange): Promise<void> {
    const [, , , , database = "", , measurement = ""] = exchange.path.split("/").map(decode);
    const start = exchange.parameter("start");
    const stop = exchange.parameter("stop");
    const { tags, ...named } = parseDeletePredicate(exchange.parameter("predicate") ?? "");
    if (named.measurement !== undefined && named.measurement !== measurement) {
      throw invalid("the predicate names another measurement than the path");
    }
    const counts = await run({
      database,
      measurement,
      tags,
      startNs: start === undefined ? undefined : String(parseTimeNs("start", start)),
      stopNs: stop === undefined ? undefined : String(parseTimeNs("stop", stop)),
    });
    const { deletedRows, droppedFiles, rewrittenFiles } = counts;
    exchange.json(
      200,
      JSON.stringify({
        success: true,
        deleted_rows: deletedRows,
        dropped_files: droppedFiles,
        rewritten_files: rewrittenFiles,
      }),
    );
  }

  const common = { access: "admin", availability: "ready" } as const;
  const measurementPath = "/api/v1/databases/{database}/measurements/{measurement}";
  return [
    { name: "delete_v2", method: "POST", path: "/api/v2/delete", ...common, handle: deleteV2 },
    {
      name: "delete_measurement",
      method: "DELETE",
      path: measurementPath,
      ...common,
      handle: deleteMeasurement,
    },
  ];
}

function decode(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch (error) {
    throw invalid(`${JSON.stringify(part)} in the path is not percent-encoded UTF-8`, error);
  }
}

function sum(a: DeletionCounts, b: DeletionCounts): DeletionCounts {
  return {
    deletedRows: a.deletedRows + b.deletedRows,
    droppedFiles: a.droppedFiles + b.droppedFiles,
    rewrittenFiles: a.rewrittenFiles + b.rewrittenFiles,
  };
}

function invalid(message: string, cause?: unknown): ServerError {
  return new ServerError("SERVER_INVALID_REQUEST", message, { cause });
}
