import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { resolveS3Settings } from "../../src/objects/s3-settings.ts";
import { resolveServerOptions } from "../../src/resolve-server-options.ts";
import type { ServerOptions } from "../../src/server-options.ts";

const GOOD: ServerOptions = { storageBackend: "s3", s3Bucket: "walnut-data" };

suite("S3 settings", () => {
  test("are none when files stay local", () => {
    assert.equal(resolveS3Settings(resolveServerOptions()), undefined);
  });

  test("leave region and credentials to the chain of AWS, without an endpoint", () => {
    const settings = resolveS3Settings(resolveServerOptions(GOOD));
    assert.ok(settings !== undefined);
    const { region, credentials, endpoint, forcePathStyle, prefix } = settings;
    assert.deepEqual(
      { region, credentials, endpoint, forcePathStyle, prefix },
      {
        region: undefined,
        credentials: undefined,
        endpoint: undefined,
        forcePathStyle: false,
        prefix: "",
      },
    );
  });

  test("use paths and a region beside an endpoint, and cut slashes off the prefix", () => {
    const settings = resolveS3Settings(
      resolveServerOptions({
        ...GOOD,
        s3Endpoint: "http://127.0.0.1:9000",
        s3Prefix: "/a/b c/",
        s3AccessKeyId: "id",
        s3SecretAccessKey: "secret",
      }),
    );
    assert.equal(settings?.forcePathStyle, true);
    assert.equal(settings.region, "us-east-1");
    assert.equal(settings.prefix, "a/b c/");
    assert.deepEqual(settings.credentials, { accessKeyId: "id", secretAccessKey: "secret" });
  });

  for (const [name, options, option] of [
    ["no bucket", { s3Bucket: undefined }, "s3Bucket"],
    ["an impossible bucket", { s3Bucket: "Not A Bucket" }, "s3Bucket"],
    ["an endpoint that is no URL", { s3Endpoint: "s3.example.org" }, "s3Endpoint"],
    ["an endpoint of another kind", { s3Endpoint: "ftp://example.org" }, "s3Endpoint"],
    ["an endpoint with credentials", { s3Endpoint: "http://u:p@example.org" }, "s3Endpoint"],
    ["an endless prefix", { s3Prefix: "a".repeat(201) }, "s3Prefix"],
    ["a prefix with an empty part", { s3Prefix: "a//b" }, "s3Prefix"],
    ["an access key without a secret", { s3AccessKeyId: "id" }, "s3SecretAccessKey"],
    ["a secret without an access key", { s3SecretAccessKey: "s" }, "s3AccessKeyId"],
    ["a session token alone", { s3SessionToken: "t" }, "s3SessionToken"],
    [
      "a log that waits for a bucket which is not used",
      { storageBackend: "local", releaseLog: "object" },
      "releaseLog",
    ],
    ["a log smaller than two segments", { maxLogBytes: 1000 }, "maxLogBytes"],
  ] as const) {
    test(`refuse ${name} at the start`, () => {
      assert.throws(() => resolveServerOptions({ ...GOOD, ...options }), {
        code: "SERVER_INVALID_OPTION",
        details: { option },
      });
    });
  }
});
