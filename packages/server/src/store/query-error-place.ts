/**
 * Where in the client's text an error of the SQL engine is.
 *
 * The engine marks the place in an excerpt of the text that it ran, which has names of ours in it:
 *
 *     LINE 2: ...usage, foo FROM walnut_q7.demo.cpu
 *                       ^
 *
 * The excerpt, without those names, is looked for in the client's line. What is not found exactly once has no place:
 * none is better than a wrong one. Pure.
 */

const MARKED = /\n(LINE (\d+): )(.*)\n( *)\^/;
const CUT = "...";

/**
 * Offset of the marked place in bytes of the client's UTF-8 text, or `undefined`.
 *
 * @param message - the engine's
 * @param query.privateName - name that was put before the names of tables
 */
export function errorOffsetBytes(
  message: string,
  query: { readonly sql: string; readonly privateName: string },
): number | undefined {
  const [, label = "", lineNumber, marked = "", indent = ""] = MARKED.exec(message) ?? [];
  if (lineNumber === undefined) return undefined;
  const clean = (text: string): string => text.replaceAll(`${query.privateName}.`, "");
  const column = indent.length - label.length;
  const before = clean(marked.slice(0, column)).replace(/^\.\.\./, "");
  const after = clean(marked.slice(column));
  const excerpt = before + (after.endsWith(CUT) ? after.slice(0, -CUT.length) : after);
  const lines = query.sql.split("\n");
  const index = Number(lineNumber) - 1;
  const line = lines[index];
  if (line === undefined || excerpt === "") return undefined;
  const at = line.indexOf(excerpt);
  if (at === -1 || line.includes(excerpt, at + 1)) return undefined;
  const textBefore = [...lines.slice(0, index), line.slice(0, at) + before].join("\n");
  return Buffer.byteLength(textBefore, "utf8");
}
