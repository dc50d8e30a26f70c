/**
 * Sends prebuilt requests over several raw connections, each waiting for its answer before the next request,
 * and notes how long each took.
 */
import { connect, type Socket } from "node:net";
import type { Workload } from "./request-bytes.ts";

/** What one run of the generator saw. */
export interface LoadResult {
  /** Answers 503, sent again after a pause. */
  readonly refused: number;
  /** From the first request to the last answer. */
  readonly seconds: number;
  readonly latenciesMs: readonly number[];
  readonly bytes: number;
}

/** How the load is put on. */
export interface LoadOptions {
  readonly port: number;
  readonly workload: Workload;
  readonly connections: number;
  /** Requests in all, each sent until it is answered 204. */
  readonly requests: number;
}

const REFUSED_PAUSE_MS = 5;
const HEAD_END = "\r\n\r\n";

/** Runs the load. */
export async function generateLoad(options: LoadOptions): Promise<LoadResult> {
  const { workload } = options;
  const latenciesMs: number[] = [];
  let refused = 0;
  let bytes = 0;
  let next = 0;

  async function drive(): Promise<void> {
    const connection = await Connection.open(options.port);
    while (next < options.requests) {
      const request = workload.requests[next++ % workload.requests.length];
      if (request === undefined) throw new Error("a workload has requests");
      const sentMs = performance.now();
      let status = await connection.exchange(request);
      while (status === 503) {
        refused++;
        await new Promise((resolve) => setTimeout(resolve, REFUSED_PAUSE_MS));
        status = await connection.exchange(request);
      }
      if (status !== 204) throw new Error(`answered ${status}: ${connection.lastAnswer}`);
      latenciesMs.push(performance.now() - sentMs);
      bytes += request.byteLength;
    }
    connection.close();
  }

  const startedMs = performance.now();
  await Promise.all(Array.from({ length: options.connections }, drive));
  const seconds = (performance.now() - startedMs) / 1_000;
  return { refused, seconds, latenciesMs, bytes };
}

/** One keep-alive connection with one request under way. Understands answers with and without a length. */
class Connection {
  readonly #socket: Socket;
  #received = "";
  #onAnswer: ((status: number) => void) | undefined;
  #onError: ((error: Error) => void) | undefined;
  lastAnswer = "";

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.setNoDelay(true);
    socket.on("data", (chunk) => this.#receive(chunk));
    socket.on("error", (error) => this.#onError?.(error));
    socket.on("close", () => this.#onError?.(new Error("the server closed the connection")));
  }

  static open(port: number): Promise<Connection> {
    return new Promise((resolve, reject) => {
      const socket = connect(port, "127.0.0.1", () => resolve(new Connection(socket)));
      socket.once("error", reject);
    });
  }

  exchange(request: Uint8Array): Promise<number> {
    return new Promise((resolve, reject) => {
      this.#onAnswer = resolve;
      this.#onError = reject;
      this.#socket.write(request);
    });
  }

  close(): void {
    this.#onError = undefined;
    this.#socket.destroy();
  }

  #receive(chunk: Buffer): void {
    this.#received += chunk.toString("latin1");
    const headEnd = this.#received.indexOf(HEAD_END);
    if (headEnd === -1) return;
    const length = Number(/content-length: (\d+)/i.exec(this.#received)?.[1] ?? 0);
    if (this.#received.length < headEnd + HEAD_END.length + length) return;
    this.lastAnswer = this.#received;
    this.#received = "";
    this.#onAnswer?.(Number(this.lastAnswer.slice(9, 12)));
  }
}
