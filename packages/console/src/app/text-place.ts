/** Where a byte offset is in a text, for people. Pure. */

/** A line and a column, both from 1, and the line’s text. */
export interface TextPlace {
  readonly line: number;
  readonly column: number;
  readonly text: string;
}

/** The place of an offset in bytes of UTF-8; offsets beyond the text are at its end. */
export function placeInText(text: string, offsetBytes: number): TextPlace {
  const before = new TextDecoder().decode(new TextEncoder().encode(text).subarray(0, offsetBytes));
  const lines = before.split("\n");
  const line = lines.length;
  return {
    line,
    column: (lines.at(-1) ?? "").length + 1,
    text: text.split("\n")[line - 1] ?? "",
  };
}
