/** An upstream that is a plain HTTP server: it keeps what it took, and misbehaves when told to. */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import type { TestContext } from "node:test";
import { gunzipSync } from "node:zlib";
import { decompress as unzstd } from "@cloudpss/zstd";

/** A request that came in whole. */
export interface TakenRequest {
  readonly path: string;
  readonly key: string;
  readonly encoding: string | undefined;
  readonly lines: readonly string[];
}

/** Decides how a request is answered; `true`: it has been, in another way than 204. */
export type Misbehaviour = (
  request: TakenRequest,
  response: ServerResponse,
  count: number,
) => boolean | Promise<boolean>;

export class PlainUpstream {
  readonly requests: TakenRequest[] = [];
  /** Those that were answered 204. */
  readonly stored: TakenRequest[] = [];
  misbehave: Misbehaviour = () => false;
  readonly #server: Server;

  private constructor() {
    this.#server = createServer((request, response) => void this.#serve(request, response));
  }

  static async start(context: TestContext, port = 0): Promise<PlainUpstream> {
    const upstream = new PlainUpstream();
    await new Promise<void>((resolve) => upstream.#server.listen(port, "127.0.0.1", resolve));
    context.after(() => upstream.stop());
    return upstream;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  stop(): void {
    this.#server.close();
    this.#server.closeAllConnections();
  }

  /** Lines of a category, in the order in which they were stored. */
  lines(category: string): readonly string[] {
    return this.stored
      .filter(({ path }) => path.startsWith(`/v1/write/${category}`))
      .flatMap(({ lines }) => lines);
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    try {
      for await (const chunk of request as AsyncIterable<Buffer>) chunks.push(chunk);
    } catch {
      return; // Cut on its way.
    }
    const body = Buffer.concat(chunks);
    const encoding = request.headers["content-encoding"];
    const text = Buffer.from(decodedBody(body, encoding)).toString();
    const taken: TakenRequest = {
      path: request.url ?? "",
      key: String(request.headers["idempotency-key"]),
      encoding,
      lines: text.split("\n").filter((line) => line !== ""),
    };
    this.requests.push(taken);
    if (await this.misbehave(taken, response, this.requests.length)) return;
    this.stored.push(taken);
    response.writeHead(204).end();
  }
}

function decodedBody(body: Uint8Array, encoding: string | undefined): Uint8Array {
  if (encoding === "gzip") return gunzipSync(body);
  return encoding === "zstd" ? unzstd(body) : body;
}

/** Waits until something is so; the test's own time limit ends it otherwise. */
export async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await condition())) await new Promise((resolve) => setTimeout(resolve, 5));
}
