/**
 * Codecs that compress the body of a frame, by the id that is stored in the frame.
 *
 * `none` and `deflate` are part of Node. `snappy`, `lz4` and `zstd` are optional packages (zstd is part of
 * newer Node versions), loaded when a log is opened that writes or holds such frames; when one is absent the
 * error names the package to install. A decoder is only ever given bytes whose checksum was right, and still
 * checks the length that the block claims before it allocates: a hostile block can claim 4 GiB.
 */
import * as zlib from "node:zlib";
import { WalError } from "../errors.ts";

/** Codec names in the order of their ids on disk. Only ever appended to. */
export const CODEC_NAMES = ["none", "deflate", "snappy", "lz4", "zstd"] as const;
export type CodecName = (typeof CODEC_NAMES)[number];

/** One way to compress a frame's body. Both directions are synchronous and pure. */
export interface Codec {
  readonly id: number;
  readonly name: CodecName;
  compress(body: Uint8Array): Uint8Array;
  /** Compresses off the main thread where the library can; for bodies large enough to be worth the hop. */
  compressAsync(body: Uint8Array): Promise<Uint8Array>;
  /**
   * @returns exactly `rawBytes` bytes, or `undefined` when the block does not hold that many
   */
  decompress(stored: Uint8Array, rawBytes: number): Uint8Array | undefined;
}

/** Loads codecs once and remembers them; one per open log, so that nothing is global. */
export class CodecRegistry {
  readonly #loaded = new Map<number, Codec>();

  constructor() {
    this.#loaded.set(DEFLATE.id, DEFLATE);
  }

  /** The codec of a name. Throws `WAL_CODEC_MISSING` when its optional package is not installed. */
  async load(name: Exclude<CodecName, "none">): Promise<Codec> {
    const id = CODEC_NAMES.indexOf(name);
    const loaded = this.#loaded.get(id);
    if (loaded !== undefined) return loaded;
    const codec = await OPTIONAL_CODECS[name](id);
    this.#loaded.set(id, codec);
    return codec;
  }

  /** The codec of an id found in a frame, or `undefined` when this version knows no such codec. */
  async loadById(id: number): Promise<Codec | undefined> {
    const name = CODEC_NAMES[id];
    return name === undefined || name === "none" ? undefined : await this.load(name);
  }

  /** The codec of an id, if it has been loaded. */
  get(id: number): Codec | undefined {
    return this.#loaded.get(id);
  }
}

/** A byte of an lz4 block stands for at most 255 bytes: a longer claim is not worth the memory. */
const LZ4_MAX_RATIO = 255;

const DEFLATE: Codec = {
  id: 1,
  name: "deflate",
  compress: (body) => zlib.deflateRawSync(body, { level: 1 }),
  compressAsync: (body) =>
    new Promise((resolve, reject) => {
      zlib.deflateRaw(body, { level: 1 }, (error, result) => {
        if (error === null) resolve(result);
        else reject(error);
      });
    }),
  decompress: (stored, rawBytes) =>
    guarded(rawBytes, () =>
      zlib.inflateRawSync(stored, { maxOutputLength: Math.max(1, rawBytes) }),
    ),
};

type OptionalCodecName = Exclude<CodecName, "none">;

const OPTIONAL_CODECS: Readonly<Record<OptionalCodecName, (id: number) => Promise<Codec>>> = {
  deflate: () => Promise.resolve(DEFLATE),
  snappy: loadSnappy,
  lz4: loadLz4,
  zstd: loadZstd,
};

/** What we use of each optional package: the engine must compile without them. */
interface SnappyModule {
  compressSync(input: Uint8Array): Uint8Array;
  compress(input: Uint8Array): Promise<Uint8Array>;
  uncompressSync(input: Uint8Array, options: { asBuffer: true }): Uint8Array;
}

interface Lz4Module {
  compressSync(input: Uint8Array): Uint8Array;
  compress(input: Uint8Array): Promise<Uint8Array>;
  uncompressSync(input: Uint8Array): Uint8Array;
}

interface ZstdModule {
  compress(input: Uint8Array, level: number): Uint8Array;
  decompress(input: Uint8Array): Uint8Array;
}

/** Of node:zlib in newer versions of Node. */
interface BuiltInZstd {
  /** `pledgedSrcSize` makes the frame state its size, which the decoder insists on. */
  zstdCompressSync(input: Uint8Array, options: { pledgedSrcSize: number }): Uint8Array;
  zstdDecompressSync(input: Uint8Array, options: { maxOutputLength: number }): Uint8Array;
}

async function loadSnappy(id: number): Promise<Codec> {
  const snappy: SnappyModule = await loadPackage("snappy", "snappy");
  return {
    id,
    name: "snappy",
    compress: (body) => snappy.compressSync(body),
    compressAsync: async (body) => await snappy.compress(body),
    decompress: (stored, rawBytes) =>
      snappyClaimedBytes(stored) === rawBytes
        ? guarded(rawBytes, () => snappy.uncompressSync(stored, { asBuffer: true }))
        : undefined,
  };
}

async function loadLz4(id: number): Promise<Codec> {
  const lz4: Lz4Module = await loadPackage("lz4", "lz4-napi");
  return {
    id,
    name: "lz4",
    compress: (body) => lz4.compressSync(body),
    compressAsync: async (body) => await lz4.compress(body),
    decompress: (stored, rawBytes) =>
      lz4ClaimedBytes(stored) === rawBytes && rawBytes <= stored.byteLength * LZ4_MAX_RATIO
        ? guarded(rawBytes, () => lz4.uncompressSync(stored))
        : undefined,
  };
}

async function loadZstd(id: number): Promise<Codec> {
  // Node 22.15 and later bring zstd along; the optional package serves older versions.
  const builtIn = zlib as unknown as Partial<BuiltInZstd>;
  const { zstdCompressSync, zstdDecompressSync } = builtIn;
  if (zstdCompressSync !== undefined && zstdDecompressSync !== undefined) {
    return {
      id,
      name: "zstd",
      compress: (body) => zstdCompressSync(body, { pledgedSrcSize: body.byteLength }),
      compressAsync: (body) =>
        Promise.resolve(zstdCompressSync(body, { pledgedSrcSize: body.byteLength })),
      decompress: (stored, rawBytes) =>
        zstdClaimedBytes(stored) === rawBytes
          ? guarded(rawBytes, () =>
              zstdDecompressSync(stored, { maxOutputLength: Math.max(1, rawBytes) }),
            )
          : undefined,
    };
  }
  const zstd: ZstdModule = await loadPackage("zstd", "@cloudpss/zstd");
  return {
    id,
    name: "zstd",
    compress: (body) => zstd.compress(body, 1),
    compressAsync: (body) => Promise.resolve(zstd.compress(body, 1)),
    decompress: (stored, rawBytes) =>
      zstdClaimedBytes(stored) === rawBytes
        ? guarded(rawBytes, () => zstd.decompress(stored))
        : undefined,
  };
}

async function loadPackage<T>(codec: CodecName, packageName: string): Promise<T> {
  try {
    const loaded: unknown = await import(packageName);
    const module = loaded as Partial<T> & { default?: Partial<T> | null };
    // CommonJS packages put their functions on `default`; named exports, where detected, win.
    return { ...module.default, ...module } as T;
  } catch (cause) {
    throw new WalError(
      "WAL_CODEC_MISSING",
      `codec "${codec}" needs the package "${packageName}", which cannot be loaded: run "npm install ${packageName}"`,
      { details: { codec, package: packageName }, cause },
    );
  }
}

/** A block whose checksum was right can still have been made by a broken or hostile writer. */
function guarded(rawBytes: number, decode: () => Uint8Array): Uint8Array | undefined {
  try {
    const raw = decode();
    return raw.byteLength === rawBytes ? raw : undefined;
  } catch {
    // The library's own word about a malformed block adds nothing to "this block is malformed".
    return undefined;
  }
}

/** Length prefix of the snappy block format: a varint of up to 5 bytes. */
function snappyClaimedBytes(stored: Uint8Array): number | undefined {
  let value = 0;
  for (let index = 0; index < 5; index++) {
    const byte = stored[index];
    if (byte === undefined) return undefined;
    value += (byte & 0x7f) * 2 ** (7 * index);
    if (byte < 0x80) return value;
  }
  return undefined;
}

/** Length prefix that lz4-napi stores in front of a block: 4 little-endian bytes. */
function lz4ClaimedBytes(stored: Uint8Array): number | undefined {
  if (stored.byteLength < 4) return undefined;
  return new DataView(stored.buffer, stored.byteOffset, 4).getUint32(0, true);
}

/** Content size in a zstd frame header (RFC 8878, 3.1.1.1); `undefined` where the frame states none. */
function zstdClaimedBytes(stored: Uint8Array): number | undefined {
  if (stored.byteLength < 6) return undefined;
  const view = new DataView(stored.buffer, stored.byteOffset, stored.byteLength);
  const descriptor = view.getUint8(4);
  const isSingleSegment = (descriptor & 0x20) !== 0;
  const sizeFlag = descriptor >> 6;
  const dictionaryBytes = [0, 1, 2, 4][descriptor & 3] ?? 0;
  const offset = 5 + (isSingleSegment ? 0 : 1) + dictionaryBytes;
  const sizeBytes = sizeFlag === 0 ? (isSingleSegment ? 1 : 0) : 2 ** sizeFlag;
  if (sizeBytes === 0 || offset + sizeBytes > stored.byteLength) return undefined;
  if (sizeBytes === 1) return view.getUint8(offset);
  if (sizeBytes === 2) return view.getUint16(offset, true) + 256;
  if (sizeBytes === 4) return view.getUint32(offset, true);
  return view.getUint32(offset, true) + view.getUint32(offset + 4, true) * 2 ** 32;
}
