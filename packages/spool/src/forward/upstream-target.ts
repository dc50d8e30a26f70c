/**
 * Where the items of a category go: the address of a request, by the protocol of the upstream. Pure.
 */
import type { ItemAttributes } from "../item-record.ts";

/** `category`: `POST {upstream}/v1/write/{category}`. `line-protocol`: `POST {upstream}/api/v2/write?bucket=…`, as Walnut and InfluxDB take it. */
export type SettledProtocol = "category" | "line-protocol";

/** `auto`: line protocol where the upstream says on `/ping` that it is one of those, before the first request. */
export const UPSTREAM_PROTOCOLS = ["auto", "category", "line-protocol"] as const;
export type UpstreamProtocol = (typeof UPSTREAM_PROTOCOLS)[number];

/** Attribute with the query of the request that an item came by, such as `bucket=b&precision=s`. */
export const QUERY_ATTRIBUTE = "query";

export interface TargetOptions {
  /** Base address; its own query goes with every request. */
  readonly url: string;
  readonly protocol: SettledProtocol;
  /** `line-protocol`: where items go that name no database. Without it: the name of their category. */
  readonly bucket?: string | undefined;
  readonly org?: string | undefined;
}

/** How the two generations of the protocol spell a precision. */
const PRECISIONS: ReadonlyMap<string, string> = new Map([
  ["n", "ns"],
  ["u", "us"],
  ["µ", "us"],
]);

/** The address of a request. */
export function targetUrl(
  options: TargetOptions,
  category: string,
  attributes: ItemAttributes,
): URL {
  const base = new URL(options.url);
  const query = new URLSearchParams(attributes[QUERY_ATTRIBUTE] ?? "");
  const folder = base.pathname.replace(/\/+$/, "");
  if (options.protocol === "category") {
    base.pathname = `${folder}/v1/write/${encodeURIComponent(category)}`;
    for (const [name, value] of query) base.searchParams.append(name, value);
    return base;
  }
  base.pathname = `${folder}/api/v2/write`;
  const bucket = query.get("bucket") ?? query.get("db") ?? options.bucket ?? category;
  const org = query.get("org") ?? options.org;
  const precision = query.get("precision");
  base.searchParams.set("bucket", bucket);
  if (org !== undefined && org !== "") base.searchParams.set("org", org);
  if (precision !== null && precision !== "") {
    base.searchParams.set("precision", PRECISIONS.get(precision) ?? precision);
  }
  return base;
}
