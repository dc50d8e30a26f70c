/** A failed call to the bucket as an answer to a client: what is wrong, and whether trying again makes sense. Pure. */
import { ServerError } from "../errors.ts";
import { ObjectStoreError } from "./object-store.ts";

/** The error as one of the server's; what is none of the bucket's stays what it is. */
export function toObjectServerError(error: unknown): unknown {
  if (!(error instanceof ObjectStoreError)) return error;
  const options = { cause: error, details: { kind: error.kind } };
  switch (error.kind) {
    case "unavailable":
      return new ServerError("SERVER_OBJECT_STORE_UNAVAILABLE", error.message, options);
    case "refused":
    case "no-bucket":
      return new ServerError("SERVER_OBJECT_STORE_REFUSED", error.message, options);
    case "no-object":
    case "damaged":
      return new ServerError(
        "SERVER_STORAGE_CORRUPT",
        `${error.message}. Restore the object from a copy of the bucket.`,
        options,
      );
  }
}
