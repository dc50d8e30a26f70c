/**
 * On which line of a TOML document each key stands: parsers give values, people who are to repair a file need the line.
 *
 * Knows the shapes that a configuration has: sections, dotted keys, inline comments. A key that it does not find (inside
 * an inline table, say) simply has no line; nothing else depends on it. Pure.
 */

const SECTION = /^\s*\[\[?([^\]]+)\]\]?\s*(?:#.*)?$/;
const KEY =
  /^\s*((?:[A-Za-z0-9_-]+|"[^"]*"|'[^']*')(?:\s*\.\s*(?:[A-Za-z0-9_-]+|"[^"]*"|'[^']*'))*)\s*=/;
const MULTI_LINE_QUOTES = /"""|'''/g;

/** Line numbers, from 1, by full key; of a section, the line of its heading. */
export function tomlKeyLines(text: string): ReadonlyMap<string, number> {
  const lines = new Map<string, number>();
  let section = "";
  let isInText = false;
  for (const [index, line] of text.split("\n").entries()) {
    const startsInText = isInText;
    if ((line.match(MULTI_LINE_QUOTES) ?? []).length % 2 === 1) isInText = !isInText;
    if (startsInText) continue;
    const heading = SECTION.exec(line)?.[1];
    if (heading !== undefined) {
      section = `${plainKey(heading)}.`;
      note(lines, plainKey(heading), index + 1);
      continue;
    }
    const key = KEY.exec(line)?.[1];
    if (key !== undefined) note(lines, section + plainKey(key), index + 1);
  }
  return lines;
}

/** A repeated key is the parser's complaint; its first line is as good as any. */
function note(lines: Map<string, number>, key: string, line: number): void {
  if (!lines.has(key)) lines.set(key, line);
}

/** A dotted key without its quotes and spaces. */
function plainKey(text: string): string {
  return text
    .split(".")
    .map((part) => part.trim().replace(/^(["'])(.*)\1$/, "$2"))
    .join(".");
}
