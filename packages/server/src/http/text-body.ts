/**
 * Small bodies of management requests: read whole, as text, and as JSON of a known shape.
 *
 * Bodies of writes do not come this way: see `ingest-service.ts`.
 */
import type { z } from "zod";
import { ByteBudget, type ByteLease } from "../byte-budget.ts";
import { ServerError } from "../errors.ts";
import { schemaProblem } from "../schema-problem.ts";
import type { Exchange } from "./exchange.ts";
import { checkDeclaredLength, readBody } from "./request-body.ts";

/**
 * The body as text; `undefined` when the client went away.
 *
 * @param maxBytes - more is refused
 * @param lease - what the bytes are counted in while they come; by default nothing but this request
 * @throws {ServerError} `SERVER_TOO_LARGE` and what else `readBody` throws
 */
export async function receiveText(
  exchange: Exchange,
  maxBytes: number,
  lease: ByteLease = new ByteBudget(maxBytes).lease(),
): Promise<string | undefined> {
  try {
    const limits = { maxBytes, lease };
    checkDeclaredLength(exchange.request, limits);
    exchange.continueBody();
    const body = await readBody(exchange.request, limits);
    return body === undefined ? undefined : Buffer.from(body).toString("utf8");
  } finally {
    lease.release();
  }
}

/**
 * A body as a value of a schema.
 *
 * @param example - what a right body looks like, for the message
 * @throws {ServerError} `SERVER_INVALID_REQUEST`
 */
export function parseJsonBody<Schema extends z.ZodType>(
  text: string,
  schema: Schema,
  example: string,
): z.infer<Schema> {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new ServerError("SERVER_INVALID_REQUEST", `the body is not JSON; expected ${example}`, {
      cause,
    });
  }
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  throw new ServerError("SERVER_INVALID_REQUEST", schemaProblem(parsed.error, "the body"));
}
