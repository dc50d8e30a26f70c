/** Names that a person may have meant, for messages about unknown ones. Pure. */

const MAX_SUGGESTIONS = 5;
/** Names looked at: a message is not worth comparing a hundred thousand of them. */
const MAX_CANDIDATES = 5000;
const MAX_COMPARED_LENGTH = 64;

/** The candidates closest to a name, best first; fewer or none when nothing is close. */
export function nearNames(name: string, candidates: Iterable<string>): readonly string[] {
  const wanted = name.toLowerCase().slice(0, MAX_COMPARED_LENGTH);
  const near: { readonly candidate: string; readonly distance: number }[] = [];
  let seen = 0;
  for (const candidate of candidates) {
    if (++seen > MAX_CANDIDATES) break;
    const folded = candidate.toLowerCase().slice(0, MAX_COMPARED_LENGTH);
    const distance = editDistance(wanted, folded);
    const isInside = folded.includes(wanted) || wanted.includes(folded);
    if (isInside || distance * 2 <= wanted.length) near.push({ candidate, distance });
  }
  near.sort((a, b) => a.distance - b.distance);
  return near.slice(0, MAX_SUGGESTIONS).map((entry) => entry.candidate);
}

/** Insertions, deletions and replacements that make one text of the other. */
function editDistance(a: string, b: string): number {
  let previous = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let row = 1; row <= a.length; row++) {
    const current = [row];
    for (let column = 1; column <= b.length; column++) {
      const replaced = (previous[column - 1] ?? 0) + (a[row - 1] === b[column - 1] ? 0 : 1);
      const deleted = (previous[column] ?? 0) + 1;
      const inserted = (current[column - 1] ?? 0) + 1;
      current.push(Math.min(replaced, deleted, inserted));
    }
    previous = current;
  }
  return previous[b.length] ?? 0;
}
