/**
 * What the answer of an upstream means for the items that were sent. Pure.
 */

export type AnswerVerdict =
  /** They are stored. */
  | "stored"
  /** Not now: the same request again, later. */
  | "retry"
  /** Never, as it is: something in the body is wrong, so that a smaller one may be right. */
  | "refused-content"
  /** Never, as it is. */
  | "refused";

/** Statuses that say "not now" although they are among those that say "you are wrong". */
const TRY_AGAIN: ReadonlySet<number> = new Set([408, 425, 429]);
/** Statuses that are about the body. */
const ABOUT_CONTENT: ReadonlySet<number> = new Set([400, 413, 422]);
const KEY_REUSED = /"SERVER_KEY_REUSED"/;

/**
 * Decides.
 *
 * @param answer - `isCut`: items of the claimed range were dropped, so the body is not the one that may have been sent before. An upstream that
 *   knows the key for another body has that one stored.
 */
export function verdictOf(answer: {
  readonly status: number;
  readonly body: string;
  readonly isCut: boolean;
}): AnswerVerdict {
  const { status, body, isCut } = answer;
  if (status >= 200 && status < 300) return "stored";
  if (status < 400 || status >= 500 || TRY_AGAIN.has(status)) return "retry";
  if (isCut && KEY_REUSED.test(body)) return "stored";
  return ABOUT_CONTENT.has(status) ? "refused-content" : "refused";
}
