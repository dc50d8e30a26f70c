/**
 * The agent: a forwarder with an HTTP port for producers on the same host. A write is answered when its item is spooled.
 */
import { createHash, timingSafeEqual } from "node:crypto";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { isWalError } from "@walnut/wal";
import { isSpoolError, SpoolError, type SpoolErrorCode } from "../errors.ts";
import { checkForwarderOptions, openForwarder, type Forwarder } from "../forward/forwarder.ts";
import type { ForwarderOptions } from "../forward/forwarder-options.ts";
import { AgentRequest } from "./agent-request.ts";
import { agentRoutes, type AgentRoute } from "./agent-routes.ts";

export interface ForwardAgentOptions extends ForwarderOptions {
  /** Where to listen: `127.0.0.1:9529`; port 0 lets the system choose. */
  readonly listen: string;
  /** What every request but those for health and metrics must carry as `Authorization: Bearer` or `Token`. Default none. */
  readonly listenToken?: string | undefined;
  /** Told of answers that are the agent's own fault. */
  readonly onError?: ((error: unknown) => void) | undefined;
}

const STATUS: Readonly<Record<SpoolErrorCode, number>> = {
  SPOOL_INVALID_OPTION: 400,
  SPOOL_CLOSED: 503,
  SPOOL_UNKNOWN_CATEGORY: 404,
  SPOOL_CORRUPT: 500,
  SPOOL_INVALID_REQUEST: 400,
  SPOOL_NOT_FOUND: 404,
  SPOOL_UNAUTHORIZED: 401,
  SPOOL_OVERLOADED: 503,
  SPOOL_INTERNAL: 500,
  SPOOL_ITEM_TOO_LARGE: 413,
};
/** Longest time that a producer may take for one request, in milliseconds. */
const MAX_RECEIVING_MS = 60_000;
const LISTEN_PATTERN = /^(?:\[([0-9a-f:.]+)\]|([^:[\]]+)):(\d{1,5})$/i;
const OPEN_PATHS = ["/health", "/ping", "/v1/ping", "/metrics"];

/**
 * Opens the forwarder and begins to listen.
 *
 * @throws {SpoolError} `SPOOL_INVALID_OPTION`; as `openForwarder`; the system's error when the address cannot be had
 */
export async function openForwardAgent(options: ForwardAgentOptions): Promise<ForwardAgent> {
  const address = parseListen(options.listen);
  const forwarder = await openForwarder(options);
  const agent = new ForwardAgent(forwarder, options);
  try {
    await agent.listen(address);
    return agent;
  } catch (error) {
    await agent.close();
    throw error;
  }
}

/**
 * Refuses options that {@link openForwardAgent} would refuse, and makes nothing.
 *
 * @throws {SpoolError} `SPOOL_INVALID_OPTION`
 */
export function checkForwardAgentOptions(options: ForwardAgentOptions): void {
  parseListen(options.listen);
  checkForwarderOptions(options);
}

/** An agent that is listening. */
export class ForwardAgent {
  readonly forwarder: Forwarder;
  readonly #options: ForwardAgentOptions;
  readonly #routes: readonly AgentRoute[];
  readonly #server: Server;
  #closing: Promise<void> | undefined;

  /** @internal use {@link openForwardAgent} */
  constructor(forwarder: Forwarder, options: ForwardAgentOptions) {
    this.forwarder = forwarder;
    this.#options = options;
    this.#routes = agentRoutes(forwarder, options.spool.durability ?? "fdatasync");
    this.#server = createServer((request, response) => void this.#serve(request, response));
    this.#server.requestTimeout = MAX_RECEIVING_MS;
  }

  /** @internal */
  async listen(address: { readonly host: string; readonly port: number }): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      this.#server.once("error", reject);
      this.#server.listen(address, () => {
        this.#server.off("error", reject);
        resolve();
      });
    });
  }

  /** `http://127.0.0.1:9529` */
  get url(): string {
    // Listening on an address, not on a socket file.
    const { address, family, port } = this.#server.address() as AddressInfo;
    return `http://${family === "IPv6" ? `[${address}]` : address}:${port}`;
  }

  /** Answers what is being asked, then closes the forwarder. Idempotent. */
  close(): Promise<void> {
    this.#closing ??= this.#closeOnce();
    return this.#closing;
  }

  async #closeOnce(): Promise<void> {
    const isClosed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    this.#server.closeIdleConnections();
    // Whoever waits for room would wait for ever: closing refuses them, and their connections end.
    await this.forwarder.close();
    this.#server.closeAllConnections();
    await isClosed;
  }

  async #serve(message: IncomingMessage, response: ServerResponse): Promise<void> {
    const request = new AgentRequest(message, response);
    try {
      const { route, id } = this.#find(request);
      this.#authorize(request, route);
      await route.handle(request, id);
    } catch (error) {
      if (message.destroyed && !message.complete) return; // The producer has gone: nobody to tell.
      if (!response.headersSent) this.#refuse(request, error);
      else response.destroy();
    }
  }

  #find(request: AgentRequest): { readonly route: AgentRoute; readonly id: string } {
    for (const route of this.#routes) {
      const id = matchPath(route.path, request.path);
      if (route.method === request.method && id !== undefined) return { route, id };
    }
    throw new SpoolError("SPOOL_NOT_FOUND", `there is no ${request.method} ${request.path}`, {
      details: { path: request.path },
    });
  }

  #authorize(request: AgentRequest, route: AgentRoute): void {
    const { listenToken } = this.#options;
    const [, given = ""] =
      /^(?:Bearer|Token) +(\S+)$/i.exec(request.header("authorization") ?? "") ?? [];
    if (listenToken !== undefined) {
      if (OPEN_PATHS.includes(route.path) || isSame(given, listenToken)) return;
      throw new SpoolError("SPOOL_UNAUTHORIZED", "a token is wanted: Authorization: Bearer TOKEN");
    }
    // Without a token any page in a browser on this host could throw the switch.
    if (route.isControl && request.header("origin") !== undefined) {
      throw new SpoolError(
        "SPOOL_UNAUTHORIZED",
        "not for pages in browsers without a listen token",
      );
    }
  }

  #refuse(request: AgentRequest, error: unknown): void {
    if (isSpoolError(error)) {
      request.failure(STATUS[error.code], error);
      return;
    }
    if (isWalError(error)) {
      const isTooLarge = error.code === "WAL_RECORD_TOO_LARGE";
      request.failure(isTooLarge ? 413 : 503, error);
      return;
    }
    this.#options.onError?.(error);
    request.failure(500, new SpoolError("SPOOL_INTERNAL", "the agent has failed; see its log"));
  }
}

/** The part of a path that `:id` stands for, "" where the pattern has none, `undefined` where it does not match. */
function matchPath(pattern: string, path: string): string | undefined {
  const wanted = pattern.split("/");
  const found = path.split("/");
  if (wanted.length !== found.length) return undefined;
  let id = "";
  for (const [index, part] of wanted.entries()) {
    if (part === ":id") id = decoded(found[index] ?? "");
    else if (part !== found[index]) return undefined;
  }
  return id;
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text; // No name of anything, and told as it is.
  }
}

function isSame(given: string, wanted: string): boolean {
  const digest = (text: string): Buffer => createHash("sha256").update(text).digest();
  return timingSafeEqual(digest(given), digest(wanted));
}

function parseListen(listen: string): { readonly host: string; readonly port: number } {
  const [, v6, name, port] = LISTEN_PATTERN.exec(listen) ?? [];
  const host = v6 ?? name;
  if (host !== undefined && Number(port) <= 65_535) return { host, port: Number(port) };
  throw new SpoolError(
    "SPOOL_INVALID_OPTION",
    `option listen must be HOST:PORT, found "${listen}"`,
    { details: { option: "listen" } },
  );
}
