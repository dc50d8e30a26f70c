/** A directory that goes when its test is over. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestContext } from "node:test";

export function temporaryDirectory(context: TestContext): string {
  const path = mkdtempSync(join(tmpdir(), "walnut-spool-"));
  context.after(() => rmSync(path, { recursive: true, force: true, maxRetries: 5 }));
  return path;
}
