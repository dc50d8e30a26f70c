/**
 * Looks at TypeScript as text: without comments, and its imports.
 *
 * Not a parser. It knows comments, strings, templates and regular expressions well enough for code that
 * the formatter has laid out, and keeps every line in its place so that findings can name it.
 */

/** One `import`, `export … from` or `import()` of a module. */
export interface ModuleReference {
  readonly specifier: string;
  readonly lineNumber: number;
  /** `type` when nothing is left of it at run time, `dynamic` for `import()`. */
  readonly kind: ReferenceKind;
}

export type ReferenceKind = "value" | "type" | "dynamic";

// Either what can hide a comment sign (string, template, regular expression) or a comment.
const TOKEN =
  /"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*'|`(?:[^`\\]|\\[\s\S])*`|\/\/[^\n]*|\/\*[\s\S]*?\*\/|(?<=(?:^|[=(,:;!&|?{}[]|return|=>)\s*)\/(?![/*])(?:[^/\\[\n]|\\.|\[(?:[^\]\\\n]|\\.)*\])+\/[a-z]*/gm;

const STATIC_REFERENCE =
  /^(import|export)\s+(type\s+)?((?:\*(?:\s+as\s+\w+)?|[\w$]+|\{[^}]*\})(?:\s*,\s*\{[^}]*\})?\s*from\s*)?"([^"]+)"/gm;
const DYNAMIC_REFERENCE = /\bimport\(\s*"([^"]+)"/g;

/** The source with every comment replaced by spaces. */
export function withoutComments(source: string): string {
  return source.replace(TOKEN, (token) =>
    token.startsWith("//") || token.startsWith("/*") ? blank(token) : token,
  );
}

/** The source with comments, strings, templates and regular expressions replaced by spaces. */
export function codeOnly(source: string): string {
  return source.replace(TOKEN, blank);
}

/** Every module that the source names, in order of appearance by kind. */
export function moduleReferences(source: string): ModuleReference[] {
  const text = withoutComments(source);
  const found: ModuleReference[] = [];
  for (const match of text.matchAll(STATIC_REFERENCE)) {
    const [, , typeKeyword, clause = "", specifier = ""] = match;
    const kind = typeKeyword !== undefined || isAllTypes(clause) ? "type" : "value";
    found.push({ specifier, lineNumber: lineNumberAt(text, match.index), kind });
  }
  for (const match of text.matchAll(DYNAMIC_REFERENCE)) {
    const [, specifier = ""] = match;
    found.push({ specifier, lineNumber: lineNumberAt(text, match.index), kind: "dynamic" });
  }
  return found;
}

/** Number, from 1, of the line that holds this position of the text. */
export function lineNumberAt(text: string, position: number): number {
  return text.slice(0, position).split("\n").length;
}

/** `{ type A, type B }`, and nothing besides. */
function isAllTypes(clause: string): boolean {
  const names = /^\{([^}]*)\}\s*from\s*$/.exec(clause)?.[1];
  if (names === undefined) return false;
  const parts = names
    .split(",")
    .map((part) => part.trim())
    .filter((part) => part !== "");
  return parts.length > 0 && parts.every((part) => part.startsWith("type "));
}

function blank(token: string): string {
  return token.replace(/[^\n]/g, " ");
}
