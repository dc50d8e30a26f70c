/**
 * A client without manners, as a program: floods a server in every way at once until its time is over, and prints
 * how often it got which answer.
 *
 * In a process of its own, so that its work is not part of what the others measure.
 * Usage: flood-client.ts JSON with the members of {@link FloodOrder}.
 */
import { setMaxListeners } from "node:events";
import { connect } from "node:net";
import { gzipSync } from "node:zlib";

/** What to do. */
export interface FloodOrder {
  readonly url: string;
  /** Used in turn, one for each loop. */
  readonly tokens: readonly string[];
  readonly durationMs: number;
  /** Answers without which it goes on, for a minute at most: a busy machine takes its time. */
  readonly until: readonly string[];
  /** Loops of each kind. */
  readonly kinds: Readonly<Partial<Record<FloodKind, number>>>;
}

/** The ways to be a nuisance. */
export type FloodKind = keyof typeof KINDS;

const CHECK_MS = 50;
const PATIENCE_MS = 60_000;
const LARGE_BYTES = 6 * 1024 * 1024;
const BOMB_BYTES = 7 * 1024 * 1024;
const SPARSE_COLUMNS = 1_500;

const order = JSON.parse(process.argv[2] ?? "") as FloodOrder;
const { hostname, port } = new URL(order.url);
const counts: Record<string, number> = {};

const small = Buffer.from(
  Array.from({ length: 200 }, (_, id) => `small,host=h${id % 9} v=${id}i ${id + 1}`).join("\n"),
);
const large = Buffer.from("large,host=h v=1i,w=2.5 1\n".repeat(LARGE_BYTES / 26));
const bomb = gzipSync(Buffer.from("bomb v=1i 1\n".repeat(BOMB_BYTES / 12)));
const endless = gzipSync(Buffer.alloc(16 * 1024 * 1024, 0x20));
/** Every row has a column of its own: the table that it decodes to is rows times columns. */
const sparse = Buffer.from(
  Array.from({ length: SPARSE_COLUMNS }, (_, id) => `sparse c${id}=1 ${id + 1}`).join("\n"),
);

const KINDS = {
  small: (token: string) => write(token, small),
  large: (token: string) => write(token, large),
  chunked: (token: string) => writeChunked(token),
  bomb: (token: string) => write(token, bomb, "gzip"),
  endless: (token: string) => write(token, endless, "gzip"),
  sparse: (token: string) => write(token, sparse),
  query: (token: string) => query(token, "SELECT count(*), sum(i) FROM range(3000000) t(i)"),
  slowReader: (token: string) => readNothing(token),
  slowWriter: (token: string) => sendHalf(token),
};

// The bodies are made: from here on all time is for the server.
const over = new AbortController();
setMaxListeners(0, over.signal);
const startedMs = performance.now();
setInterval(() => {
  const elapsedMs = performance.now() - startedMs;
  const seen = new Set(Object.keys(counts).map((outcome) => outcome.split(" ")[1]));
  const isEnough = order.until.every((status) => seen.has(status));
  if (elapsedMs > (isEnough ? order.durationMs : order.durationMs + PATIENCE_MS)) over.abort();
}, CHECK_MS);
await Promise.all(
  Object.entries(order.kinds).flatMap(([kind, loops]) =>
    Array.from({ length: loops }, (_, index) =>
      loop(kind as FloodKind, order.tokens[index % order.tokens.length] ?? ""),
    ),
  ),
);
process.stdout.write(`${JSON.stringify(counts)}\n`);
process.exit(0);

async function loop(kind: FloodKind, token: string): Promise<void> {
  while (!over.signal.aborted) {
    // A connection that the server cuts is an answer as well.
    const outcome = await KINDS[kind](token).catch(() => "cut");
    counts[`${kind} ${outcome}`] = (counts[`${kind} ${outcome}`] ?? 0) + 1;
  }
}

async function write(token: string, body: Uint8Array, encoding?: string): Promise<string> {
  const extra = encoding === undefined ? {} : { "content-encoding": encoding };
  return await post(token, "/write?db=flood", body, extra);
}

async function query(token: string, sql: string): Promise<string> {
  return await post(token, "/api/v1/query", JSON.stringify({ sql }), {});
}

async function post(
  token: string,
  path: string,
  body: Uint8Array | string,
  extra: Record<string, string>,
): Promise<string> {
  const headers = { authorization: `Bearer ${token}`, ...extra };
  const { signal } = over;
  const response = await fetch(order.url + path, { method: "POST", headers, body, signal });
  await response.arrayBuffer();
  return String(response.status);
}

/** A body without a length, in pieces. */
async function writeChunked(token: string): Promise<string> {
  return await raw(async (send) => {
    send(head(token, "POST /write?db=flood", "Transfer-Encoding: chunked"));
    const piece = large.subarray(0, 26 * 40_000);
    for (let count = 0; count < 6; count++) {
      send(`${piece.byteLength.toString(16)}\r\n`);
      send(piece);
      send("\r\n");
      await new Promise(setImmediate);
    }
    send("0\r\n\r\n");
  });
}

/** Asks for a long answer and does not read it. */
async function readNothing(token: string): Promise<string> {
  const body = JSON.stringify({
    sql: "SELECT i, repeat('x', 100) AS text FROM range(30000) t(i)",
  });
  return await raw(
    (send) => {
      send(`${head(token, "POST /api/v1/query", `Content-Length: ${body.length}`)}${body}`);
    },
    { isReading: false },
  );
}

/** Announces a body and sends only some of it. */
async function sendHalf(token: string): Promise<string> {
  return await raw((send) => {
    send(head(token, "POST /write?db=flood", "Content-Length: 4000000"));
    send(large.subarray(0, 100_000));
  });
}

function head(token: string, request: string, ...lines: readonly string[]): string {
  const all = [`${request} HTTP/1.1`, "Host: x", `Authorization: Bearer ${token}`, ...lines];
  return `${all.join("\r\n")}\r\n\r\n`;
}

/** A connection of its own, until the first byte of an answer, the end, or the end of time. */
function raw(
  work: (send: (data: string | Uint8Array) => void) => void | Promise<void>,
  { isReading = true }: { readonly isReading?: boolean } = {},
): Promise<string> {
  return new Promise((resolve) => {
    const socket = connect(Number(port), hostname, () => {
      if (!isReading) socket.pause();
      void work((data) => {
        if (!socket.destroyed) socket.write(data);
      });
    });
    const finish = (outcome: string): void => {
      over.signal.removeEventListener("abort", onOver);
      socket.destroy();
      resolve(outcome);
    };
    const onOver = (): void => finish("held");
    over.signal.addEventListener("abort", onOver);
    if (isReading) socket.once("data", (chunk) => finish(chunk.toString("latin1").slice(9, 12)));
    socket.on("error", () => finish("cut"));
    socket.on("close", () => finish("cut"));
  });
}
