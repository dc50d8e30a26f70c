/**
 * Where the parts of one line of line protocol are: the slow, complete walk over a line of unknown shape.
 *
 *     measurement[,tagKey=tagValue]* fieldKey=fieldValue[,fieldKey=fieldValue]* [timestamp]
 *
 * A backslash escapes the next byte only where that byte would otherwise end the name: `,` and space in a
 * measurement, also `=` in keys and tag values, `"` and `\` in quoted strings. Before any other byte a
 * backslash is itself. A newline ends the line everywhere but inside a quoted string.
 *
 * Knows nothing of columns, types or values.
 */
import type { LineBody } from "./line-body.ts";

const NEWLINE = 0x0a;
const CARRIAGE_RETURN = 0x0d;
const SPACE = 0x20;
const QUOTE = 0x22;
const COMMA = 0x2c;
const EQUALS = 0x3d;
const BACKSLASH = 0x5c;

/** Start and end of the key, start and end of the value: four marks for each tag and field. */
export const MARKS_PER_PART = 4;

export class LineScanner {
  /** Marks of the tags, then of the fields, {@link MARKS_PER_PART} each. Keys end after their `=`. */
  readonly marks: number[] = [];
  measurementEnd = 0;
  tagCount = 0;
  fieldCount = 0;

  readonly #body: LineBody;
  readonly #bytes: Buffer;
  /** Position of the newline that ends the body. */
  readonly #end: number;
  #markCount = 0;

  constructor(body: LineBody) {
    this.#body = body;
    this.#bytes = body.bytes;
    this.#end = body.bytes.length - 1;
  }

  /**
   * Walks the line at `lineStart` up to the end of its fields.
   *
   * @throws {ServerError} `SERVER_INVALID_LINE`
   */
  scan(lineStart: number): void {
    this.#markCount = 0;
    this.tagCount = 0;
    this.fieldCount = 0;
    let at = this.#scanMeasurement(lineStart);
    while (this.#bytes[at] === COMMA) {
      at = this.#scanTag(at + 1);
      this.tagCount++;
    }
    while (this.#bytes[at] === SPACE) at++;
    for (;;) {
      at = this.#scanField(at);
      this.fieldCount++;
      if (this.#bytes[at] !== COMMA) return;
      at++;
    }
  }

  #scanMeasurement(start: number): number {
    const bytes = this.#bytes;
    let at = start;
    for (;;) {
      const byte = bytes[at] as number;
      if (byte === COMMA || byte === SPACE) break;
      if (byte === NEWLINE) this.#fail(start, "the line has no fields");
      at += byte === BACKSLASH && isCommaOrSpace(bytes[at + 1] as number) ? 2 : 1;
    }
    if (at === start) this.#fail(start, "the measurement is empty");
    this.measurementEnd = at;
    return at;
  }

  #scanTag(start: number): number {
    const valueStart = this.#scanKey(start, "tag");
    const bytes = this.#bytes;
    let at = valueStart;
    for (;;) {
      const byte = bytes[at] as number;
      if (byte === COMMA || byte === SPACE) break;
      if (byte === NEWLINE) this.#fail(valueStart, "the line has no fields");
      if (byte === EQUALS) this.#fail(at, "a tag value has an '=' that is not escaped");
      at += byte === BACKSLASH && isNameDelimiter(bytes[at + 1] as number) ? 2 : 1;
    }
    if (at === valueStart) this.#fail(at, "a tag value is empty");
    this.#mark(start, valueStart, valueStart, at);
    return at;
  }

  #scanField(start: number): number {
    const valueStart = this.#scanKey(start, "field");
    const valueEnd =
      this.#bytes[valueStart] === QUOTE ? this.#scanString(valueStart) : this.#scanWord(valueStart);
    this.#mark(start, valueStart, valueStart, valueEnd);
    return valueEnd;
  }

  /** Position after the `=` of the key at `start`. */
  #scanKey(start: number, kind: "tag" | "field"): number {
    const bytes = this.#bytes;
    let at = start;
    for (;;) {
      const byte = bytes[at] as number;
      if (byte === EQUALS) break;
      if (byte === COMMA || byte === SPACE || byte === NEWLINE) {
        if (kind === "field" && at === start && this.fieldCount === 0 && byte === NEWLINE) {
          this.#fail(at, "the line has no fields");
        }
        this.#fail(
          at === start ? at : start,
          `a ${kind} key is ${at === start ? "empty" : "not followed by '='"}`,
        );
      }
      at += byte === BACKSLASH && isNameDelimiter(bytes[at + 1] as number) ? 2 : 1;
    }
    if (at === start) this.#fail(start, `a ${kind} key is empty`);
    return at + 1;
  }

  /** Position after the closing quote. */
  #scanString(start: number): number {
    const bytes = this.#bytes;
    let at = start + 1;
    while (at < this.#end) {
      const byte = bytes[at] as number;
      if (byte === QUOTE) return this.#checkAfterString(at + 1);
      const next = bytes[at + 1];
      at += byte === BACKSLASH && (next === QUOTE || next === BACKSLASH) ? 2 : 1;
    }
    return this.#fail(start, "a string has no closing quote");
  }

  #checkAfterString(at: number): number {
    const byte = this.#bytes[at] as number;
    const isEnd = byte === CARRIAGE_RETURN && this.#bytes[at + 1] === NEWLINE;
    if (byte !== COMMA && byte !== SPACE && byte !== NEWLINE && !isEnd) {
      this.#fail(
        at,
        "a string is followed by something else than ',', a space or the end of the line",
      );
    }
    return at;
  }

  #scanWord(start: number): number {
    const bytes = this.#bytes;
    let at = start;
    while (bytes[at] !== COMMA && bytes[at] !== SPACE && bytes[at] !== NEWLINE) at++;
    if (bytes[at] === NEWLINE && bytes[at - 1] === CARRIAGE_RETURN) at--;
    if (at === start) this.#fail(start, "a field value is empty");
    return at;
  }

  #mark(keyStart: number, keyEnd: number, valueStart: number, valueEnd: number): void {
    const at = this.#markCount;
    this.marks[at] = keyStart;
    this.marks[at + 1] = keyEnd;
    this.marks[at + 2] = valueStart;
    this.marks[at + 3] = valueEnd;
    this.#markCount = at + MARKS_PER_PART;
  }

  #fail(at: number, reason: string): never {
    return this.#body.fail({ at, reason });
  }
}

function isCommaOrSpace(byte: number): boolean {
  return byte === COMMA || byte === SPACE;
}

function isNameDelimiter(byte: number): boolean {
  return byte === COMMA || byte === SPACE || byte === EQUALS;
}
