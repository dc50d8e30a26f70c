/**
 * Writes MessagePack by hand for tests: every value may choose any of its spellings, and bad bytes can be mixed in.
 */

/** Bytes to be written as they are. */
export class Raw {
  readonly bytes: readonly number[];

  constructor(...bytes: number[]) {
    this.bytes = bytes;
  }
}

export type Packable =
  | null
  | boolean
  | number
  | bigint
  | string
  | Raw
  | readonly Packable[]
  | PackableMap;
/** A map as a list of entries, so that keys may be repeated or be no texts. */
export interface PackableMap {
  readonly entries: readonly (readonly [Packable, Packable])[];
}

/** A map from an object. */
export function map(object: Readonly<Record<string, Packable>>): PackableMap {
  return { entries: Object.entries(object) };
}

/** A float64 even if the value is whole. */
export function float(value: number): Raw {
  const view = new DataView(new ArrayBuffer(8));
  view.setFloat64(0, value);
  return new Raw(0xcb, ...new Uint8Array(view.buffer));
}

/** An integer in the format with this first byte. */
export function integer(format: number, value: bigint): Raw {
  const byteLength = 1 << ((format - 0xcc) & 3);
  const bytes = Array.from({ length: byteLength }, (_, index) =>
    Number((value >> BigInt(8 * (byteLength - 1 - index))) & 0xffn),
  );
  return new Raw(format, ...bytes);
}

export function pack(value: Packable): Uint8Array {
  return Uint8Array.from(bytesOf(value));
}

function bytesOf(value: Packable): number[] {
  if (value === null) return [0xc0];
  if (typeof value === "boolean") return [value ? 0xc3 : 0xc2];
  if (typeof value === "number" && !Number.isInteger(value)) return [...float(value).bytes];
  if (typeof value === "number" || typeof value === "bigint") return shortestInteger(BigInt(value));
  if (typeof value === "string") {
    const bytes = [...Buffer.from(value)];
    return [...header(bytes.length, 0xa0, 31, [0xd9, 0xda, 0xdb]), ...bytes];
  }
  if (value instanceof Raw) return [...value.bytes];
  if ("entries" in value && !Array.isArray(value)) {
    const { entries } = value as PackableMap;
    return [
      ...header(entries.length, 0x80, 15, [0, 0xde, 0xdf]),
      ...entries.flatMap(([key, entry]) => [...bytesOf(key), ...bytesOf(entry)]),
    ];
  }
  const elements = value as readonly Packable[];
  const bytes = header(elements.length, 0x90, 15, [0, 0xdc, 0xdd]);
  for (const element of elements) bytes.push(...bytesOf(element));
  return bytes;
}

function header(length: number, fix: number, maxFix: number, formats: readonly number[]): number[] {
  if (length <= maxFix) return [fix | length];
  if (length <= 0xff && formats[0] !== 0) return [formats[0] ?? 0, length];
  if (length <= 0xffff) return [formats[1] ?? 0, length >>> 8, length & 0xff];
  return [
    formats[2] ?? 0,
    length >>> 24,
    (length >>> 16) & 0xff,
    (length >>> 8) & 0xff,
    length & 0xff,
  ];
}

function shortestInteger(value: bigint): number[] {
  if (value >= 0n && value < 128n) return [Number(value)];
  if (value < 0n && value >= -32n) return [Number(value + 256n)];
  const formats = value >= 0n ? [0xcc, 0xcd, 0xce, 0xcf] : [0xd0, 0xd1, 0xd2, 0xd3];
  const bits = value >= 0n ? [8n, 16n, 32n, 64n] : [7n, 15n, 31n, 63n];
  const size = value >= 0n ? value : -value - 1n;
  const index = bits.findIndex((count) => size < 1n << count);
  return [...integer(formats[index] ?? 0, value).bytes];
}
