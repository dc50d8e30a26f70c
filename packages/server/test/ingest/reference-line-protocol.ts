/**
 * A second line protocol decoder, written to be obviously right: one byte at a time, BigInt for every integer,
 * one map per row. The property tests compare the fast decoder with it. Shares no code with src/.
 */
import type { PlainRow, PlainTables, TypedValue } from "./batch-rows.ts";

export type ReferenceResult =
  | { readonly kind: "rows"; readonly tables: PlainTables }
  | { readonly kind: "error"; readonly line: number; readonly reason: string };

export interface ReferenceOptions {
  /** Nanoseconds of one unit of the timestamps. */
  readonly unitNs: bigint;
  readonly nowNs: bigint;
}

class BadLine extends Error {}

export function referenceDecode(body: Uint8Array, options: ReferenceOptions): ReferenceResult {
  return new Reference(body, options).decode();
}

class Reference {
  readonly #bytes: number[];
  readonly #options: ReferenceOptions;
  readonly #tables: Map<string, PlainRow[]> = new Map();
  readonly #types: Map<string, string> = new Map();
  #at = 0;
  #line = 1;

  constructor(body: Uint8Array, options: ReferenceOptions) {
    this.#bytes = [...body];
    if (this.#bytes.at(-1) !== code("\n")) this.#bytes.push(code("\n"));
    this.#options = options;
  }

  decode(): ReferenceResult {
    while (this.#at < this.#bytes.length) {
      const byte = this.#peek();
      if (byte === " " || byte === "\t") this.#take();
      else if (byte === "\n") this.#take();
      else if (byte === "\r" && this.#peek(1) === "\n") this.#take();
      else if (byte === "#") while (this.#peek() !== "\n") this.#take();
      else {
        const line = this.#line;
        try {
          this.#decodeLine();
        } catch (error) {
          if (error instanceof BadLine) return { kind: "error", line, reason: error.message };
          throw error;
        }
      }
    }
    return { kind: "rows", tables: this.#tables };
  }

  #decodeLine(): void {
    const measurement = this.#name([",", " "], [",", " "]);
    if (measurement === "") throw new BadLine("empty measurement");
    const values = new Map<string, TypedValue>();
    while (this.#peek() === ",") {
      this.#take();
      const key = this.#key();
      const value = this.#name([",", " "], [",", " ", "="]);
      if (value === "") throw new BadLine("empty tag value");
      this.#store(measurement, values, key, ["tag", value]);
    }
    do {
      if (this.#take() !== " ") throw new BadLine("expected a space");
    } while (this.#peek() === " ");
    for (;;) {
      const key = this.#key();
      this.#store(measurement, values, key, this.#fieldValue());
      if (this.#peek() !== ",") break;
      this.#take();
    }
    const time = this.#time();
    if (this.#peek() === "\r") this.#take();
    if (this.#peek() !== "\n") throw new BadLine("junk at the end");
    this.#take();
    let rows = this.#tables.get(measurement);
    if (rows === undefined) this.#tables.set(measurement, (rows = []));
    rows.push({ time, values });
  }

  #store(table: string, values: Map<string, TypedValue>, key: string, value: TypedValue): void {
    if (values.has(key)) throw new BadLine("duplicate key");
    if (key === "time") throw new BadLine("reserved key");
    const column = JSON.stringify([table, key]);
    const known = this.#types.get(column) ?? value[0];
    if (known !== value[0]) throw new BadLine("type conflict");
    this.#types.set(column, known);
    values.set(key, value);
  }

  #key(): string {
    const key = this.#name(["="], [",", " ", "="], [",", " "]);
    if (key === "") throw new BadLine("empty key");
    this.#take();
    return key;
  }

  /** Text up to one of `ends`; a backslash before one of `escaped` stands for that byte. */
  #name(ends: string[], escaped: string[], forbidden: string[] = ["="]): string {
    const isMeasurement = !escaped.includes("=");
    const name: number[] = [];
    for (;;) {
      const byte = this.#peek();
      if (byte === "\\" && escaped.includes(this.#peek(1))) {
        this.#take();
        name.push(code(this.#take()));
      } else if (ends.includes(byte)) break;
      else if (byte === "\n") throw new BadLine("line ends in a name");
      else if (!isMeasurement && forbidden.includes(byte))
        throw new BadLine("forbidden byte in a name");
      else name.push(code(this.#take()));
    }
    return strictText(name);
  }

  #fieldValue(): TypedValue {
    if (this.#peek() === '"') return ["string", this.#quoted()];
    let word = "";
    while (![",", " ", "\n"].includes(this.#peek())) {
      if (this.#peek() === "\r" && this.#peek(1) === "\n") break;
      word += this.#take();
    }
    if (["t", "T", "true", "True", "TRUE"].includes(word)) return ["boolean", true];
    if (["f", "F", "false", "False", "FALSE"].includes(word)) return ["boolean", false];
    if (word.endsWith("i"))
      return ["integer", wholeNumber(word.slice(0, -1), -(2n ** 63n), 2n ** 63n - 1n)];
    if (word.endsWith("u")) {
      if (word.startsWith("-")) throw new BadLine("negative unsigned");
      return ["unsigned", wholeNumber(word.slice(0, -1), 0n, 2n ** 64n - 1n)];
    }
    return ["float", decimalNumber(word)];
  }

  #quoted(): string {
    this.#take();
    const text: number[] = [];
    for (;;) {
      // The last byte is the newline that ends the body.
      if (this.#at >= this.#bytes.length - 1) throw new BadLine("string without end");
      const byte = this.#take();
      if (byte === '"') break;
      if (
        byte === "\\" &&
        ['"', "\\"].includes(this.#peek()) &&
        this.#at < this.#bytes.length - 1
      ) {
        text.push(code(this.#take()));
      } else text.push(code(byte));
    }
    const next = this.#peek();
    const isLineEnd = next === "\n" || (next === "\r" && this.#peek(1) === "\n");
    if (next !== "," && next !== " " && !isLineEnd) throw new BadLine("junk after a string");
    return strictText(text);
  }

  #time(): bigint {
    let hasSpace = false;
    while (this.#peek() === " ") {
      hasSpace = true;
      this.#take();
    }
    if (this.#peek() === "\n" || this.#peek() === "\r") return this.#options.nowNs;
    if (!hasSpace) throw new BadLine("junk after the fields");
    let word = "";
    while (![" ", "\n", "\r"].includes(this.#peek())) word += this.#take();
    while (this.#peek() === " ") this.#take();
    const time = wholeNumber(word, -(2n ** 80n), 2n ** 80n) * this.#options.unitNs;
    if (time < -(2n ** 63n) || time > 2n ** 63n - 1n) throw new BadLine("time out of range");
    return time;
  }

  #peek(ahead = 0): string {
    const byte = this.#bytes[this.#at + ahead];
    return byte === undefined ? "" : String.fromCharCode(byte);
  }

  #take(): string {
    const byte = this.#peek();
    this.#at++;
    if (byte === "\n") this.#line++;
    return byte;
  }
}

function code(text: string): number {
  return text.charCodeAt(0);
}

function strictText(bytes: number[]): string {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(
      Uint8Array.from(bytes),
    );
  } catch {
    throw new BadLine("invalid UTF-8");
  }
}

function areDigits(text: string): boolean {
  for (const character of text) if (character < "0" || character > "9") return false;
  return text !== "";
}

function wholeNumber(word: string, min: bigint, max: bigint): bigint {
  const isNegative = word.startsWith("-");
  const digits = isNegative ? word.slice(1) : word;
  if (!areDigits(digits)) throw new BadLine("not an integer");
  const value = isNegative ? -BigInt(digits) : BigInt(digits);
  if (value < min || value > max) throw new BadLine("integer out of range");
  return value;
}

function decimalNumber(word: string): number {
  let mantissa = word.startsWith("-") ? word.slice(1) : word;
  const exponentAt = mantissa.toLowerCase().indexOf("e");
  if (exponentAt >= 0) {
    let exponent = mantissa.slice(exponentAt + 1);
    if (exponent.startsWith("-") || exponent.startsWith("+")) exponent = exponent.slice(1);
    if (!areDigits(exponent)) throw new BadLine("bad exponent");
    mantissa = mantissa.slice(0, exponentAt);
  }
  const dot = mantissa.indexOf(".");
  const digits = dot < 0 ? mantissa : mantissa.slice(0, dot) + mantissa.slice(dot + 1);
  if (!areDigits(digits)) throw new BadLine("not a number");
  const value = Number(word);
  if (!Number.isFinite(value)) throw new BadLine("float out of range");
  return value;
}
