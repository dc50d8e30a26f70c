/**
 * The web console: static files at `/` and `/console/…`, the same for everybody.
 *
 * They hold no data, so they need no token and are served in every phase; all that they show comes from routes that do
 * need one. The policy lets the page run its own script and talk to its own server, and nothing else.
 */
import { ServerError } from "../errors.ts";
import type { ConsoleFile } from "./console-files.ts";
import type { AnswerHeaders, Exchange } from "./exchange.ts";
import type { Route } from "./router.ts";

/** What a browser may do for this page. */
export const CONSOLE_POLICY: string = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self'",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
  "require-trusted-types-for 'script'",
  "trusted-types 'none'",
].join("; ");

const COMMON_HEADERS: AnswerHeaders = {
  "Content-Security-Policy": CONSOLE_POLICY,
  "X-Content-Type-Options": "nosniff",
  "Referrer-Policy": "no-referrer",
  "Cross-Origin-Opener-Policy": "same-origin",
  "Cross-Origin-Resource-Policy": "same-origin",
  Vary: "Accept-Encoding",
};
const YEAR_SECONDS = 31_536_000;

/** A route for each file; without files one at `/` that says what is missing. */
export function consoleRoutes(files: readonly ConsoleFile[]): readonly Route[] {
  if (files.length === 0) return [route("/", notBuilt)];
  return files.map((file) => route(file.path, (exchange) => send(exchange, file)));
}

function route(path: string, handle: Route["handle"]): Route {
  return {
    name: "console",
    method: "GET",
    path,
    access: "public",
    availability: "always",
    handle,
  };
}

function notBuilt(): void {
  throw new ServerError("SERVER_NOT_FOUND", "the web console is not built; run: npm run build", {
    details: { path: "/" },
  });
}

function send(exchange: Exchange, file: ConsoleFile): void {
  const encoding = chooseEncoding(exchange.header("accept-encoding"));
  // Compressed forms are other bytes: each has a tag of its own.
  const tag = encoding === "identity" ? `"${file.tag}"` : `"${file.tag}-${encoding}"`;
  const headers = {
    ...COMMON_HEADERS,
    ETag: tag,
    "Cache-Control": file.isImmutable ? `public, max-age=${YEAR_SECONDS}, immutable` : "no-cache",
  };
  if (matches(exchange.header("if-none-match"), tag)) {
    exchange.notModified(headers);
    return;
  }
  exchange.bytes(
    200,
    file.contentType,
    file.bodies[encoding],
    encoding === "identity" ? headers : { ...headers, "Content-Encoding": encoding },
  );
}

/** The smallest form that the client takes. */
export function chooseEncoding(accepted: string | undefined): keyof ConsoleFile["bodies"] {
  const wanted = (accepted ?? "").split(",").flatMap((part) => {
    const [name = "", ...parameters] = part.split(";").map((word) => word.trim().toLowerCase());
    return parameters.some((parameter) => /^q=0(\.0*)?$/.test(parameter)) ? [] : [name];
  });
  if (wanted.includes("br")) return "br";
  return wanted.includes("gzip") ? "gzip" : "identity";
}

function matches(condition: string | undefined, tag: string): boolean {
  if (condition === undefined) return false;
  return condition.split(",").some((part) => part.trim().replace(/^W\//, "") === tag);
}
