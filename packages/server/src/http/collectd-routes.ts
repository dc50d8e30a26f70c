/** collectd's `write_http` as a way in: `POST /api/v1/collectd`, `Format "JSON"`. */
import { decodeCollectd } from "../ingest/collectd.ts";
import { DEFAULT_INGEST_LIMITS } from "../ingest/ingest-limits.ts";
import { optionalDatabase, type IngestService } from "./ingest-service.ts";
import type { Route } from "./router.ts";

/** The one route of collectd. */
export function collectdRoutes(service: IngestService): readonly Route[] {
  return [
    {
      name: "write_collectd",
      method: "POST",
      path: "/api/v1/collectd",
      access: "write",
      availability: "ready",
      handle: async (exchange) => {
        const database = optionalDatabase(exchange, "db", "bucket");
        await service.serve(exchange, {
          protocol: "collectd",
          database,
          acceptsEmptyBody: false,
          decode: (body) => decodeCollectd(body, { database, limits: DEFAULT_INGEST_LIMITS }),
        });
      },
    },
  ];
}
