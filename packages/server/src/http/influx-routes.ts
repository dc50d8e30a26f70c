/**
 * What InfluxDB 1.x tools ask besides writing: who is there, and which databases exist.
 *
 * `/ping` satisfies the influx command line and client libraries. `/query` is not InfluxQL: it answers the
 * two statements that tools send before they write, and points everybody else to SQL.
 */
import { ServerError } from "../errors.ts";
import { ByteBudget } from "../byte-budget.ts";
import { WALNUT_VERSION } from "../package-version.ts";
import type { AnswerHeaders, Exchange } from "./exchange.ts";
import { readBody } from "./request-body.ts";
import type { Route } from "./router.ts";

/** What the InfluxDB routes need. */
export interface InfluxRoutesOptions {
  /** Names of the databases that hold rows. */
  readonly listDatabases: () => Promise<readonly string[]>;
}

/** The InfluxDB line whose write API this server speaks; some clients parse the number. */
const INFLUXDB_VERSION = `1.8.10-walnut.${WALNUT_VERSION}`;
const VERSION_HEADERS: AnswerHeaders = {
  "X-Influxdb-Version": INFLUXDB_VERSION,
  "X-Influxdb-Build": "OSS",
};
const MAX_QUERY_BYTES = 65_536; // 64 KiB
const SHOW_DATABASES = /^\s*show\s+databases\s*;?\s*$/i;
const CREATE_DATABASE = /^\s*create\s+database\s+("[^"]+"|\S+)[^;]*;?\s*$/i;

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
    const statement = exchange.parameter("q") ?? (await statementOfBody(exchange));
    if (statement !== undefined && SHOW_DATABASES.test(statement)) {
      exchange.json(200, showDatabases(await context.listDatabases()), VERSION_HEADERS);
      return;
    }
    if (statement !== undefined && CREATE_DATABASE.test(statement)) {
      // A database begins with its first write, so there is nothing to create.
      exchange.json(200, JSON.stringify({ results: [{ statement_id: 0 }] }), VERSION_HEADERS);
      return;
    }
    throw new ServerError(
      "SERVER_INVALID_QUERY",
      "only SHOW DATABASES and CREATE DATABASE are answered here; send SQL to POST /api/v1/query",
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
  exchange.continueBody();
  const lease = new ByteBudget(MAX_QUERY_BYTES).lease();
  const body = await readBody(exchange.request, { maxBytes: MAX_QUERY_BYTES, lease });
  if (body === undefined) return undefined;
  return new URLSearchParams(Buffer.from(body).toString("utf8")).get("q") ?? undefined;
}

function showDatabases(names: readonly string[]): string {
  const series =
    names.length === 0
      ? { name: "databases", columns: ["name"] }
      : { name: "databases", columns: ["name"], values: names.map((name) => [name]) };
  return JSON.stringify({ results: [{ statement_id: 0, series: [series] }] });
}
