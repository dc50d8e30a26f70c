/** The version of this package, which is that of every package of Walnut. */
import { readFileSync } from "node:fs";

/** Reads `package.json`, which stands beside `src` and `dist` alike. */
export function cliVersion(): string {
  const text = readFileSync(new URL("../package.json", import.meta.url), "utf8");
  const { version }: { version?: unknown } = JSON.parse(text);
  return typeof version === "string" ? version : "unknown";
}
