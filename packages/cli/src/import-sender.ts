/**
 * Sends batches to a server so that each is stored once, however often it is sent.
 *
 * The key of a batch follows from the database, the name of its file, its position there and its bytes: the same batch
 * of the same file has the same key in every run, and the server remembers keys in its log.
 */
import { createHash } from "node:crypto";
import { setTimeout as delay } from "node:timers/promises";
import type { CommandFailure } from "./command-failure.ts";
import type { Batch } from "./line-batches.ts";
import type { ServerClient } from "./server-client.ts";

const FIRST_DELAY_MS = 200;
const MAX_DELAY_MS = 10_000;
/** A server that is started again is back by then. */
const GIVE_UP_MS = 60_000;
const MS_PER_SECOND = 1_000;
const KEY_CHARACTERS = 48;

/** Where batches go. */
export interface ImportTarget {
  readonly client: ServerClient;
  readonly database: string;
  /** Unit of times in line protocol. */
  readonly precision: string;
  readonly monotonicMs: () => number;
  /** Told once when a batch has to wait. */
  readonly onWait: (reason: string) => void;
}

/** What became of a batch. */
export type BatchFate = "stored" | "known";

/** Sends one batch; "known" when the server had it already. @throws {CommandFailure} */
export async function sendBatch(
  target: ImportTarget,
  file: string,
  batch: Batch,
): Promise<BatchFate> {
  const { client, database, precision, monotonicMs, onWait } = target;
  const search = new URLSearchParams({ bucket: database, precision }).toString();
  const headers = { "Idempotency-Key": keyOf(target, file, batch) };
  const init = { method: "POST", headers, body: Buffer.from(batch.body) };
  const startedMs = monotonicMs();
  for (let attempt = 0; ; attempt++) {
    let failure: CommandFailure;
    let delayMs = Math.min(FIRST_DELAY_MS * 2 ** attempt, MAX_DELAY_MS);
    try {
      const response = await client.send(`/api/v2/write?${search}`, init);
      if (response.ok) {
        await response.arrayBuffer();
        return response.headers.get("x-walnut-replayed") === "true" ? "known" : "stored";
      }
      failure = await client.refused(response);
      if (response.status !== 429 && response.status !== 503) throw failure;
      const afterSeconds = Number(response.headers.get("retry-after") ?? 0);
      if (afterSeconds > 0) delayMs = Math.min(afterSeconds * MS_PER_SECOND, MAX_DELAY_MS);
    } catch (error) {
      if (!(error instanceof TypeError)) throw error;
      // How fetch says that nobody answered; the batch may be stored all the same, and its key says so.
      failure = client.unreachable(error);
    }
    if (monotonicMs() - startedMs + delayMs > GIVE_UP_MS) throw failure;
    if (attempt === 0) onWait(failure.message);
    await delay(delayMs);
  }
}

function keyOf({ database, precision }: ImportTarget, file: string, batch: Batch): string {
  const digest = createHash("sha256")
    .update(JSON.stringify([database, precision, file, batch.position]))
    .update(batch.body)
    .digest("hex");
  return `import-${digest.slice(0, KEY_CHARACTERS)}`;
}
