/**
 * One worker as another one reaches it: asks it through its socket file.
 *
 * Knows two kinds of failure: the worker answered with an error, which is passed on, and the worker was not there
 * or went away before its answer was complete, which is {@link PeerGone}. Nothing is tried again here.
 */
import { Agent, request, type IncomingMessage } from "node:http";
import { ServerError } from "../errors.ts";
import type { ShardSnapshot } from "../store/shard-snapshot.ts";
import { decodeSnapshots } from "../store/snapshot-stream.ts";
import type { TableName } from "../store/table-name.ts";
import { fromPeerError, type PeerError } from "./peer-error.ts";
import { ASK_PATH, SNAPSHOT_PATH } from "./peer-listener.ts";

const MAX_ANSWER_BYTES = 64 * 1024 * 1024; // 64 MiB

/** The worker is not there, or went away. */
export class PeerGone extends Error {
  constructor(cause: unknown) {
    super(cause instanceof Error ? cause.message : String(cause), { cause });
    this.name = "PeerGone";
  }
}

/** Asks one worker. */
export class PeerClient {
  readonly #socketPath: string;
  // Connections are not kept: one that the other side has closed would look like a worker that is gone.
  readonly #agent = new Agent({ keepAlive: false });

  constructor(socketPath: string) {
    this.#socketPath = socketPath;
  }

  /** @throws {PeerGone}, or what the worker answered with */
  async ask(question: string, input: unknown, signal: AbortSignal): Promise<unknown> {
    const response = await this.#post(ASK_PATH + question, input, signal);
    const text = await readText(response);
    return (JSON.parse(text) as { readonly answer?: unknown }).answer;
  }

  /** @throws {PeerGone}, or what the worker answered with; `SERVER_QUERY_FAILED` beyond `maxBytes` of rows */
  async snapshots(
    names: readonly TableName[],
    { maxBytes, signal }: { readonly maxBytes: number; readonly signal: AbortSignal },
  ): Promise<readonly ShardSnapshot[]> {
    const response = await this.#post(SNAPSHOT_PATH, names, signal);
    try {
      return await decodeSnapshots(response as AsyncIterable<Uint8Array>, maxBytes);
    } catch (error) {
      signal.throwIfAborted();
      throw error instanceof ServerError ? error : new PeerGone(error);
    } finally {
      response.destroy();
    }
  }

  async #post(path: string, input: unknown, signal: AbortSignal): Promise<IncomingMessage> {
    const body = Buffer.from(JSON.stringify(input ?? null), "utf8");
    const response = await new Promise<IncomingMessage>((resolve, reject) => {
      const sent = request({
        socketPath: this.#socketPath,
        path,
        method: "POST",
        agent: this.#agent,
        signal,
        headers: { "Content-Length": body.byteLength },
      });
      sent.once("response", resolve);
      sent.once("error", (error) => {
        reject(signal.aborted ? abortReason(signal) : new PeerGone(error));
      });
      sent.end(body);
    });
    if (response.statusCode === 200) return response;
    // What a worker answers with is made by peer-error.ts.
    throw fromPeerError(JSON.parse(await readText(response)) as PeerError);
  }
}

async function readText(response: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  try {
    for await (const chunk of response as AsyncIterable<Buffer>) {
      bytes += chunk.byteLength;
      if (bytes > MAX_ANSWER_BYTES) throw tooLarge();
      chunks.push(chunk);
    }
  } catch (error) {
    throw error instanceof ServerError ? error : new PeerGone(error);
  }
  return Buffer.concat(chunks).toString("utf8");
}

function tooLarge(): ServerError {
  return new ServerError(
    "SERVER_TOO_LARGE",
    `a worker answered more than ${MAX_ANSWER_BYTES} bytes`,
  );
}

function abortReason(signal: AbortSignal): Error {
  return signal.reason instanceof Error ? signal.reason : new Error("aborted");
}
