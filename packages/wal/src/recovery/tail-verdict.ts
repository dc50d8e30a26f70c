/**
 * The table that decides what the end of the last segment means. Total: every combination of facts has one row.
 *
 * The rows, their order and their prose are in docs/recovery.md. Pure.
 */

/** What one scan of the last segment found. */
export interface TailFacts {
  readonly header: "valid" | "invalid" | "newer";
  /** What follows the valid prefix. */
  readonly rest: "zeros" | "junk" | "vouched";
  readonly batch: "complete" | "open";
  /** The last frame of the prefix, as far as it is complete. */
  readonly mark: "none" | "attest" | "seal";
}

export type TailAction = "refuse" | "damage" | "clean" | "keep" | "cut";

export interface TailRow {
  readonly label: string;
  readonly header: readonly TailFacts["header"][];
  readonly rest: readonly TailFacts["rest"][];
  readonly batch: readonly TailFacts["batch"][];
  readonly mark: readonly TailFacts["mark"][];
  readonly action: TailAction;
  readonly why: string;
}

const ANY_REST = ["zeros", "junk", "vouched"] as const;
const ANY_BATCH = ["complete", "open"] as const;
const ANY_MARK = ["none", "attest", "seal"] as const;

export const TAIL_VERDICTS: readonly TailRow[] = [
  {
    label: "T1",
    header: ["newer"],
    rest: ANY_REST,
    batch: ANY_BATCH,
    mark: ANY_MARK,
    action: "refuse",
    why: "written by a newer version; nothing is touched",
  },
  {
    label: "T2",
    header: ["invalid"],
    rest: ANY_REST,
    batch: ANY_BATCH,
    mark: ANY_MARK,
    action: "damage",
    why: "a segment gets its name only after its header is durable",
  },
  {
    label: "T3",
    header: ["valid"],
    rest: ["vouched"],
    batch: ANY_BATCH,
    mark: ANY_MARK,
    action: "damage",
    why: "a later frame says that these bytes were durable",
  },
  {
    label: "T4",
    header: ["valid"],
    rest: ["zeros", "junk"],
    batch: ANY_BATCH,
    mark: ["seal"],
    action: "damage",
    why: "sealed means that a successor exists, and it is missing",
  },
  {
    label: "T5",
    header: ["valid"],
    rest: ["zeros"],
    batch: ["complete"],
    mark: ["attest"],
    action: "clean",
    why: "closed or idle: everything before the mark is vouched for",
  },
  {
    label: "T6",
    header: ["valid"],
    rest: ["zeros"],
    batch: ["complete"],
    mark: ["none"],
    action: "keep",
    why: "the last group is whole",
  },
  {
    label: "T7",
    header: ["valid"],
    rest: ["zeros"],
    batch: ["open"],
    mark: ["none", "attest"],
    action: "cut",
    why: "never acknowledged, all or nothing",
  },
  {
    label: "T8",
    header: ["valid"],
    rest: ["junk"],
    batch: ["complete"],
    mark: ["none", "attest"],
    action: "cut",
    why: "an unfinished last write: torn, not corrupt",
  },
  {
    label: "T9",
    header: ["valid"],
    rest: ["junk"],
    batch: ["open"],
    mark: ["none", "attest"],
    action: "cut",
    why: "an unfinished last write inside a batch",
  },
];

/** The one row that fits. */
export function tailVerdict(facts: TailFacts): TailRow {
  const row = TAIL_VERDICTS.find((candidate) => rowFits(candidate, facts));
  if (row === undefined) throw new RangeError(`no verdict for ${JSON.stringify(facts)}`);
  return row;
}

/** True when the row covers these facts; exactly one row does. */
export function rowFits(row: TailRow, facts: TailFacts): boolean {
  return (
    row.header.includes(facts.header) &&
    row.rest.includes(facts.rest) &&
    row.batch.includes(facts.batch) &&
    row.mark.includes(facts.mark)
  );
}
