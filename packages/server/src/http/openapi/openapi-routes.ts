/** `GET /api/v1/openapi.json`: the document of all routes, itself included. Public: it says nothing about the data. */
import { WALNUT_VERSION } from "../../package-version.ts";
import type { Route } from "../router.ts";
import { openApiDocument } from "./openapi-document.ts";

/** The route; made from all others. */
export function openApiRoutes(others: readonly Route[]): readonly Route[] {
  let text: string | undefined;
  const route: Route = {
    name: "openapi",
    method: "GET",
    path: "/api/v1/openapi.json",
    access: "public",
    availability: "always",
    handle: (exchange) => {
      text ??= JSON.stringify(openApiDocument([...others, route], WALNUT_VERSION));
      exchange.json(200, text);
    },
  };
  return [route];
}
