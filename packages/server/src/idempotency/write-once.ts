/**
 * One write with an identity, done at most once.
 *
 *   1. reserve    the ledger knows the identity, or it is new          CRASH: nothing was written
 *   2. write      rows and identity in one record of the shard's log   CRASH: recovery finds both, or neither
 *   3. complete   a repeated request is answered from now on
 *
 * Requests without an identity do not come here.
 */
import { ServerError } from "../errors.ts";
import type { WriteLedger, WriteVerdict } from "./known-writes.ts";
import type { WriteIdentity } from "./write-identity.ts";

/** How a request was answered: now for the first time, or again. */
export type WriteOutcome = "stored" | "repeated";

/**
 * Runs a write unless it is known already.
 *
 * @throws {ServerError} `SERVER_KEY_REUSED`, `SERVER_PRODUCER_FENCED`, `SERVER_SEQUENCE_PASSED`,
 *   `SERVER_WRITE_IN_PROGRESS`, and what `write` throws
 */
export async function writeOnce(
  ledger: WriteLedger,
  identity: WriteIdentity,
  write: () => Promise<unknown>,
): Promise<WriteOutcome> {
  const verdict = await ledger.reserveWrite(identity);
  if (verdict === "repeated") return "repeated";
  if (verdict !== "new") throw refusal(verdict, identity);
  try {
    await write();
  } catch (error) {
    // When only the next recovery can tell whether the record is there, the write stays under way till then.
    if (isCertainlyNotStored(error)) ledger.abandonWrite(identity);
    throw error;
  }
  ledger.completeWrite(identity);
  return "stored";
}

/** True when an error says that no record was written, whatever happens next. */
function isCertainlyNotStored(error: unknown): boolean {
  if (!(error instanceof ServerError)) return false;
  switch (error.code) {
    case "SERVER_WAL_UNAVAILABLE": {
      const { walCode } = error.details;
      return walCode !== "WAL_POISONED" && walCode !== "WAL_IO";
    }
    case "SERVER_STORAGE_CORRUPT":
    case "SERVER_INTERNAL":
      return false;
    default:
      return true;
  }
}

function refusal(
  verdict: Exclude<WriteVerdict, "new" | "repeated">,
  { name, epoch, seq }: WriteIdentity,
): ServerError {
  const isKey = name.startsWith("key:");
  const client = name.slice(name.indexOf(":") + 1);
  const details = isKey ? { key: client } : { producer: client, epoch, seq };
  switch (verdict) {
    case "different":
      return new ServerError(
        "SERVER_KEY_REUSED",
        `this ${isKey ? "Idempotency-Key" : "sequence number"} was used for another request; ` +
          "nothing of this one was stored",
        { details },
      );
    case "fenced":
      return new ServerError(
        "SERVER_PRODUCER_FENCED",
        "a newer epoch of this producer has written; nothing of this request was stored",
        { details },
      );
    case "passed":
      return new ServerError(
        "SERVER_SEQUENCE_PASSED",
        "this producer has gone on to a higher seq; nothing of this request was stored now, and whether it was " +
          "stored before is not remembered",
        { details },
      );
    case "busy":
      return new ServerError(
        "SERVER_WRITE_IN_PROGRESS",
        "this request, or another of its producer, is still under way; send it again later",
        { details },
      );
  }
}
