/**
 * What InfluxDB 1.x tools ask besides writing: who is there, what databases, tables and columns exist, and simple
 * SELECTs. `/ping` satisfies the influx command line and client libraries; `/query` answers a part of InfluxQL
 * (influxql-parser.ts) and points everybody else to SQL.
 */
import { ServerError } from "../errors.ts";
import type { ByteBudget } from "../byte-budget.ts";
import { runInfluxQuery, type InfluxQuerySource } from "../influxql/influx-query.ts";
import { WALNUT_VERSION } from "../package-version.ts";
import type { AnswerHeaders, Exchange } from "./exchange.ts";
import { answerQuery } from "./query-answer.ts";
import type { Route } from "./router.ts";
import { receiveText } from "./text-body.ts";

/** What the InfluxDB routes need. */
export interface InfluxRoutesOptions extends InfluxQuerySource {
  /** Where answers are accounted until the client has read them. */
  readonly answers: ByteBudget;
}

/** The InfluxDB line whose write API this server speaks; some clients parse the number. */
const INFLUXDB_VERSION = `1.8.10-walnut.${WALNUT_VERSION}`;
const VERSION_HEADERS: AnswerHeaders = {
  "X-Influxdb-Version": INFLUXDB_VERSION,
  "X-Influxdb-Build": "OSS",
};
const MAX_QUERY_BYTES = 65_536; // 64 KiB

/** `/ping` and `/query`. */
export function influxRoutes(context: InfluxRoutesOptions): readonly Route[] {
  function ping(exchange: Exchange): void {
    const verbose = exchange.parameter("verbose");
    if (verbose === undefined || verbose === "false" || verbose === "0") {
      exchange.noContent(VERSION_HEADERS);
      return;
    }
    exchange.json(200, JSON.stringify({ version: INFLUXDB_VERSION }), VERSION_HEADERS);
  }

  async function query(exchange: Exchange): Promise<void> {
    const text = exchange.parameter("q") ?? (await statementOfBody(exchange));
    if (text === undefined) {
      throw new ServerError("SERVER_INVALID_REQUEST", "the statement is missing: give it as ?q=…");
    }
    const [database, epoch] = [exchange.parameter("db"), exchange.parameter("epoch")];
    await answerQuery(exchange, { answers: context.answers, headers: VERSION_HEADERS }, (signal) =>
      runInfluxQuery(context, { text, database, epoch }, signal),
    );
  }

  const queryRoute = {
    path: "/query",
    access: "read",
    availability: "ready",
    handle: query,
  } as const;
  return [
    {
      name: "ping",
      method: "GET",
      path: "/ping",
      access: "public",
      availability: "always",
      handle: ping,
    },
    { name: "influx_query", method: "GET", ...queryRoute },
    { name: "influx_query", method: "POST", ...queryRoute },
  ];
}

async function statementOfBody(exchange: Exchange): Promise<string | undefined> {
  const type = exchange.header("content-type") ?? "";
  if (exchange.method !== "POST" || !type.startsWith("application/x-www-form-urlencoded")) {
    return undefined;
  }
  const body = await receiveText(exchange, MAX_QUERY_BYTES);
  return body === undefined ? undefined : (new URLSearchParams(body).get("q") ?? undefined);
}
