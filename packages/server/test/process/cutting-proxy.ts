/**
 * A TCP proxy that loses answers: the worst network that is still a network.
 *
 * Most connections pass. Of some the answer is thrown away after the server has given it; some are cut in the
 * middle of the request. Clients see the same in both cases: no answer.
 */
import { createServer, connect, type AddressInfo, type Server, type Socket } from "node:net";

/** Shares of the connections that are cut. */
export interface CuttingProxyOptions {
  readonly random: () => number;
  /** Of these the request passes and the answer does not. */
  readonly answersCut: number;
  /** Of these only the beginning of the request passes. */
  readonly requestsCut: number;
}

export class CuttingProxy {
  readonly #options: CuttingProxyOptions;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  /** Where connections go; without it they are closed. */
  targetPort: number | undefined;
  cutAnswers = 0;
  cutRequests = 0;

  private constructor(options: CuttingProxyOptions) {
    this.#options = options;
    this.#server = createServer((client) => this.#serve(client));
  }

  static async start(options: CuttingProxyOptions): Promise<CuttingProxy> {
    const proxy = new CuttingProxy(options);
    await new Promise<void>((resolve) => proxy.#server.listen(0, "127.0.0.1", resolve));
    return proxy;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  close(): void {
    this.#server.close();
    for (const socket of this.#sockets) socket.destroy();
  }

  #serve(client: Socket): void {
    if (this.targetPort === undefined) {
      client.destroy();
      return;
    }
    const upstream = connect(this.targetPort, "127.0.0.1");
    const chance = this.#options.random();
    const isAnswerCut = chance < this.#options.answersCut;
    const isRequestCut =
      !isAnswerCut && chance < this.#options.answersCut + this.#options.requestsCut;
    const end = (): void => {
      client.destroy();
      upstream.destroy();
    };
    for (const socket of [client, upstream]) {
      this.#sockets.add(socket);
      socket.on("error", end);
      socket.on("close", () => {
        this.#sockets.delete(socket);
        end();
      });
    }
    client.on("data", (chunk: Buffer) => {
      if (!isRequestCut) {
        upstream.write(chunk);
        return;
      }
      this.cutRequests++;
      // What was written has to get out before the connection is gone.
      upstream.end(chunk.subarray(0, Math.floor(chunk.length * this.#options.random())));
      client.destroy();
    });
    upstream.on("data", (chunk: Buffer) => {
      if (!isAnswerCut) {
        client.write(chunk);
        return;
      }
      this.cutAnswers++;
      end();
    });
  }
}
