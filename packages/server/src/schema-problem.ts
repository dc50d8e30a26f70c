/**
 * What is wrong with a value that a schema refuses, as the end of a sentence for a person: the place, and what must be
 * there. Pure. Knows schemas, not what they describe.
 */
import type { z } from "zod";

type Issue = z.core.$ZodIssue;

const UNITS: Readonly<Record<string, readonly [string, string]>> = {
  string: ["character", "characters"],
  array: ["entry", "entries"],
};

/**
 * The first problem, such as `rights[0] must be "read", "write" or "admin"`.
 *
 * @param whole - how to call the value as a whole
 */
export function schemaProblem(error: z.ZodError, whole: string): string {
  const [issue] = error.issues;
  if (issue === undefined) return `${whole} is wrong`;
  return `${placeOf(issue.path) || whole} ${complaintOf(issue)}`;
}

function placeOf(path: readonly PropertyKey[]): string {
  return path
    .map((step) => (typeof step === "number" ? `[${step}]` : `.${String(step)}`))
    .join("")
    .replace(/^\./, "");
}

function complaintOf(issue: Issue): string {
  switch (issue.code) {
    case "invalid_value":
      return `must be ${choiceOf(issue.values.map((value) => JSON.stringify(value)))}`;
    case "invalid_type":
      // The message is the only place where zod says that there was nothing.
      return issue.message.endsWith("received undefined")
        ? `is missing; expected: ${issue.expected}`
        : `must be of the type ${issue.expected}`;
    case "too_small":
      return `must ${boundOf(issue.origin, issue.inclusive === false ? "more than" : "at least", issue.minimum)}`;
    case "too_big":
      return `must ${boundOf(issue.origin, issue.inclusive === false ? "less than" : "at most", issue.maximum)}`;
    case "unrecognized_keys":
      return `has what is not known: ${issue.keys.join(", ")}`;
    case "invalid_format":
      return "has another form than it must have";
    default:
      return `is wrong: ${issue.message}`;
  }
}

function boundOf(origin: string, relation: string, bound: number | bigint): string {
  const unit = UNITS[origin];
  if (unit === undefined) return `be ${relation} ${bound}`;
  return `have ${relation} ${bound} ${unit[Number(bound) === 1 ? 0 : 1]}`;
}

function choiceOf(words: readonly string[]): string {
  const last = words.at(-1) ?? "";
  return words.length < 2 ? last : `${words.slice(0, -1).join(", ")} or ${last}`;
}
