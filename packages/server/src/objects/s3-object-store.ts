/**
 * A bucket of an S3-compatible server, through the AWS SDK.
 *
 * Bodies are sent with their MD5, which every server compares before it stores them; large files go in parts, one of
 * which is in memory at a time. The SHA-256 of the whole travels as metadata and is compared when the object comes
 * back. Only operations that every S3 server has are used, and no conditional writes. Each call is tried three times
 * by the SDK; longer outages are for the caller. The SDK is loaded when a bucket is configured, and only then.
 */
import { createHash } from "node:crypto";
import { createWriteStream } from "node:fs";
import { open, type FileHandle } from "node:fs/promises";
import { Readable, Transform } from "node:stream";
import { pipeline } from "node:stream/promises";
import type * as S3Sdk from "@aws-sdk/client-s3";
import type { S3Client, S3ClientConfig } from "@aws-sdk/client-s3";
import {
  ObjectStoreError,
  type ListedObject,
  type ObjectContent,
  type ObjectStore,
} from "./object-store.ts";
import { toObjectStoreError } from "./s3-failure.ts";
import type { S3Settings } from "./s3-settings.ts";

/** Metadata of an object: SHA-256 of its bytes in hex. */
const DIGEST_METADATA = "walnut-sha256";
const CONNECTION_TIMEOUT_MS = 5_000;
/** The first try included. */
const TRIES_PER_CALL = 3;
const MAX_SOCKETS = 32;
/** Servers take at most 10,000 parts. */
const MAX_PARTS = 10_000;

type Sdk = typeof S3Sdk;

/** Loads the SDK and makes a client. Nothing is asked of the server yet. */
export async function openS3ObjectStore(settings: S3Settings): Promise<ObjectStore> {
  // The version is pinned; what later ones will need is no message for an operator.
  process.env["AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED"] ??= "true";
  const sdk = await import("@aws-sdk/client-s3");
  return new S3ObjectStore(sdk, settings);
}

function clientConfig(settings: S3Settings): S3ClientConfig {
  const { region, endpoint, credentials, forcePathStyle, requestTimeoutMs } = settings;
  return {
    ...(region === undefined ? {} : { region }),
    ...(endpoint === undefined ? {} : { endpoint }),
    ...(credentials === undefined ? {} : { credentials }),
    forcePathStyle,
    maxAttempts: TRIES_PER_CALL,
    // Checksums that only newer servers know; MD5 and SHA-256 of our own do their work.
    requestChecksumCalculation: "WHEN_REQUIRED",
    responseChecksumValidation: "WHEN_REQUIRED",
    requestHandler: {
      connectionTimeout: CONNECTION_TIMEOUT_MS,
      requestTimeout: requestTimeoutMs,
      throwOnRequestTimeout: true,
      socketTimeout: requestTimeoutMs,
      httpAgent: { maxSockets: MAX_SOCKETS },
      httpsAgent: { maxSockets: MAX_SOCKETS },
    },
  };
}

class S3ObjectStore implements ObjectStore {
  readonly place: string;
  readonly #sdk: Sdk;
  readonly #client: S3Client;
  readonly #bucket: string;
  readonly #partSizeBytes: number;

  constructor(sdk: Sdk, settings: S3Settings) {
    const at = settings.endpoint === undefined ? "" : ` at ${settings.endpoint}`;
    this.place = `s3://${settings.bucket}${at}`;
    this.#sdk = sdk;
    this.#client = new sdk.S3Client(clientConfig(settings));
    this.#bucket = settings.bucket;
    this.#partSizeBytes = settings.partSizeBytes;
  }

  async check(signal?: AbortSignal): Promise<void> {
    await this.#try("looking at the bucket", false, async () => {
      // Not HeadBucket: the answer to HEAD has no body that says what is wrong.
      const input = { Bucket: this.#bucket, MaxKeys: 1 };
      await this.#client.send(new this.#sdk.ListObjectsV2Command(input), abort(signal));
    });
  }

  async upload(content: ObjectContent, filePath: string, signal?: AbortSignal): Promise<boolean> {
    return await this.#try(`uploading ${content.key}`, false, async () => {
      if (await this.#isThere(content, signal)) return false;
      const file = await open(filePath, "r");
      try {
        if (content.bytes <= this.#partSizeBytes) await this.#put(content, file, signal);
        else await this.#putParts(content, file, signal);
      } finally {
        await file.close();
      }
      if (await this.#isThere(content, signal)) return true;
      throw new ObjectStoreError(
        "unavailable",
        `${content.key} was uploaded to ${this.place}, which does not show it with its ` +
          `${content.bytes} bytes`,
      );
    });
  }

  async download(content: ObjectContent, filePath: string, signal?: AbortSignal): Promise<void> {
    const { key } = content;
    await this.#try(`reading ${key}`, true, async () => {
      const command = new this.#sdk.GetObjectCommand({ Bucket: this.#bucket, Key: key });
      const { Body, ContentLength } = await this.#client.send(command, abort(signal));
      if (!(Body instanceof Readable)) throw new Error("the answer has no body");
      if (ContentLength !== undefined && ContentLength !== content.bytes) {
        Body.destroy();
        throw damaged(content, this.place, `${ContentLength} bytes`);
      }
      const arriving = new Arriving(content.bytes);
      const target = createWriteStream(filePath, { mode: 0o600 });
      await pipeline(Body, arriving, target, signal === undefined ? {} : { signal });
      const { bytes, sha256 } = arriving.result();
      if (bytes === content.bytes && sha256 === content.sha256) return;
      throw damaged(content, this.place, `${bytes} bytes with SHA-256 ${sha256}`);
    });
  }

  async remove(key: string, signal?: AbortSignal): Promise<void> {
    await this.#try(`removing ${key}`, false, async () => {
      const command = new this.#sdk.DeleteObjectCommand({ Bucket: this.#bucket, Key: key });
      await this.#client.send(command, abort(signal));
    });
  }

  async *list(prefix: string, signal?: AbortSignal): AsyncGenerator<ListedObject> {
    let token: string | undefined;
    do {
      const page = await this.#try(`listing ${prefix}`, false, async () => {
        const input = { Bucket: this.#bucket, Prefix: prefix, ContinuationToken: token };
        return await this.#client.send(new this.#sdk.ListObjectsV2Command(input), abort(signal));
      });
      for (const { Key, Size, LastModified } of page.Contents ?? []) {
        if (Key === undefined) continue;
        yield { key: Key, bytes: Size ?? 0, modifiedMs: LastModified?.getTime() ?? 0 };
      }
      token = page.IsTruncated === true ? page.NextContinuationToken : undefined;
    } while (token !== undefined);
  }

  close(): void {
    this.#client.destroy();
  }

  /** True when the object is there with our size and our digest. */
  async #isThere({ key, bytes, sha256 }: ObjectContent, signal?: AbortSignal): Promise<boolean> {
    try {
      const command = new this.#sdk.HeadObjectCommand({ Bucket: this.#bucket, Key: key });
      const { ContentLength, Metadata } = await this.#client.send(command, abort(signal));
      return ContentLength === bytes && Metadata?.[DIGEST_METADATA] === sha256;
    } catch (error) {
      const call = { what: `looking at ${key}`, place: this.place, isObjectCall: true };
      const failure = toObjectStoreError(error, call);
      // A bucket that is missing answers alike; the upload that follows is told.
      if (failure.kind === "no-object") return false;
      throw failure;
    }
  }

  async #put(content: ObjectContent, file: FileHandle, signal?: AbortSignal): Promise<void> {
    const body = await readPart(file, 0, content.bytes);
    const command = new this.#sdk.PutObjectCommand({
      Bucket: this.#bucket,
      Key: content.key,
      Body: body,
      ContentMD5: md5(body),
      ContentType: "application/vnd.apache.parquet",
      Metadata: { [DIGEST_METADATA]: content.sha256 },
    });
    await this.#client.send(command, abort(signal));
  }

  async #putParts(content: ObjectContent, file: FileHandle, signal?: AbortSignal): Promise<void> {
    const target = { Bucket: this.#bucket, Key: content.key };
    await this.#abortUnfinished(content.key, signal);
    const { UploadId } = await this.#client.send(
      new this.#sdk.CreateMultipartUploadCommand({
        ...target,
        ContentType: "application/vnd.apache.parquet",
        Metadata: { [DIGEST_METADATA]: content.sha256 },
      }),
      abort(signal),
    );
    if (UploadId === undefined) throw new Error("the answer has no upload id");
    try {
      const parts: { ETag: string | undefined; PartNumber: number }[] = [];
      const partBytes = Math.max(this.#partSizeBytes, Math.ceil(content.bytes / MAX_PARTS));
      for (let from = 0; from < content.bytes; from += partBytes) {
        const body = await readPart(file, from, Math.min(partBytes, content.bytes - from));
        const PartNumber = parts.length + 1;
        const command = new this.#sdk.UploadPartCommand({
          ...target,
          UploadId,
          PartNumber,
          Body: body,
          ContentMD5: md5(body),
        });
        const { ETag } = await this.#client.send(command, abort(signal));
        parts.push({ ETag, PartNumber });
      }
      const command = new this.#sdk.CompleteMultipartUploadCommand({
        ...target,
        UploadId,
        MultipartUpload: { Parts: parts },
      });
      await this.#client.send(command, abort(signal));
    } catch (error) {
      // Parts cost money. If they cannot go now, the next try of this key removes them.
      const command = new this.#sdk.AbortMultipartUploadCommand({ ...target, UploadId });
      await this.#client.send(command).catch(() => undefined);
      throw error;
    }
  }

  /** One process uploads a key: an upload that is under way when another begins was left by a process that died. */
  async #abortUnfinished(key: string, signal?: AbortSignal): Promise<void> {
    const command = new this.#sdk.ListMultipartUploadsCommand({
      Bucket: this.#bucket,
      Prefix: key,
    });
    const { Uploads } = await this.#client.send(command, abort(signal));
    for (const { Key, UploadId } of Uploads ?? []) {
      if (Key !== key || UploadId === undefined) continue;
      const input = { Bucket: this.#bucket, Key: key, UploadId };
      await this.#client.send(new this.#sdk.AbortMultipartUploadCommand(input), abort(signal));
    }
  }

  async #try<T>(what: string, isObjectCall: boolean, call: () => Promise<T>): Promise<T> {
    try {
      return await call();
    } catch (error) {
      // The disk here has its own errors: they are none of the bucket's.
      if (isDiskError(error)) throw error;
      throw toObjectStoreError(error, { what, place: this.place, isObjectCall });
    }
  }
}

/** Counts and digests what passes, and lets no more through than there should be. */
class Arriving extends Transform {
  readonly #hash = createHash("sha256");
  readonly #maxBytes: number;
  #bytes = 0;

  constructor(maxBytes: number) {
    super();
    this.#maxBytes = maxBytes;
  }

  override _transform(
    chunk: Buffer,
    _encoding: BufferEncoding,
    done: (error: Error | null, chunk?: Buffer) => void,
  ): void {
    this.#bytes += chunk.byteLength;
    this.#hash.update(chunk);
    if (this.#bytes <= this.#maxBytes) done(null, chunk);
    else done(new ObjectStoreError("damaged", `more than ${this.#maxBytes} bytes arrived`));
  }

  result(): { readonly bytes: number; readonly sha256: string } {
    return { bytes: this.#bytes, sha256: this.#hash.digest("hex") };
  }
}

async function readPart(file: FileHandle, from: number, bytes: number): Promise<Buffer> {
  const body = Buffer.alloc(bytes);
  let filled = 0;
  while (filled < bytes) {
    const { bytesRead } = await file.read(body, filled, bytes - filled, from + filled);
    if (bytesRead === 0) throw new Error(`the file ends after ${from + filled} bytes`);
    filled += bytesRead;
  }
  return body;
}

function md5(body: Uint8Array): string {
  return createHash("md5").update(body).digest("base64");
}

function abort(signal: AbortSignal | undefined): { readonly abortSignal?: AbortSignal } {
  return signal === undefined ? {} : { abortSignal: signal };
}

function damaged(content: ObjectContent, place: string, found: string): ObjectStoreError {
  return new ObjectStoreError(
    "damaged",
    `${content.key} at ${place} is damaged: ${content.bytes} bytes with SHA-256 ` +
      `${content.sha256} were uploaded, found ${found}`,
  );
}

/** True for errors of the file system: they name a call, and sockets name another one. */
function isDiskError(error: unknown): boolean {
  if (!(error instanceof Error) || !("syscall" in error)) return false;
  return (
    ["open", "read", "write", "close", "fsync", "stat"].includes(String(error.syscall)) &&
    !("$metadata" in error)
  );
}
