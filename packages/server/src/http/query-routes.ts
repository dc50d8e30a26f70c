/**
 * SQL over HTTP: `POST /api/v1/query` with `{"sql": "…"}`.
 *
 * A query sees every row whose write was answered before it began. When the client goes away the query
 * is cancelled.
 */
import type { ByteBudget } from "../byte-budget.ts";
import { ServerError } from "../errors.ts";
import type { QueryResult } from "../store/table-store.ts";
import type { Exchange } from "./exchange.ts";
import { answerQuery } from "./query-answer.ts";
import type { Route } from "./router.ts";
import { receiveText } from "./text-body.ts";

/** Runs SQL. */
export interface QueryRunner {
  query(sql: string, options: { readonly signal: AbortSignal }): Promise<QueryResult>;
  /** Where the bodies of requests are accounted. */
  readonly bodies: ByteBudget;
  /** Where answers are accounted, from when they are made until the client has read them. */
  readonly answers: ByteBudget;
}

/** Largest query body, in bytes. */
export const MAX_QUERY_BODY_BYTES = 1_048_576; // 1 MiB

const DURATION_DECIMALS = 3;

/** `/api/v1/query`. */
export function queryRoutes(runner: QueryRunner): readonly Route[] {
  async function query(exchange: Exchange): Promise<void> {
    const text = await receiveText(
      exchange,
      MAX_QUERY_BODY_BYTES,
      runner.bodies.lease(exchange.share),
    );
    if (text === undefined) return;
    const sql = parseQueryRequest(text);
    await answerQuery(exchange, { answers: runner.answers }, async (signal) =>
      resultJson(await runner.query(sql, { signal })),
    );
  }
  return [
    {
      name: "query",
      method: "POST",
      path: "/api/v1/query",
      access: "read",
      availability: "ready",
      handle: query,
    },
  ];
}

/** The SQL of a request. */
function parseQueryRequest(text: string): string {
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch (error) {
    throw badRequest('the body is not JSON; expected {"sql": "SELECT …"}', error);
  }
  if (typeof parsed !== "object" || parsed === null || !("sql" in parsed)) {
    throw badRequest('the field "sql" is missing; expected {"sql": "SELECT …"}');
  }
  if (typeof parsed.sql !== "string" || parsed.sql.trim() === "") {
    throw badRequest('the field "sql" must be text and not empty');
  }
  return parsed.sql;
}

/** The store has made every value one that JSON writes without loss. */
function resultJson(result: QueryResult): string {
  return JSON.stringify({
    success: true,
    columns: result.columns.map((column) => column.name),
    types: result.columns.map((column) => column.type),
    data: result.rows,
    row_count: result.rowCount,
    execution_time_ms: Number(result.durationMs.toFixed(DURATION_DECIMALS)),
  });
}

function badRequest(message: string, cause?: unknown): ServerError {
  return new ServerError("SERVER_INVALID_REQUEST", message, { cause });
}
