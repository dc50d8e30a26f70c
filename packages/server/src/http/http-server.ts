/**
 * The listening socket: node:http or node:https with its limits set, and nothing of ours in between.
 *
 * Limits against slow and large clients (connections, header bytes, header time, request time, idle time) are those of
 * node:http; what it says of requests that break them is answered in broken-request.ts. Knows nothing of routes.
 */
import {
  createServer,
  type IncomingMessage,
  type Server,
  type ServerOptions,
  type ServerResponse,
} from "node:http";
import { createServer as createTlsServer, type Server as TlsServer } from "node:https";
import type { AddressInfo, Socket } from "node:net";
import type { Duplex } from "node:stream";
import { ServerError } from "../errors.ts";
import type { ResolvedServerOptions } from "../server-options.ts";
import { answerBrokenRequest } from "./broken-request.ts";
import type { RequestHandler } from "./request-handler.ts";
import { readTlsFiles, tlsPathsOf, watchTlsFiles } from "./tls-files.ts";

/** How often node:http looks for connections over their time limits, in milliseconds. */
const TIMEOUT_CHECK_MS = 1_000;

/** An open port. */
export interface HttpListener {
  readonly scheme: "http" | "https";
  /** The port that was bound, also when the system chose it. */
  readonly port: number;
  /** The address that was bound. */
  readonly address: string;
  /** Closes idle connections, waits for the others up to `graceMs`, then cuts them. */
  close(graceMs: number): Promise<void>;
}

/**
 * Opens the port.
 *
 * @throws {ServerError} `SERVER_LISTEN_FAILED` when the address is taken, unknown or forbidden, `SERVER_INVALID_OPTION`
 *   when certificate or key cannot be used
 */
export async function listenHttp(
  options: ResolvedServerOptions,
  handler: RequestHandler,
): Promise<HttpListener> {
  const { server, scheme, stopWatch } = await makeServer(options, handler);
  // Before descriptors run out: the log could not begin a new segment then.
  server.maxConnections = options.maxConnections;
  try {
    await listen(server, options);
  } catch (error) {
    stopWatch();
    throw error;
  }
  const { port, address } = server.address() as AddressInfo; // A TCP server has no other kind.
  return {
    scheme,
    port,
    address,
    async close(graceMs) {
      stopWatch();
      await close(server, graceMs);
    },
  };
}

/** Serves connections that another process has accepted. */
export interface HttpAdopter extends HttpListener {
  /** Serves one connection; cuts it when there are too many. */
  adopt(socket: Socket): void;
}

/**
 * As {@link listenHttp}, for connections that are handed over instead of a port.
 *
 * @throws {ServerError} `SERVER_INVALID_OPTION` when certificate or key cannot be used
 */
export async function adoptHttp(
  options: ResolvedServerOptions,
  handler: RequestHandler,
): Promise<HttpAdopter> {
  const { server, scheme, stopWatch } = await makeServer(options, handler);
  // node:http begins to look after its time limits when it is told that it listens.
  server.emit("listening");
  const open = new Set<Socket>();
  let onEmpty = (): void => undefined;
  return {
    scheme,
    port: options.port,
    address: options.host,
    adopt(socket) {
      if (open.size >= options.maxConnections) {
        socket.destroy();
        return;
      }
      // As node:http accepts connections itself; one that comes from another process is not so.
      socket.allowHalfOpen = true;
      open.add(socket);
      socket.once("close", () => {
        open.delete(socket);
        if (open.size === 0) onEmpty();
      });
      server.emit("connection", socket);
    },
    async close(graceMs) {
      stopWatch();
      // A server that never listened does not count connections: it is done here.
      const closed = new Promise<void>((resolve) => (onEmpty = resolve));
      server.closeIdleConnections();
      const cut = setTimeout(() => server.closeAllConnections(), graceMs);
      if (open.size > 0) await closed;
      clearTimeout(cut);
      server.close();
    },
  };
}

interface MadeServer {
  readonly server: Server;
  readonly scheme: "http" | "https";
  readonly stopWatch: () => void;
}

async function makeServer(
  options: ResolvedServerOptions,
  handler: RequestHandler,
): Promise<MadeServer> {
  const limits: ServerOptions = {
    maxHeaderSize: options.maxHeaderBytes,
    headersTimeout: options.headersTimeoutMs,
    requestTimeout: options.requestTimeoutMs,
    keepAliveTimeout: options.keepAliveTimeoutMs,
    connectionsCheckingInterval: Math.min(TIMEOUT_CHECK_MS, options.headersTimeoutMs),
    noDelay: true,
  };
  const secured = await createSecured(options, limits);
  const server = secured?.server ?? createServer(limits);
  // A client that has sent its request and shut down its sending side waits for an answer; node:http would cut it.
  Object.assign(server, { httpAllowHalfOpen: true });
  limitConnections(server, options.clientMaxConnections);
  // A client that takes nothing of its answer: longer than anything else may take without a byte moving.
  server.timeout = options.requestTimeoutMs + longestWaitMs(options);
  const lastAnswers = new WeakMap<Duplex, ServerResponse>();
  function serve(
    request: IncomingMessage,
    response: ServerResponse,
    expectsContinue: boolean,
  ): void {
    lastAnswers.set(request.socket, response);
    void handler.handle(request, response, expectsContinue);
  }
  server.on("request", (request, response) => serve(request, response, false));
  server.on("checkContinue", (request, response) => serve(request, response, true));
  server.on("clientError", (error, socket) => {
    const lastAnswer = lastAnswers.get(socket);
    answerBrokenRequest(error, socket, { requestId: handler.newRequestId(), lastAnswer });
  });
  return {
    server,
    scheme: secured === undefined ? "http" : "https",
    stopWatch: () => secured?.stopWatch(),
  };
}

interface SecuredServer {
  readonly server: TlsServer;
  stopWatch(): void;
}

/** A server that speaks HTTPS, when there is a certificate for it. */
async function createSecured(
  options: ResolvedServerOptions,
  limits: ServerOptions,
): Promise<SecuredServer | undefined> {
  const paths = tlsPathsOf(options);
  if (paths === undefined) return undefined;
  const files = { paths, nowMs: Date.now, logger: options.logger };
  const asksClients = paths.clientCa !== undefined;
  const server = createTlsServer({
    ...limits,
    ...(await readTlsFiles(files)),
    requestCert: asksClients,
    rejectUnauthorized: asksClients,
    // Nothing of ours counts before the handshake is over.
    handshakeTimeout: options.headersTimeoutMs,
  });
  const stopWatch = await watchTlsFiles(files, (context) => server.setSecureContext(context));
  return { server, stopWatch };
}

/** One address must not take all connections: others could not even be told to wait. */
function limitConnections(server: Server, maxPerAddress: number): void {
  const open = new Map<string, number>();
  server.on("connection", (socket: Socket) => {
    const address = socket.remoteAddress;
    if (address === undefined) return; // Gone already.
    const count = (open.get(address) ?? 0) + 1;
    if (count > maxPerAddress) {
      socket.destroy();
      return;
    }
    open.set(address, count);
    socket.once("close", () => {
      const left = (open.get(address) ?? 1) - 1;
      if (left === 0) open.delete(address);
      else open.set(address, left);
    });
  });
}

function listen(server: Server, options: ResolvedServerOptions): Promise<void> {
  return new Promise((resolve, reject) => {
    function onError(error: Error): void {
      reject(listenError(error, options));
    }
    server.once("error", onError);
    server.listen({ port: options.port, host: options.host }, () => {
      server.off("error", onError);
      resolve();
    });
  });
}

/** Why an address could not be opened. */
export function listenError(error: Error, options: ResolvedServerOptions): ServerError {
  const syscode = "code" in error ? String(error.code) : "unknown";
  const place = `${options.host}:${options.port}`;
  return new ServerError("SERVER_LISTEN_FAILED", `cannot listen on ${place}: ${reason(syscode)}`, {
    details: { host: options.host, port: options.port, errno: syscode },
    cause: error,
  });
}

function reason(errno: string): string {
  switch (errno) {
    case "EADDRINUSE":
      return "another process uses this port; stop it or choose another port";
    case "EACCES":
      return "this user may not open this port; choose one above 1023";
    case "EADDRNOTAVAIL":
      return "this machine has no such address";
    case "ENOTFOUND":
    case "EAI_AGAIN":
      return "the host name is unknown";
    default:
      return errno;
  }
}

async function close(server: Server, graceMs: number): Promise<void> {
  const closed = new Promise<void>((resolve) => server.close(() => resolve()));
  server.closeIdleConnections();
  const cut = setTimeout(() => server.closeAllConnections(), graceMs);
  await closed;
  clearTimeout(cut);
}

/** Of a query, or of a write for recovery. */
function longestWaitMs(options: ResolvedServerOptions): number {
  const { queryTimeoutMs, recoveryWaitMs, writesDuringRecovery } = options;
  return writesDuringRecovery === "wait"
    ? Math.max(queryTimeoutMs, recoveryWaitMs)
    : queryTimeoutMs;
}
