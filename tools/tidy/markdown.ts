/** Looks at Markdown as text: its headings, the anchors they make, and its links. */

export interface Heading {
  readonly level: number;
  readonly text: string;
}

export interface Link {
  readonly target: string;
  readonly lineNumber: number;
}

/** The headings outside of code blocks. */
export function headingsOf(markdown: string): Heading[] {
  return withoutCode(markdown)
    .split("\n")
    .flatMap((line) => {
      const [, marks, text] = /^(#{1,6})\s+(.*?)\s*#*$/.exec(line) ?? [];
      return marks === undefined || text === undefined ? [] : [{ level: marks.length, text }];
    });
}

/** The anchors that the headings make, as GitHub makes them. */
export function anchorsOf(markdown: string): ReadonlySet<string> {
  const anchors = new Set<string>();
  // A heading keeps the text of inline code, so the code has to stay while lines are looked at.
  for (const { text } of headingsOf(markdown)) {
    const base = text
      .replace(/\[([^\]]*)\]\([^)]*\)/g, "$1")
      .toLowerCase()
      .replace(/[^\p{L}\p{N}\s_-]/gu, "")
      .replace(/\s/g, "-");
    let anchor = base;
    for (let count = 1; anchors.has(anchor); count += 1) anchor = `${base}-${count}`;
    anchors.add(anchor);
  }
  return anchors;
}

/** Targets of inline links, images and link definitions outside of code. */
export function linksOf(markdown: string): Link[] {
  return withoutCode(markdown)
    .split("\n")
    .flatMap((line, index) => {
      const text = line.replace(/`[^`]*`/g, "");
      const inline = [...text.matchAll(/\]\(<?([^)\s>]+)>?(?:\s+"[^"]*")?\)/g)];
      const definitions = [...text.matchAll(/^\s*\[[^\]]+\]:\s+<?(\S+?)>?\s*$/g)];
      return [...inline, ...definitions].map((match) => ({
        target: match[1] ?? "",
        lineNumber: index + 1,
      }));
    });
}

/** The text with fenced code blocks emptied, every line in its place. */
function withoutCode(markdown: string): string {
  return markdown.replace(/^(\s*)(```+|~~~+)[\s\S]*?^\s*\2\s*$/gm, (block) =>
    block.replace(/[^\n]/g, ""),
  );
}
