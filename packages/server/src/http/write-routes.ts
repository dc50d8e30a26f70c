/**
 * The routes that take line protocol and MessagePack: InfluxDB 1.x and 2.x writes, and our own spellings.
 *
 * They differ in where the database is named and in what an empty body means; the rest is ingest-service.ts.
 */
import { DEFAULT_INGEST_LIMITS } from "../ingest/ingest-limits.ts";
import { decodeLineProtocol } from "../ingest/line-protocol.ts";
import { decodeMessagePack } from "../ingest/messagepack.ts";
import { parsePrecision } from "../ingest/precision.ts";
import type { Exchange } from "./exchange.ts";
import {
  optionalDatabase,
  requiredDatabase,
  type IngestService,
  type IngestTarget,
} from "./ingest-service.ts";
import type { Route } from "./router.ts";

const limits = DEFAULT_INGEST_LIMITS;

/** The four routes. */
export function writeRoutes(service: IngestService): readonly Route[] {
  function route(name: string, path: string, locate: (exchange: Exchange) => IngestTarget): Route {
    return {
      name,
      path,
      method: "POST",
      access: "write",
      availability: "ready",
      handle: async (exchange) => {
        await service.serve(exchange, locate(exchange));
      },
    };
  }

  return [
    route("write_v1", "/write", (exchange) =>
      lines(exchange, { database: requiredDatabase(exchange, "db"), acceptsEmptyBody: true }),
    ),
    route("write_v2", "/api/v2/write", (exchange) =>
      lines(exchange, { database: requiredDatabase(exchange, "bucket"), acceptsEmptyBody: false }),
    ),
    route("write_line_protocol", "/api/v1/write/line-protocol", (exchange) =>
      lines(exchange, { database: optionalDatabase(exchange), acceptsEmptyBody: false }),
    ),
    route("write_messagepack", "/api/v1/write/msgpack", (exchange) => {
      const database = optionalDatabase(exchange);
      return {
        protocol: "messagepack",
        database,
        acceptsEmptyBody: false,
        decode: (body, nowNs) => decodeMessagePack(body, { database, nowNs, limits }),
      };
    }),
  ];
}

function lines(
  exchange: Exchange,
  target: Pick<IngestTarget, "database" | "acceptsEmptyBody">,
): IngestTarget {
  const { database } = target;
  return {
    ...target,
    protocol: "line_protocol",
    decode: (body, nowNs) => {
      const text = exchange.parameter("precision");
      const precision = text === undefined || text === "" ? "ns" : parsePrecision(text);
      return decodeLineProtocol(body, { database, precision, nowNs, limits });
    },
  };
}
