/** How a house rule fails: with one line per finding, each naming its place. */
import assert from "node:assert/strict";

/** Fails with the list when it is not empty. */
export function assertNoComplaints(complaints: readonly string[]): void {
  if (complaints.length === 0) return;
  assert.fail(`${complaints.length} found:\n  ${complaints.join("\n  ")}`);
}
