import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { ServerError } from "../../src/errors.ts";
import { toObjectServerError } from "../../src/objects/object-failure.ts";
import { ObjectStoreError, type ObjectStoreFailure } from "../../src/objects/object-store.ts";
import { toObjectStoreError } from "../../src/objects/s3-failure.ts";

const PLACE = "s3://bucket";

function kindOf(error: unknown, isObjectCall = false): ObjectStoreFailure {
  return toObjectStoreError(error, { what: "trying", place: PLACE, isObjectCall }).kind;
}

function answer(status: number, name = "Unknown", more: object = {}): unknown {
  return Object.assign(new Error("text"), { name, $metadata: { httpStatusCode: status } }, more);
}

suite("failures of the object store", () => {
  for (const [name, error, expected] of [
    [
      "a refused connection",
      Object.assign(new Error("no"), { code: "ECONNREFUSED" }),
      "unavailable",
    ],
    ["a server's own error", answer(500, "InternalError"), "unavailable"],
    ["a request to slow down", answer(503, "SlowDown"), "unavailable"],
    ["something unknown", "text", "unavailable"],
    ["a wrong secret", answer(403, "SignatureDoesNotMatch"), "refused"],
    ["a refusal without a body", answer(403), "refused"],
    [
      "no credentials at all",
      Object.assign(new Error("none"), { name: "CredentialsProviderError" }),
      "refused",
    ],
    ["a wrong region", answer(301, "PermanentRedirect"), "refused"],
    ["a missing bucket", answer(404, "NoSuchBucket"), "no-bucket"],
    ["a missing bucket without a body", answer(404, "NotFound"), "no-bucket"],
    ["a missing object", answer(404, "NoSuchKey"), "no-object"],
  ] as const) {
    test(`takes ${name} for ${expected}`, () => {
      assert.equal(kindOf(error), expected);
    });
  }

  test("takes a missing thing of an object call for the object", () => {
    assert.equal(kindOf(answer(404, "NotFound"), true), "no-object");
    assert.equal(kindOf(answer(404, "NoSuchBucket"), true), "no-bucket");
  });

  for (const [kind, code] of [
    ["unavailable", "SERVER_OBJECT_STORE_UNAVAILABLE"],
    ["refused", "SERVER_OBJECT_STORE_REFUSED"],
    ["no-bucket", "SERVER_OBJECT_STORE_REFUSED"],
    ["no-object", "SERVER_STORAGE_CORRUPT"],
    ["damaged", "SERVER_STORAGE_CORRUPT"],
  ] as const) {
    test(`answers ${kind} with ${code}`, () => {
      const error = toObjectServerError(new ObjectStoreError(kind, "words"));
      assert.ok(error instanceof ServerError);
      assert.equal(error.code, code);
      assert.match(error.message, /words/);
    });
  }

  test("leaves other errors alone", () => {
    const error = new Error("disk");
    assert.equal(toObjectServerError(error), error);
  });
});
