/**
 * An example of a configuration file, made from a table: every key with its meaning, range, flag, variable and default.
 *
 * Keys are comments, so that the file as it stands changes nothing. Pure.
 */
import { variableOf, type OptionSpec } from "../options/option-row.ts";
import { allowedText } from "../options/option-value.ts";

/** TOML text, with a newline at its end. `heading` is the comment at its top. */
export function configurationExample(table: readonly OptionSpec[], heading: string): string {
  const lines = heading.split("\n").map((line) => `# ${line}`.trimEnd());
  let section: string | undefined;
  for (const spec of table.toSorted(bySection(table))) {
    const own = sectionOf(spec);
    if (own !== section) lines.push("", `[${own}]`);
    section = own;
    lines.push("", ...optionLines(spec));
  }
  return `${lines.join("\n")}\n`;
}

/** The section of an option: `a.b` of `a.b.c`. */
export function sectionOf({ toml }: Pick<OptionSpec, "toml">): string {
  return toml.slice(0, toml.lastIndexOf("."));
}

/** Keeps the order of the table, with the rows of a section side by side. */
function bySection(table: readonly OptionSpec[]): (a: OptionSpec, b: OptionSpec) => number {
  const order = new Map<string, number>();
  for (const spec of table) if (!order.has(sectionOf(spec))) order.set(sectionOf(spec), order.size);
  return (a, b) => (order.get(sectionOf(a)) ?? 0) - (order.get(sectionOf(b)) ?? 0);
}

function optionLines(spec: OptionSpec): string[] {
  const { spellings = [] } = spec;
  const others = spellings
    .flatMap(({ toml, variable }) => [toml, variable])
    .filter((name) => name !== undefined);
  return [
    `# ${spec.summary}`,
    `# ${allowedText(spec)}`,
    `# --${[spec.flag, variableOf(spec), ...others].join(", ")}`,
    ...(spec.defaultText === undefined
      ? []
      : [`# without it: ${spec.defaultText.replaceAll("`", "")}`]),
    `#${spec.toml.slice(sectionOf(spec).length + 1)} = ${defaultValue(spec)}`,
  ];
}

function defaultValue(spec: OptionSpec): string {
  switch (spec.kind) {
    case "integer":
      return (spec.default ?? spec.min).toLocaleString("en-US").replaceAll(",", "_");
    case "boolean":
      return String(spec.default ?? false);
    case "choice":
      return JSON.stringify(spec.default ?? spec.choices[0]);
    case "text":
    case "secret":
      return JSON.stringify(spec.default ?? "...");
  }
}
