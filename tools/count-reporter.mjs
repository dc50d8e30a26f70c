/**
 * Test reporter that writes only the totals, as JSON, for `tools/test.mjs` to read: node:test gives its
 * exit code but no counts to the process that started it.
 */
const TOTALS = /^(tests|pass|fail|cancelled|skipped|todo) (\d+)$/;

/** @param {AsyncIterable<import("node:test/reporters").TestEvent>} source */
export default async function* countReporter(source) {
  /** @type {Record<string, number>} */
  const counts = {};
  for await (const event of source) {
    // The totals come as diagnostics of the whole run, and those carry no file.
    if (event.type !== "test:diagnostic" || event.data.nesting !== 0) continue;
    const [, name, count] = TOTALS.exec(event.data.message) ?? [];
    if (name !== undefined) counts[name] = Number(count);
  }
  yield JSON.stringify(counts);
}
