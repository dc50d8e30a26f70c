/**
 * InfluxQL text as tokens: words, quoted names, texts, numbers, durations and signs. Pure.
 */
import { ServerError } from "../errors.ts";

/** One token. `text` of names and texts is without quotes and escapes. */
export interface InfluxToken {
  readonly kind: "word" | "name" | "text" | "number" | "duration" | "sign" | "end";
  readonly text: string;
  /** Position in the statement, from 0. */
  readonly at: number;
}

const NS_PER_UNIT: Readonly<Record<string, bigint>> = {
  ns: 1n,
  u: 1_000n,
  µ: 1_000n,
  ms: 1_000_000n,
  s: 1_000_000_000n,
  m: 60_000_000_000n,
  h: 3_600_000_000_000n,
  d: 86_400_000_000_000n,
  w: 604_800_000_000_000n,
};

const TOKEN =
  /\s+|(?<duration>\d+(?:ns|ms|[uµsmhdw])\b)|(?<number>(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)|(?<word>[A-Za-z_][A-Za-z0-9_]*)|"(?<name>(?:[^"\\]|\\.)*)"|'(?<text>(?:[^'\\]|\\.)*)'|(?<sign><=|>=|!=|<>|=~|!~|[<>=(),;*+\-./:])/suy;

/**
 * Splits a statement.
 *
 * @throws {ServerError} `SERVER_INVALID_QUERY` naming the place
 */
export function influxTokens(statement: string): readonly InfluxToken[] {
  const tokens: InfluxToken[] = [];
  TOKEN.lastIndex = 0;
  let at = 0;
  while (at < statement.length) {
    TOKEN.lastIndex = at;
    const match = TOKEN.exec(statement);
    if (match === null) throw unreadable(statement, at);
    const found = Object.entries(match.groups ?? {}).find(([, text]) => text !== undefined);
    if (found !== undefined) {
      const [kind, text] = found;
      const plain = kind === "name" || kind === "text" ? text.replaceAll(/\\(.)/gsu, "$1") : text;
      tokens.push({ kind: kind as InfluxToken["kind"], text: plain, at }); // Groups are named so.
    }
    at = TOKEN.lastIndex;
  }
  tokens.push({ kind: "end", text: "", at });
  return tokens;
}

/** Nanoseconds of a duration such as `5m`. */
export function durationNs(text: string): bigint {
  const unit = text.replace(/^\d+/, "");
  return BigInt(text.slice(0, text.length - unit.length)) * (NS_PER_UNIT[unit] ?? 1n);
}

function unreadable(statement: string, at: number): ServerError {
  return new ServerError(
    "SERVER_INVALID_QUERY",
    `InfluxQL: cannot be read from character ${at + 1} on: ${JSON.stringify(statement.slice(at, at + 30))}`,
    { details: { position: at + 1 } },
  );
}
