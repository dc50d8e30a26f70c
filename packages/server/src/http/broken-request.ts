/**
 * The answer to what is no complete request: too slow, headers too large, not HTTP.
 *
 * node:http tells of it instead of asking a route. The answer has the shape of every other error, with an id to look for
 * in the log, and the connection ends with it: where the next request would begin is not known.
 */
import { STATUS_CODES, type ServerResponse } from "node:http";
import type { Duplex } from "node:stream";

interface Verdict {
  readonly status: number;
  readonly sentence: string;
}

const MALFORMED: Verdict = { status: 400, sentence: "this is not an HTTP/1.1 request" };

/** By the code of the parser's error. */
const VERDICTS: ReadonlyMap<string, Verdict> = new Map([
  [
    "ERR_HTTP_REQUEST_TIMEOUT",
    { status: 408, sentence: "the request did not arrive in time; nothing of it was kept" },
  ],
  [
    "HPE_HEADER_OVERFLOW",
    { status: 431, sentence: "the headers are larger than limits.max_header_bytes" },
  ],
  [
    "HPE_CHUNK_EXTENSIONS_OVERFLOW",
    { status: 413, sentence: "the extensions of the body's chunks are too large" },
  ],
]);

/** What the connection has under way: the answer of the last request that came on it. */
export type LastAnswer = Pick<ServerResponse, "headersSent" | "writableEnded">;

/** Answers and ends a connection; only ends it when somebody else's answer is on its way there, or nobody listens. */
export function answerBrokenRequest(
  error: Error,
  socket: Duplex,
  {
    requestId,
    lastAnswer,
  }: { readonly requestId: string; readonly lastAnswer: LastAnswer | undefined },
): void {
  const isInAnswer = lastAnswer?.headersSent === true && !lastAnswer.writableEnded;
  if (!socket.writable || isInAnswer) {
    socket.destroy();
    return;
  }
  socket.end(brokenRequestAnswer(error, requestId), () => socket.destroy());
}

/** The answer as it goes over the wire. */
export function brokenRequestAnswer(error: Error, requestId: string): string {
  const code = "code" in error ? String(error.code) : "";
  const { status, sentence } = VERDICTS.get(code) ?? MALFORMED;
  const body = JSON.stringify({
    success: false,
    error: sentence,
    message: sentence,
    code: "SERVER_INVALID_REQUEST",
    details: { reason: code },
    requestId,
  });
  return [
    `HTTP/1.1 ${status} ${STATUS_CODES[status]}`,
    "Connection: close",
    "Content-Type: application/json; charset=utf-8",
    `Content-Length: ${Buffer.byteLength(body)}`,
    "X-Walnut-Error: SERVER_INVALID_REQUEST",
    `X-Request-Id: ${requestId}`,
    "",
    body,
  ].join("\r\n");
}
