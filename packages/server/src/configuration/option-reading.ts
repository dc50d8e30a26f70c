/**
 * The text of a flag or variable, or a value of a file, read as what its option is. Pure.
 */
import type { OptionRow } from "../options/option-row.ts";
import { problemOf } from "../options/option-value.ts";
import type { OptionValue } from "./configuration.ts";

/** The value, or what is wrong with it: one of the two. */
export interface ReadValue {
  readonly value: OptionValue | undefined;
  readonly problem: string | undefined;
}

const NUMBER = /^\d{1,16}(\.\d{1,9})?$/;

/** Reads text: `scale` times a number, for spellings with another unit. */
export function readTextValue(row: OptionRow, text: string, scale = 1): ReadValue {
  switch (row.kind) {
    case "integer":
      return readFileValue(row, NUMBER.test(text) ? Number(text) : text, scale);
    case "boolean":
      return readFileValue(row, text === "true" ? true : text === "false" ? false : text, scale);
    case "choice":
    case "text":
    case "secret":
      return readFileValue(row, text, scale);
  }
}

/** Reads a value that already has a type. */
export function readFileValue(row: OptionRow, value: unknown, scale = 1): ReadValue {
  if (row.kind !== "integer" || scale === 1) return checked(row, value);
  const scaled = typeof value === "number" ? value * scale : value;
  if (problemOf(row, scaled) === undefined) return checked(row, scaled);
  // What is allowed is said in the unit that the person used.
  const problem =
    `must be a number from ${number(row.min / scale)} to ${number(row.max / scale)}` +
    `, found ${JSON.stringify(value) ?? String(value)}`;
  return { value: undefined, problem };
}

function checked(row: OptionRow, value: unknown): ReadValue {
  const problem = problemOf(row, value);
  // `problemOf` has made sure that the value is a text, number or boolean.
  return problem === undefined
    ? { value: value as OptionValue, problem }
    : { value: undefined, problem };
}

function number(value: number): string {
  return value.toLocaleString("en-US", { maximumFractionDigits: 6 });
}
