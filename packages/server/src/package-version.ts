/** The version of this package, as its package.json says: for /health, /ping and the command line. */
import { readFileSync } from "node:fs";

/** Version of Walnut, for example "0.1.0". */
export const WALNUT_VERSION: string = readVersion();

function readVersion(): string {
  // One directory up from src/ as well as from dist/.
  const text = readFileSync(new URL("../package.json", import.meta.url), "utf8");
  const manifest: unknown = JSON.parse(text);
  if (typeof manifest !== "object" || manifest === null || !("version" in manifest)) return "0.0.0";
  return String(manifest.version);
}
