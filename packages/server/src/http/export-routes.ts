/**
 * Export over HTTP: `GET /api/v1/export?db&measurement&start&stop&format=lp|jsonl|csv`, streamed.
 *
 * Every row whose write was answered before is in it, once. An export that fails after its first byte cuts the
 * connection, so that a part is never taken for the whole.
 */
import { once } from "node:events";
import { ServerError } from "../errors.ts";
import type { ServerLogger } from "../server-options.ts";
import type { ServerStorage } from "../server-storage.ts";
import type { WorkerGroup } from "../workers/worker-group.ts";
import type { Exchange } from "./exchange.ts";
import { EXPORT_FORMATS, rowFormatter, type ExportFormat } from "./export-format.ts";
import type { Route } from "./router.ts";
import { parseTimeNs } from "./time-parameter.ts";

/** Each export holds a thread of the process's pool. */
const MAX_EXPORTS = 2;

export interface ExportRoutesOptions {
  readonly storage: () => ServerStorage;
  readonly group: WorkerGroup;
  readonly logger: Pick<ServerLogger, "error">;
}

/** The route. */
export function exportRoutes({ storage, group, logger }: ExportRoutesOptions): readonly Route[] {
  let running = 0;

  async function serve(exchange: Exchange): Promise<void> {
    if (group.workers > 1) {
      throw new ServerError("SERVER_INVALID_REQUEST", "an export needs a server with one worker");
    }
    if (running >= MAX_EXPORTS) {
      throw new ServerError(
        "SERVER_OVERLOADED",
        `${MAX_EXPORTS} exports are running; try again later`,
      );
    }
    running++;
    try {
      await exportTo(exchange, storage(), logger);
    } finally {
      running--;
    }
  }

  return [
    {
      name: "export",
      method: "GET",
      path: "/api/v1/export",
      access: "read",
      availability: "ready",
      handle: serve,
    },
  ];
}

async function exportTo(
  exchange: Exchange,
  storage: ServerStorage,
  logger: ExportRoutesOptions["logger"],
): Promise<void> {
  const table = {
    database: required(exchange, "db"),
    measurement: required(exchange, "measurement"),
  };
  const format = formatOf(exchange);
  const [start, stop] = [exchange.parameter("start"), exchange.parameter("stop")];
  const range = {
    startNs: start === undefined ? undefined : parseTimeNs("start", start),
    stopNs: stop === undefined ? undefined : parseTimeNs("stop", stop),
  };
  const { response } = exchange;
  let hasBegun = false;
  try {
    for (const { store } of storage.shards) {
      const rows = await store.dataLife.export(table, range);
      if (rows === undefined) continue;
      const formatter = rowFormatter(format, table.measurement, rows.schema);
      if (!hasBegun) response.setHeader("Content-Type", formatter.contentType);
      let text = hasBegun ? "" : formatter.head;
      for await (const chunk of rows.chunks) {
        text += formatter.format(chunk);
        hasBegun = true;
        if (!response.write(text)) await drained(exchange);
        text = "";
        if (response.destroyed) return;
      }
      if (text !== "") response.write(text);
      hasBegun = true;
    }
  } catch (error) {
    if (!hasBegun) throw error;
    // The client has a part of it: only a cut connection says that it is one.
    const { database, measurement } = table;
    const reason = error instanceof Error ? error.message : String(error);
    logger.error(`an export was cut: ${reason}`, { database, measurement });
    response.destroy();
    return;
  }
  if (!hasBegun) throw notFound(table);
  response.end();
}

async function drained({ response }: Exchange): Promise<void> {
  const stop = new AbortController();
  const { signal } = stop;
  try {
    await Promise.race([once(response, "drain", { signal }), once(response, "close", { signal })]);
  } finally {
    stop.abort();
  }
}

function required(exchange: Exchange, name: string): string {
  const value = exchange.parameter(name);
  if (value !== undefined && value !== "") return value;
  throw new ServerError("SERVER_INVALID_REQUEST", `${name} is missing: give it as ?${name}=NAME`);
}

function formatOf(exchange: Exchange): ExportFormat {
  const text = exchange.parameter("format") ?? "lp";
  const format = EXPORT_FORMATS.find((each) => each === text);
  if (format !== undefined) return format;
  throw new ServerError(
    "SERVER_INVALID_REQUEST",
    `format is ${JSON.stringify(text)}; expected one of ${EXPORT_FORMATS.join(", ")}`,
  );
}

function notFound({
  database,
  measurement,
}: {
  database: string;
  measurement: string;
}): ServerError {
  return new ServerError("SERVER_NOT_FOUND", `there is no table "${database}"."${measurement}"`, {
    details: { database, measurement },
  });
}
