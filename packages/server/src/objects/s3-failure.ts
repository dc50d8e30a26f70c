/**
 * What an error of the S3 client means for us: wait, change the configuration, or the object is not there.
 *
 * Names, HTTP status and system codes are looked at, never the text. What is not known counts as `unavailable`: it is
 * tried again and told, and nothing is given up. Pure.
 */
import { ObjectStoreError, type ObjectStoreFailure } from "./object-store.ts";

/** Fields of the client's errors; all of them may be missing. */
interface ClientError {
  readonly name?: unknown;
  readonly message?: unknown;
  readonly code?: unknown;
  readonly Code?: unknown;
  readonly $metadata?: { readonly httpStatusCode?: unknown };
}

/** Wrong in a way that repeating cannot mend, with the status 400 as well. */
const REFUSALS: ReadonlySet<string> = new Set([
  "AccessDenied",
  "AccountProblem",
  "AllAccessDisabled",
  "AuthorizationHeaderMalformed",
  "CredentialsProviderError",
  "ExpiredToken",
  "InvalidAccessKeyId",
  "InvalidBucketName",
  "InvalidToken",
  "PermanentRedirect",
  "SignatureDoesNotMatch",
  "TokenRefreshRequired",
]);

/** An error of the client as ours. `what` says what was tried: "upload KEY". */
export function toObjectStoreError(
  error: unknown,
  call: { readonly what: string; readonly place: string; readonly isObjectCall: boolean },
): ObjectStoreError {
  if (error instanceof ObjectStoreError) return error;
  const { name, message, code, Code, $metadata }: ClientError =
    typeof error === "object" && error !== null ? error : { message: error };
  const status = Number($metadata?.httpStatusCode ?? 0);
  const word = firstWord(Code, code, name);
  const kind = kindOf({ word, status, isObjectCall: call.isObjectCall });
  const reason = [word, status === 0 ? "" : `HTTP ${status}`, shown(message)]
    .filter((part) => part !== "")
    .join(", ");
  return new ObjectStoreError(
    kind,
    `${call.what} at ${call.place}: ${SENTENCES[kind]} (${reason})`,
    error,
  );
}

const SENTENCES: Readonly<Record<ObjectStoreFailure, string>> = {
  unavailable: "the object store does not answer as it should",
  refused: "the object store refuses; look at credentials, their rights, and the region",
  "no-bucket": "there is no such bucket; make it, or correct storage.s3.bucket",
  "no-object": "there is no such object",
  damaged: "it is not what was uploaded",
};

function kindOf(facts: {
  readonly word: string;
  readonly status: number;
  readonly isObjectCall: boolean;
}): ObjectStoreFailure {
  const { word, status, isObjectCall } = facts;
  if (word === "NoSuchBucket") return "no-bucket";
  if (word === "NoSuchKey") return "no-object";
  if (status === 401 || status === 403 || status === 301 || REFUSALS.has(word)) return "refused";
  // An answer without a body: HEAD does not say what it is that is missing.
  if (status === 404) return isObjectCall ? "no-object" : "no-bucket";
  return "unavailable";
}

function firstWord(...candidates: readonly unknown[]): string {
  const words = candidates.filter((word) => typeof word === "string" && word !== "");
  return words.map(String).find((word) => word !== "Error" && word !== "Unknown") ?? "";
}

function shown(message: unknown): string {
  return typeof message === "string" && message !== "UnknownError" ? message : "";
}
