/** What the status of a forwarder means: whether its upstream takes items, which categories have something to show. Pure. */
import type { ForwardedCategory, ForwarderStatus } from "../overview.ts";

/** Something in words, and how good that is. */
export interface Judgement {
  readonly tone: "good" | "warning" | "bad" | "idle";
  readonly text: string;
}

/** How the upstream does, as far as the last tries tell. */
export function judgeUpstream({ categories }: ForwarderStatus): Judgement {
  const failing = categories.filter(({ lastFailure }) => lastFailure !== null);
  const reasons = [...new Set(failing.map(({ lastFailure }) => lastFailure))];
  if (failing.length > 0) {
    const names = failing.map(({ name }) => name).join(", ");
    return { tone: "bad", text: `does not take ${names}: ${reasons.join("; ")}` };
  }
  const hasSent = categories.some(({ requests }) => requests > 0);
  if (!hasSent) return { tone: "idle", text: "was sent nothing since the agent’s start" };
  return { tone: "good", text: "takes what is sent" };
}

/** True for a category in which nothing was, and nothing is. */
export function isQuiet(category: ForwardedCategory): boolean {
  const { depth, putItems, requests, refusedItems, droppedItems, deadLetters } = category;
  return depth + putItems + requests + refusedItems + droppedItems + deadLetters === 0;
}
