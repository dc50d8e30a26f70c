/**
 * One request and its answer, as the routes see it: target, parameters, headers, and the ways to answer.
 *
 * Every answer goes out through here, so that length, type and connection headers are always right. It
 * knows nothing of routes, tokens or the store.
 */
import type { IncomingMessage, ServerResponse } from "node:http";
import type { ByteShare } from "../byte-budget.ts";
import { parseRequestTarget } from "./request-target.ts";

/** Headers of an answer beside length and type. */
export type AnswerHeaders = Readonly<Record<string, string>>;

const NO_HEADERS: AnswerHeaders = {};
const NO_PARAMETERS: URLSearchParams = new URLSearchParams();

/** What is known of a request beside itself. */
export interface ExchangeFacts {
  readonly requestId: string;
  /** The client waits to be told to send its body. */
  readonly expectsContinue: boolean;
}

/** One request being answered. */
export class Exchange {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly method: string;
  readonly path: string;
  /** In the answer, in the body of an error and in log lines. */
  readonly requestId: string;
  /** What the client may still hold; set for routes that need a right, before they are called. */
  share: ByteShare | undefined;
  readonly #queryText: string;
  readonly #expectsContinue: boolean;
  #parameters: URLSearchParams | undefined;

  constructor(request: IncomingMessage, response: ServerResponse, facts: ExchangeFacts) {
    const target = parseRequestTarget(request.url ?? "/");
    this.request = request;
    this.response = response;
    this.method = request.method ?? "GET";
    this.path = target.path;
    this.#queryText = target.queryText;
    this.#expectsContinue = facts.expectsContinue;
    this.requestId = facts.requestId;
    response.setHeader("X-Request-Id", facts.requestId);
  }

  /** Value of a query parameter, the first if there are several. */
  parameter(name: string): string | undefined {
    if (this.#queryText === "") return undefined;
    this.#parameters ??= new URLSearchParams(this.#queryText);
    return this.#parameters.get(name) ?? undefined;
  }

  /** All query parameters. */
  get parameters(): URLSearchParams {
    if (this.#queryText === "") return NO_PARAMETERS;
    this.#parameters ??= new URLSearchParams(this.#queryText);
    return this.#parameters;
  }

  /** Value of a header that is sent at most once; `name` in lower case. */
  header(name: string): string | undefined {
    const value = this.request.headers[name];
    return Array.isArray(value) ? value[0] : value;
  }

  /** Lets the answer take this long without a byte moving; by default such a connection is cut much earlier. */
  allowSilence(ms: number): void {
    this.response.setTimeout(ms);
  }

  /**
   * Cuts the exchange when the client shuts down its sending side before it is answered: it may have left, and nobody
   * else needs the work. By default such a client is answered. Returns how to go back to that.
   */
  endWithClient(): () => void {
    const { socket } = this.request;
    const onEnd = (): void => {
      if (!this.response.writableEnded) this.response.destroy();
    };
    const answerAnyway = (): void => void socket.off("end", onEnd);
    socket.once("end", onEnd);
    this.response.once("close", answerAnyway);
    return answerAnyway;
  }

  /** Tells a client that waits for it to send its body. Called once, just before the body is read. */
  continueBody(): void {
    if (this.#expectsContinue) this.response.writeContinue();
  }

  /** Answers 204. */
  noContent(headers: AnswerHeaders = NO_HEADERS): void {
    this.response.writeHead(204, headers);
    this.response.end();
  }

  /** Answers 304: what the client has is current. */
  notModified(headers: AnswerHeaders): void {
    this.response.writeHead(304, headers);
    this.response.end();
  }

  /** Answers with JSON text. */
  json(status: number, text: string, headers: AnswerHeaders = NO_HEADERS): void {
    this.text(status, "application/json; charset=utf-8", text, headers);
  }

  /** Answers with text of a given type. */
  text(status: number, type: string, text: string, headers: AnswerHeaders = NO_HEADERS): void {
    this.bytes(status, type, Buffer.from(text, "utf8"), headers);
  }

  /** Answers with bytes of a given type. */
  bytes(status: number, type: string, body: Uint8Array, headers: AnswerHeaders): void {
    this.response.writeHead(status, {
      ...headers,
      "Content-Type": type,
      "Content-Length": body.byteLength,
    });
    this.response.end(body);
  }
}
