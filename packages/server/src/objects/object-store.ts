/**
 * A bucket, as far as the server needs one: whole files in and out, under keys.
 *
 * An object is there as a whole or not at all, and is durable when {@link ObjectStore.upload} resolves. Methods throw
 * {@link ObjectStoreError}, whose `kind` says what to do: wait, change the configuration, or mourn the object.
 * The real one speaks S3 (s3-object-store.ts).
 */

/**
 * `unavailable`: no answer, or an answer that may be another one later. `refused`: credentials, rights or region are
 * wrong. `no-bucket`: there is no such bucket. `no-object`: there is no such object. `damaged`: what came is not what
 * was uploaded.
 */
export type ObjectStoreFailure = "unavailable" | "refused" | "no-bucket" | "no-object" | "damaged";

/** A failed call to the bucket. */
export class ObjectStoreError extends Error {
  readonly kind: ObjectStoreFailure;

  constructor(kind: ObjectStoreFailure, message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.name = "ObjectStoreError";
    this.kind = kind;
  }
}

/** An object whose size and digest are known. */
export interface ObjectContent {
  /** Whole key, prefix included. */
  readonly key: string;
  readonly bytes: number;
  /** SHA-256 in hex. */
  readonly sha256: string;
}

/** An object of a listing. */
export interface ListedObject {
  readonly key: string;
  readonly bytes: number;
  readonly modifiedMs: number;
}

/** A bucket. */
export interface ObjectStore {
  /** The bucket, in words: "s3://bucket at http://host". */
  readonly place: string;

  /** Resolves when the bucket answers and lets us in. */
  check(signal?: AbortSignal): Promise<void>;

  /**
   * Uploads a file and looks at what has arrived. When it resolves the object is there with these bytes. Repeating it
   * is harmless: an object that is there already is not sent again, an unfinished upload of the key is thrown away.
   *
   * @returns false when the object was there already
   */
  upload(content: ObjectContent, filePath: string, signal?: AbortSignal): Promise<boolean>;

  /** Writes an object to a new file, which holds exactly its bytes when this resolves; not synced. */
  download(content: ObjectContent, filePath: string, signal?: AbortSignal): Promise<void>;

  /** Removes an object; one that is not there is no error. */
  remove(key: string, signal?: AbortSignal): Promise<void>;

  /** Objects whose keys begin with a prefix, in any order. */
  list(prefix: string, signal?: AbortSignal): AsyncIterable<ListedObject>;

  close(): void;
}
