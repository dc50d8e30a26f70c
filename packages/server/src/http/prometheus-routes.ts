/**
 * Prometheus remote-write as a way in: `POST /api/v1/write`, and the path that InfluxDB 1.x gave it.
 *
 * Version 1.0 of the protocol. Prometheus drops what is answered 4xx and sends again what is answered 5xx, so
 * a body that is wrong must be 4xx, and one that could be stored later must not be.
 */
import { ServerError } from "../errors.ts";
import { DEFAULT_INGEST_LIMITS } from "../ingest/ingest-limits.ts";
import { decodeRemoteWrite } from "../ingest/remote-write.ts";
import type { Exchange } from "./exchange.ts";
import { optionalDatabase, type IngestService } from "./ingest-service.ts";
import type { Route } from "./router.ts";
import { decodeSnappyBlock } from "./snappy-body.ts";

const PATHS = ["/api/v1/write", "/api/v1/prom/write"];
const MESSAGE_V1 = "prometheus.writerequest";

/** The remote-write routes. */
export function prometheusRoutes(service: IngestService): readonly Route[] {
  async function serve(exchange: Exchange): Promise<void> {
    assertProtocol(exchange);
    const database = optionalDatabase(exchange, "db", "bucket");
    let staleMarkers = 0;
    let exemplars = 0;
    const isAccepted = await service.serve(exchange, {
      protocol: "remote_write",
      database,
      acceptsEmptyBody: false,
      decompress: decodeSnappyBlock,
      decode: (body) => {
        const limits = DEFAULT_INGEST_LIMITS;
        const result = decodeRemoteWrite(body, { database, limits });
        ({ staleMarkers, exemplars } = result);
        return result.batch;
      },
    });
    if (!isAccepted) return;
    service.observer.observeDropped("stale_marker", staleMarkers);
    service.observer.observeDropped("exemplar", exemplars);
  }

  return PATHS.map((path) => ({
    name: "write_prometheus",
    method: "POST",
    path,
    access: "write",
    availability: "ready",
    handle: serve,
  }));
}

/** @throws {ServerError} `SERVER_UNSUPPORTED_ENCODING`: the sender may fall back to version 1.0 */
function assertProtocol(exchange: Exchange): void {
  const encoding = exchange.header("content-encoding") ?? "snappy";
  if (encoding.trim().toLowerCase() !== "snappy") {
    throw unsupported(`content encoding ${JSON.stringify(encoding)}`, { encoding });
  }
  const type = exchange.header("content-type") ?? "application/x-protobuf";
  const [media = "", ...parameters] = type.toLowerCase().split(";");
  const message = parameters
    .map((parameter) => parameter.trim().split("="))
    .find(([name]) => name === "proto")?.[1];
  if (media.trim() === "application/x-protobuf" && (message ?? MESSAGE_V1) === MESSAGE_V1) return;
  throw unsupported(`content type ${JSON.stringify(type)}`, { type });
}

function unsupported(what: string, details: Readonly<Record<string, string>>): ServerError {
  return new ServerError(
    "SERVER_UNSUPPORTED_ENCODING",
    `${what} is not supported: this route takes Prometheus remote-write 1.0, snappy-compressed ` +
      "application/x-protobuf; line protocol goes to /api/v1/write/line-protocol",
    { details },
  );
}
