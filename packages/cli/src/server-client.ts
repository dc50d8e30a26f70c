/**
 * A server as commands reach it: its address, the caller's token, and failures in words.
 *
 * The token comes from a variable or a file, never from a flag: other users can see flags.
 */
import { readFile } from "node:fs/promises";
import { request as requestHttp, type IncomingMessage } from "node:http";
import { request as requestHttps } from "node:https";
import { Readable } from "node:stream";
import { CommandFailure } from "./command-failure.ts";
import { EXIT_FAILURE, EXIT_USAGE } from "./exit-code.ts";

const MIN_SERVER_ERROR = 500;

/** Where a server is, and where the caller's token is. */
export interface ServerPlace {
  readonly url: string;
  readonly tokenFile: string | undefined;
  readonly variables: Readonly<Record<string, string | undefined>>;
  /** What the token must be allowed to: "admin". */
  readonly right: string;
}

/** One server. */
export class ServerClient {
  readonly base: string;
  readonly #authorization: string;

  /** @internal use {@link serverClient} */
  constructor(base: string, token: string) {
    this.base = base;
    this.#authorization = `Bearer ${token}`;
  }

  /** Sends one request. @throws what fetch throws when nobody answers, see {@link unreachable} */
  async send(path: string, init: RequestInit = {}): Promise<Response> {
    const headers = new Headers(init.headers);
    headers.set("authorization", this.#authorization);
    return await fetch(this.base + path, { ...init, headers });
  }

  /** As {@link send}, for a request whose answer must be there and good. @throws {CommandFailure} */
  async get(path: string, init: RequestInit = {}): Promise<Response> {
    let response: Response;
    try {
      response = await this.send(path, init);
    } catch (error) {
      throw this.unreachable(error);
    }
    if (response.ok) return response;
    throw await this.refused(response);
  }

  /**
   * An answer of any length, whose body throws when it ends early. That of fetch does not always: where the answer says
   * "Connection: close", a part passes for the whole.
   *
   * @throws {CommandFailure}
   */
  async download(path: string): Promise<IncomingMessage> {
    const send = /^https:/i.test(this.base) ? requestHttps : requestHttp;
    const headers = { authorization: this.#authorization };
    let response: IncomingMessage;
    try {
      response = await new Promise((resolve, reject) => {
        send(this.base + path, { headers }, resolve)
          .once("error", reject)
          .end();
      });
    } catch (error) {
      throw this.unreachable(error);
    }
    const status = response.statusCode ?? 0;
    if (status === 200) return response;
    const text = await new Response(Readable.toWeb(response) as ReadableStream).text();
    throw await this.refused(new Response(text, { status }));
  }

  /** Nobody answered, or not to the end. */
  unreachable(error: unknown): CommandFailure {
    const reason = reasonOf(error);
    const hint = /certificate/iu.test(reason)
      ? "; NODE_EXTRA_CA_CERTS=FILE names a certificate that the system does not know"
      : "";
    const message = `${this.base} does not answer: ${reason}${hint}`;
    return new CommandFailure(EXIT_FAILURE, message, { cause: error });
  }

  /** An answer that says no. Reads it. */
  async refused(response: Response): Promise<CommandFailure> {
    const exitCode = response.status >= MIN_SERVER_ERROR ? EXIT_FAILURE : EXIT_USAGE;
    const { error, code } = (parsed(await textOf(response)) ?? {}) as {
      error?: unknown;
      code?: unknown;
    };
    const said =
      typeof error === "string" ? `${error} [${String(code)}]` : "an answer without JSON";
    return new CommandFailure(exitCode, `${this.base} answered ${response.status}: ${said}`);
  }
}

/** Finds the token. @throws {CommandFailure} */
export async function serverClient(place: ServerPlace): Promise<ServerClient> {
  return new ServerClient(baseUrl(place.url), await callerToken(place));
}

function baseUrl(url: string): string {
  if (/^https?:\/\//i.test(url) && URL.canParse(url)) return url.replace(/\/+$/, "");
  throw new CommandFailure(EXIT_USAGE, `--url must be like https://host:8000, found "${url}"`);
}

async function callerToken({ tokenFile, variables, right }: ServerPlace): Promise<string> {
  if (tokenFile !== undefined) {
    try {
      return (await readFile(tokenFile, "utf8")).trim();
    } catch (error) {
      throw new CommandFailure(EXIT_USAGE, `--token-file ${tokenFile} cannot be read`, {
        cause: error,
      });
    }
  }
  const token = variables["WALNUT_TOKEN"];
  if (token !== undefined && token !== "") return token;
  throw new CommandFailure(
    EXIT_USAGE,
    `--url needs a token with the right ${right}: set WALNUT_TOKEN, or give --token-file FILE`,
  );
}

async function textOf(response: Response): Promise<string> {
  try {
    return await response.text();
  } catch {
    return ""; // Its status says enough.
  }
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined; // Something else than a Walnut answers there; the caller says so.
  }
}

/** What fetch wraps in "fetch failed". */
function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return error.cause instanceof Error ? error.cause.message : error.message;
}
