/**
 * Where the rows of a table live: names of directories and Parquet files.
 *
 *     {database}/{measurement}/{YYYY}/{MM}/{DD}/{HH}/{measurement}_w{shard}_{firstLsn}-{lastLsn}.parquet
 *
 * and `{measurement}_w{shard}_{firstLsn}-{lastLsn}.{generation}.parquet` for files made of files,
 * relative to the Parquet root, separated by slashes on every platform. The hour is the UTC hour of the
 * data, the LSNs are the range of the log that the flush covers, and the shard is the number of that log: several
 * processes write below one root, and none may take a file of another for its own. Names of databases and measurements are
 * percent-encoded, so that any name is one safe path part; the encoding is injective, and names too long
 * for a file system end in a digest. Layout: docs/storage.md. Pure.
 */
import { createHash } from "node:crypto";

/** Longest encoded part, in bytes. A file name adds two LSNs and suffixes and must stay below 255. */
const MAX_ENCODED_BYTES = 160;
const KEPT_OF_LONG_NAME_BYTES = 90;
const NANOSECONDS_PER_MILLISECOND = 1_000_000n;

/** Range of LSNs that a file covers, both ends included. */
export interface LsnRange {
  readonly firstLsn: number;
  readonly lastLsn: number;
}

/**
 * A name as one path part.
 *
 * ASCII letters, digits, `_`, `-` and inner dots stay; every other byte of the UTF-8 form becomes `%XX`. A
 * dot at either end is encoded, so `.` and `..` and hidden names cannot arise. A part longer than the limit
 * becomes its beginning, `~` and the SHA-256 of the name: `~` occurs in no other part.
 */
export function encodePathPart(name: string): string {
  let encoded = "";
  const bytes = Buffer.from(name, "utf8");
  for (let index = 0; index < bytes.length; index++) {
    const byte = bytes[index] ?? 0;
    const isInnerDot = byte === 0x2e && index > 0 && index < bytes.length - 1;
    encoded +=
      isInnerDot || isPlainByte(byte)
        ? String.fromCharCode(byte)
        : `%${byte.toString(16).toUpperCase().padStart(2, "0")}`;
  }
  if (encoded.length <= MAX_ENCODED_BYTES) return encoded;
  const kept = encoded.slice(0, KEPT_OF_LONG_NAME_BYTES).replace(/%.?$/, "");
  return `${kept}~${createHash("sha256").update(name, "utf8").digest("hex")}`;
}

/** Directory of a table, relative to the Parquet root. */
export function tableDirectory(database: string, measurement: string): string {
  return `${encodePathPart(database)}/${encodePathPart(measurement)}`;
}

/** Directory of an hour inside a table's directory: `YYYY/MM/DD/HH` in UTC. */
export function hourDirectory(hourStartNs: bigint): string {
  const iso = new Date(Number(hourStartNs / NANOSECONDS_PER_MILLISECOND)).toISOString();
  return `${iso.slice(0, 4)}/${iso.slice(5, 7)}/${iso.slice(8, 10)}/${iso.slice(11, 13)}`;
}

/** Name of the Parquet file that a flush of `range` of a shard's log writes into an hour directory. */
export function parquetFileName(measurement: string, shard: number, range: LsnRange): string {
  return `${encodePathPart(measurement)}_w${shard}_${range.firstLsn}-${range.lastLsn}.parquet`;
}

/**
 * Path of a file that takes the place of others of one hour directory. It is new: the generation is one more than
 * the highest of the files that it replaces, so along a row's way from file to file it grows.
 */
export function rewrittenPath(paths: readonly string[]): string {
  const parts = paths.map(parseFilePath);
  const [first] = parts;
  if (first === undefined) throw new RangeError("no files to replace");
  const firstLsn = Math.min(...parts.map((part) => part.firstLsn));
  const lastLsn = Math.max(...parts.map((part) => part.lastLsn));
  const generation = Math.max(...parts.map((part) => part.generation)) + 1;
  return `${first.prefix}${firstLsn}-${lastLsn}.${generation}.parquet`;
}

/** What the path of a file of the catalog says: which rows of the log, how often rewritten. */
export function parseFilePath(path: string): RewrittenRange & { readonly prefix: string } {
  const match = /^(.*_)(\d+)-(\d+)(?:\.(\d+))?\.parquet$/.exec(path);
  if (match === null) throw new RangeError(`${path} is not the name of a file of a table`);
  const [, prefix = "", firstLsn, lastLsn, generation = "0"] = match;
  return {
    prefix,
    firstLsn: Number(firstLsn),
    lastLsn: Number(lastLsn),
    generation: Number(generation),
  };
}

/** Range and generation of a file made of files: 0 for one that a flush wrote. */
export interface RewrittenRange extends LsnRange {
  readonly generation: number;
}

/** Name under which a file is written before it is renamed. No encoded name begins with a dot. */
export function temporaryFileName(fileName: string, attempt: number): string {
  return `.${fileName}.${attempt}.tmp`;
}

/** What a name in an hour directory says about itself. */
export type ParsedFileName =
  | { readonly kind: "data"; readonly shard: number; readonly range: LsnRange }
  | { readonly kind: "rewritten"; readonly shard: number; readonly range: RewrittenRange }
  | { readonly kind: "temporary"; readonly shard: number }
  | { readonly kind: "unknown" };

/**
 * Recognises names made by {@link parquetFileName}, {@link rewrittenPath} and {@link temporaryFileName}.
 *
 * @param tableDirectoryName - name of the measurement's directory, which is the encoded measurement
 */
export function parseFileName(fileName: string, tableDirectoryName: string): ParsedFileName {
  const prefix = `${tableDirectoryName}_w`;
  if (fileName.startsWith(`.${prefix}`)) {
    const temporary = /^([1-9]\d?)_.*\.tmp$/.exec(fileName.slice(prefix.length + 1));
    return temporary === null
      ? { kind: "unknown" }
      : { kind: "temporary", shard: Number(temporary[1]) };
  }
  if (!fileName.startsWith(prefix)) return { kind: "unknown" };
  const match = /^([1-9]\d?)_(\d{1,16})-(\d{1,16})(?:\.(\d{1,9}))?\.parquet$/.exec(
    fileName.slice(prefix.length),
  );
  if (match === null) return { kind: "unknown" };
  const shard = Number(match[1]);
  const range = { firstLsn: Number(match[2]), lastLsn: Number(match[3]) };
  if (range.firstLsn < 1 || range.lastLsn < range.firstLsn) return { kind: "unknown" };
  if (match[4] === undefined) return { kind: "data", shard, range };
  const generation = Number(match[4]);
  return generation >= 1
    ? { kind: "rewritten", shard, range: { ...range, generation } }
    : { kind: "unknown" };
}

function isPlainByte(byte: number): boolean {
  return (
    (byte >= 0x30 && byte <= 0x39) || // 0-9
    (byte >= 0x41 && byte <= 0x5a) || // A-Z
    (byte >= 0x61 && byte <= 0x7a) || // a-z
    byte === 0x5f || // _
    byte === 0x2d // -
  );
}
