/**
 * The door through which other workers come: HTTP on a socket file in a private directory.
 *
 *     POST /internal/ask/{question}    JSON in, JSON out
 *     POST /internal/snapshot          names of tables in, a stream of snapshots out
 *
 * The public port knows nothing of these paths: they have a server of their own, and only this user can reach the
 * directory. There are no tokens here.
 */
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { rm } from "node:fs/promises";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { ServerError } from "../errors.ts";
import type { ShardSnapshot } from "../store/shard-snapshot.ts";
import { encodeSnapshots } from "../store/snapshot-stream.ts";
import type { TableName } from "../store/table-name.ts";
import { toPeerError } from "./peer-error.ts";
import type { AnswerBook } from "./worker-group.ts";

/** Path of the question that comes after it. */
export const ASK_PATH = "/internal/ask/";
export const SNAPSHOT_PATH = "/internal/snapshot";

const MAX_BODY_BYTES = 16 * 1024 * 1024; // 16 MiB

/** What the door opens to. */
export interface PeerListenerOptions {
  readonly socketPath: string;
  readonly answers: AnswerBook;
  /** Snapshots of all shards of this worker. Throws `SERVER_NOT_READY` while it recovers. */
  readonly snapshots: (names: readonly TableName[]) => readonly ShardSnapshot[];
}

/** An open door. */
export interface PeerListener {
  /** Cuts what is under way: whoever asks treats it as a worker that is gone. */
  close(): Promise<void>;
}

/** Opens the door. A socket file that a dead process left is replaced. */
export async function listenForPeers(options: PeerListenerOptions): Promise<PeerListener> {
  const server = createServer((request, response) => void serve(request, response, options));
  // The crash of an earlier process leaves the name behind; nobody else uses it.
  await rm(options.socketPath, { force: true });
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(options.socketPath, () => {
      server.off("error", reject);
      resolve();
    });
  });
  return {
    async close() {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      server.closeAllConnections();
      await closed;
    },
  };
}

/** Never rejects: whatever goes wrong is the answer, or the end of the connection. */
async function serve(
  request: IncomingMessage,
  response: ServerResponse,
  { answers, snapshots }: PeerListenerOptions,
): Promise<void> {
  try {
    const path = request.url ?? "";
    const input: unknown = JSON.parse(await readText(request));
    if (path === SNAPSHOT_PATH) {
      const shards = snapshots(input as readonly TableName[]); // The other side is of this version.
      response.writeHead(200);
      await pipeline(Readable.from(encodeSnapshots(shards), { objectMode: false }), response);
    } else if (path.startsWith(ASK_PATH)) {
      const answer = await answers.give(path.slice(ASK_PATH.length), input);
      response.writeHead(200).end(JSON.stringify({ answer }));
    } else {
      throw new ServerError("SERVER_NOT_FOUND", `workers do not ask for ${path}`);
    }
  } catch (error) {
    if (response.headersSent) response.destroy();
    else response.writeHead(500).end(JSON.stringify(toPeerError(error)));
  }
}

async function readText(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    bytes += chunk.byteLength;
    if (bytes > MAX_BODY_BYTES) {
      throw new ServerError("SERVER_TOO_LARGE", `a question of more than ${MAX_BODY_BYTES} bytes`);
    }
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString("utf8");
}
