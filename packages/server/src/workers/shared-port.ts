/**
 * The port of a server with several workers: opened once, by the primary, for as long as the server lives.
 *
 * Each connection goes to the next worker in turn, before a byte of it is read. Done here and not by node:cluster,
 * which forgets the connections that it was handing to a worker when that died, so that their clients wait for ever.
 * While no worker takes connections, a bounded number waits.
 */
import { createServer, type AddressInfo, type Server, type Socket } from "node:net";
import { listenError } from "../http/http-server.ts";
import type { ResolvedServerOptions } from "../server-options.ts";

/** Connections that wait for the first worker. */
const MAX_WAITING = 1_024;

/** Takes connections over. */
export interface ConnectionTaker {
  /** The socket is the taker's from now on. */
  take(socket: Socket): void;
}

/** An open port and who serves it. */
export class SharedPort {
  readonly port: number;
  readonly address: string;
  readonly #server: Server;
  readonly #takers: ConnectionTaker[] = [];
  readonly #waiting = new Set<Socket>();
  #turn = 0;

  private constructor(server: Server) {
    const { port, address } = server.address() as AddressInfo; // A TCP server has no other kind.
    this.port = port;
    this.address = address;
    this.#server = server;
    server.on("connection", (socket) => this.#place(socket));
  }

  /** @throws {ServerError} `SERVER_LISTEN_FAILED` when the address is taken, unknown or forbidden */
  static async open(options: ResolvedServerOptions): Promise<SharedPort> {
    const server = createServer({ pauseOnConnect: true, noDelay: true });
    await new Promise<void>((resolve, reject) => {
      const onError = (error: Error): void => reject(listenError(error, options));
      server.once("error", onError);
      server.listen({ port: options.port, host: options.host }, () => {
        server.off("error", onError);
        resolve();
      });
    });
    return new SharedPort(server);
  }

  /** From now on connections go to this taker, too. */
  offer(taker: ConnectionTaker): void {
    if (this.#takers.includes(taker)) return;
    this.#takers.push(taker);
    for (const socket of this.#waiting) this.#place(socket);
    this.#waiting.clear();
  }

  /** No more connections for this taker. */
  withdraw(taker: ConnectionTaker): void {
    const index = this.#takers.indexOf(taker);
    if (index !== -1) this.#takers.splice(index, 1);
  }

  /** Closes the port. Connections that were handed over live on. */
  async close(): Promise<void> {
    for (const socket of this.#waiting) socket.destroy();
    this.#waiting.clear();
    await new Promise<void>((resolve) => {
      this.#server.close(() => resolve());
      // Connections on their way to a worker are counted until they have arrived; nobody waits for them.
      resolve();
    });
  }

  #place(socket: Socket): void {
    const taker = this.#takers[this.#turn++ % this.#takers.length];
    if (taker !== undefined) {
      taker.take(socket);
      return;
    }
    if (this.#waiting.size >= MAX_WAITING) {
      socket.destroy();
      return;
    }
    this.#waiting.add(socket);
    // A client that gives up is noticed by whoever serves it.
    socket.on("error", () => socket.destroy());
  }
}
