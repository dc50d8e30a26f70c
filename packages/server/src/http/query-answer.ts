/**
 * Runs something that makes a long answer, and sends it: cancelled when the client goes away, and accounted until
 * the client has read it.
 */
import type { ByteBudget } from "../byte-budget.ts";
import { ServerError } from "../errors.ts";
import type { AnswerHeaders, Exchange } from "./exchange.ts";

/**
 * Answers 200 with the JSON text that `run` makes.
 *
 * @throws {ServerError} `SERVER_OVERLOADED` when too many answers wait for their clients, and what `run` throws
 */
export async function answerQuery(
  exchange: Exchange,
  { answers, headers }: { readonly answers: ByteBudget; readonly headers?: AnswerHeaders },
  run: (signal: AbortSignal) => Promise<string>,
): Promise<void> {
  const abort = new AbortController();
  const onClose = (): void => abort.abort();
  exchange.response.once("close", onClose);
  exchange.endWithClient();
  try {
    const answer = await run(abort.signal);
    if (abort.signal.aborted) return;
    const lease = answers.lease();
    if (!lease.growTo(Buffer.byteLength(answer))) throw answersUnread();
    // The system's buffers take the first part; the rest waits here for the client.
    exchange.response.once("close", () => lease.release());
    exchange.json(200, answer, headers);
  } catch (error) {
    if (abort.signal.aborted) return; // Nobody is left to read the answer.
    throw error;
  } finally {
    exchange.response.off("close", onClose);
  }
}

function answersUnread(): ServerError {
  return new ServerError(
    "SERVER_OVERLOADED",
    "too many bytes of answers wait for their clients to read them; ask again later, or for less",
  );
}
