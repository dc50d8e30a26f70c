/** How long rows are kept, by database and by measurement: the rules and which of them counts. Pure. */
import { z } from "zod";
import { ServerError } from "../errors.ts";
import { schemaProblem } from "../schema-problem.ts";
import type { TableName } from "../store/table-name.ts";

/** One rule. Without a measurement it is about the whole database; `keep_days: null` keeps for ever. */
export interface RetentionRule {
  readonly database: string;
  readonly measurement?: string | undefined;
  readonly keep_days: number | null;
}

/** Longest and shortest time that rows can be kept: an hour, and a hundred years. */
const MIN_KEEP_DAYS = 1 / 24;
const MAX_KEEP_DAYS = 36_500;
const MAX_RULES = 10_000;
const NS_PER_DAY = 86_400_000_000_000;

/** Body of `PUT /api/v1/retention`, and the content of the file. */
export const RETENTION_RULES_SCHEMA: z.ZodType<{ rules: readonly RetentionRule[] }> =
  z.strictObject({
    rules: z
      .array(
        z.strictObject({
          database: z.string().min(1),
          measurement: z.string().min(1).optional(),
          keep_days: z.number().min(MIN_KEEP_DAYS).max(MAX_KEEP_DAYS).nullable(),
        }),
      )
      .max(MAX_RULES),
  });

/**
 * Reads rules.
 *
 * @throws {ServerError} `SERVER_INVALID_REQUEST`
 */
export function parseRetentionRules(text: string): readonly RetentionRule[] {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw invalid(
      'it is not JSON; expected {"rules": [{"database": "db", "keep_days": 30}]}',
      error,
    );
  }
  const parsed = RETENTION_RULES_SCHEMA.safeParse(value);
  if (!parsed.success) throw invalid(schemaProblem(parsed.error, "it"));
  const { rules } = parsed.data;
  const seen = new Set<string>();
  for (const { database, measurement } of rules) {
    const key = JSON.stringify([database, measurement]);
    if (seen.has(key)) throw invalid(`two rules for ${key}`);
    seen.add(key);
  }
  return rules;
}

/** Days that rows of a table are kept; `undefined`: for ever. The rule that says most counts. */
export function keepDaysOf(
  { database, measurement }: TableName,
  rules: readonly RetentionRule[],
  defaultDays: number,
): number | undefined {
  const ofDatabase = rules.filter((rule) => rule.database === database);
  const rule =
    ofDatabase.find((each) => each.measurement === measurement) ??
    ofDatabase.find((each) => each.measurement === undefined);
  if (rule !== undefined) return rule.keep_days ?? undefined;
  return defaultDays === 0 ? undefined : defaultDays;
}

/** Rows before this time are too old. */
export function cutoffNs(nowMs: number, keepDays: number): bigint {
  return BigInt(Math.trunc(nowMs)) * 1_000_000n - BigInt(Math.round(keepDays * NS_PER_DAY));
}

function invalid(reason: string, cause?: unknown): ServerError {
  return new ServerError(
    "SERVER_INVALID_REQUEST",
    `the retention rules cannot be read: ${reason}`,
    {
      cause,
    },
  );
}
