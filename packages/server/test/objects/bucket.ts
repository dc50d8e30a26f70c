/** What tests of object storage share: a bucket on a real S3 server, and options that point there. */
import {
  CreateBucketCommand,
  DeleteObjectCommand,
  ListMultipartUploadsCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  S3Client,
} from "@aws-sdk/client-s3";
import type { S3Settings } from "../../src/objects/s3-settings.ts";
import type { ServerOptions } from "../../src/server-options.ts";
import { SWIFT_ACCESS_KEY, SWIFT_SECRET_KEY, type SwiftServer } from "./swift-server.ts";

/** A bucket, looked at from outside. */
export class TestBucket {
  readonly name: string;
  readonly endpoint: string;
  readonly #client: S3Client;

  private constructor(name: string, endpoint: string) {
    this.name = name;
    this.endpoint = endpoint;
    this.#client = new S3Client({
      endpoint,
      region: "us-east-1",
      forcePathStyle: true,
      credentials: { accessKeyId: SWIFT_ACCESS_KEY, secretAccessKey: SWIFT_SECRET_KEY },
    });
  }

  static async create(swift: SwiftServer, name: string): Promise<TestBucket> {
    const bucket = new TestBucket(name, swift.endpoint);
    await bucket.make();
    return bucket;
  }

  /** A bucket that is not there until {@link make}. */
  static absent(swift: SwiftServer, name: string): TestBucket {
    return new TestBucket(name, swift.endpoint);
  }

  async make(): Promise<void> {
    await this.#client.send(new CreateBucketCommand({ Bucket: this.name }));
  }

  /** Sizes by key. */
  async objects(): Promise<ReadonlyMap<string, number>> {
    const found = new Map<string, number>();
    let token: string | undefined;
    do {
      const page = await this.#client.send(
        new ListObjectsV2Command({ Bucket: this.name, ContinuationToken: token }),
      );
      for (const { Key, Size } of page.Contents ?? []) found.set(Key ?? "", Size ?? 0);
      token = page.NextContinuationToken;
    } while (token !== undefined);
    return found;
  }

  /** Uploads in parts that nobody has ended. */
  async unfinishedUploads(): Promise<number> {
    const { Uploads } = await this.#client.send(
      new ListMultipartUploadsCommand({ Bucket: this.name }),
    );
    return Uploads?.length ?? 0;
  }

  async put(key: string, body: Uint8Array): Promise<void> {
    await this.#client.send(new PutObjectCommand({ Bucket: this.name, Key: key, Body: body }));
  }

  async remove(key: string): Promise<void> {
    await this.#client.send(new DeleteObjectCommand({ Bucket: this.name, Key: key }));
  }

  /** How a store reaches the bucket. */
  settings(changes: Partial<S3Settings> = {}): S3Settings {
    return {
      bucket: this.name,
      prefix: "",
      region: "us-east-1",
      endpoint: this.endpoint,
      forcePathStyle: true,
      credentials: { accessKeyId: SWIFT_ACCESS_KEY, secretAccessKey: SWIFT_SECRET_KEY },
      partSizeBytes: 5 * 1024 * 1024,
      concurrentUploads: 2,
      requestTimeoutMs: 10_000,
      ...changes,
    };
  }

  /** How a server reaches the bucket. */
  options(): ServerOptions {
    return {
      storageBackend: "s3",
      s3Bucket: this.name,
      s3Endpoint: this.endpoint,
      s3AccessKeyId: SWIFT_ACCESS_KEY,
      s3SecretAccessKey: SWIFT_SECRET_KEY,
      s3RequestTimeoutMs: 5_000,
    };
  }

  close(): void {
    this.#client.destroy();
  }
}
