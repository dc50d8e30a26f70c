/**
 * Whether a value is one that an option may have, and if not, in words that say what is. Pure.
 */
import type { OptionRow } from "./option-row.ts";

const MAX_SECRET_LENGTH = 1_024;
const SECRET_PATTERN = /^[\x21-\x7e]+$/;
const LONGEST_SHOWN = 80;

/** True for text that may be a token: printable ASCII without spaces, not empty, not huge. */
export function isValidToken(text: string): boolean {
  return text.length <= MAX_SECRET_LENGTH && SECRET_PATTERN.test(text);
}

/**
 * What is wrong with a value: "must be ..., found ...". `undefined` when nothing is. The value of a secret is not
 * repeated: messages reach logs.
 */
export function problemOf(row: OptionRow, value: unknown): string | undefined {
  if (isAllowed(row, value)) return undefined;
  const found = row.kind === "secret" ? "" : `, found ${shown(value)}`;
  return `must be ${allowedText(row)}${found}`;
}

/** What an option may be, in words: "a whole number from 1 to 60,000 (ms)". */
export function allowedText(row: OptionRow): string {
  switch (row.kind) {
    case "integer": {
      const unit = row.unit === "" ? "" : ` (${row.unit})`;
      return `a whole number from ${number(row.min)} to ${number(row.max)}${unit}`;
    }
    case "choice":
      return `one of ${row.choices.join(", ")}`;
    case "text":
      return "text, and not empty";
    case "secret":
      return `1 to ${number(MAX_SECRET_LENGTH)} printable ASCII characters without spaces`;
    case "boolean":
      return "true or false";
  }
}

function isAllowed(row: OptionRow, value: unknown): boolean {
  switch (row.kind) {
    case "integer":
      return (
        typeof value === "number" &&
        Number.isSafeInteger(value) &&
        value >= row.min &&
        value <= row.max
      );
    case "choice":
      return typeof value === "string" && row.choices.includes(value);
    case "text":
      return typeof value === "string" && value !== "" && !value.includes("\0");
    case "secret":
      return typeof value === "string" && isValidToken(value);
    case "boolean":
      return typeof value === "boolean";
  }
}

/** A value as a person wrote it, or nearly: text in quotes, long text cut. */
function shown(value: unknown): string {
  const text = typeof value === "string" ? JSON.stringify(value) : String(value);
  return text.length > LONGEST_SHOWN ? `${text.slice(0, LONGEST_SHOWN)}…` : text;
}

function number(value: number): string {
  return value.toLocaleString("en-US");
}
