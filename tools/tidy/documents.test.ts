/** House rules on documents: which exist, their shape, their links, and that they agree with the code. */
import assert from "node:assert/strict";
import { posix } from "node:path";
import { suite, test } from "node:test";
import { assertNoComplaints } from "./complaints.ts";
import { anchorsOf, headingsOf, linksOf } from "./markdown.ts";
import {
  documentFiles,
  existsInRepository,
  readText,
  repositoryFiles,
  sourceFiles,
} from "./repository-files.ts";

const REQUIRED_DOCUMENTS = [
  "README.md",
  "ARCHITECTURE.md",
  "CONTRIBUTING.md",
  "STYLE.md",
  "docs/format.md",
  "docs/durability.md",
  "docs/recovery.md",
  "docs/storage.md",
  "docs/errors.md",
  "docs/glossary.md",
  "docs/http-api.md",
  "docs/configuration.md",
  "docs/metrics.md",
  "docs/operations.md",
  "docs/testing.md",
  "docs/benchmarks.md",
];

const MAX_README_LINES = 200;

/** Where the steps of each package are explained that a crash can interrupt. */
const CRASH_LABEL_DOCUMENTS: Readonly<Record<string, string>> = {
  "raft-log": "docs/raft-log.md",
  series: "docs/series.md",
  wal: "docs/durability.md",
  server: "docs/storage.md",
  spool: "docs/forward.md",
};

suite("documents", () => {
  test("that a user or developer counts on exist", () => {
    assertNoComplaints(REQUIRED_DOCUMENTS.filter((file) => readText(file) === ""));
  });

  test("have one title, in the first line", () => {
    assertNoComplaints(
      documentFiles.filter((file) => {
        const titles = headingsOf(readText(file)).filter(({ level }) => level === 1);
        return titles.length !== 1 || !readText(file).startsWith("# ");
      }),
    );
  });

  test("link only to files and headings that exist", () => {
    assertNoComplaints(
      documentFiles.flatMap((file) =>
        linksOf(readText(file))
          .filter(({ target }) => !linkWorks(file, target))
          .map(({ target, lineNumber }) => `${file}:${lineNumber}: ${target}`),
      ),
    );
  });

  test("the README is short", () => {
    const lines = readText("README.md").split("\n").length - 1;
    assert.ok(lines < MAX_README_LINES, `${lines} lines, fewer than ${MAX_README_LINES} wanted`);
  });
});

suite("error codes", () => {
  const errorFiles = sourceFiles.filter((file) => /^packages\/[^/]+\/src\/errors\.ts$/.test(file));
  const codes = [...new Set(errorFiles.flatMap((file) => codesIn(readText(file))))];

  test("are found in the sources", () => {
    assert.ok(codes.includes("WAL_POISONED"));
  });

  test("are explained in docs/errors.md", () => {
    const text = readText("docs/errors.md");
    assertNoComplaints(codes.filter((code) => !new RegExp(`\\b${code}\\b`).test(text)));
  });

  test("of docs/errors.md exist", () => {
    const documented = [...readText("docs/errors.md").matchAll(/\b(WAL|SERVER|SPOOL)_[A-Z_]+\b/g)];
    // Environment variables share the shape of a code, not the prefix.
    assertNoComplaints(documented.map(([code]) => code).filter((code) => !codes.includes(code)));
  });

  test("appear in a test", () => {
    const tests = repositoryFiles.filter((file) => /^packages\/[^/]+\/test\/.*\.ts$/.test(file));
    const tested = new Set(tests.flatMap((file) => codesIn(readText(file))));
    assertNoComplaints(codes.filter((code) => !tested.has(code)));
  });
});

suite("crash labels", () => {
  for (const [packageName, document] of Object.entries(CRASH_LABEL_DOCUMENTS)) {
    const text = readText(document);
    const inSources = new Set(
      sourceFiles
        .filter((file) => file.startsWith(`packages/${packageName}/`))
        .flatMap((file) => crashLabelsIn(readText(file))),
    );
    const inTables = [...text.matchAll(/^\|\s*`([a-z]+(?:-[a-z]+)*-\d+)`/gm)];
    const documented = new Set([
      ...inTables.map(([, label = ""]) => label),
      ...crashLabelsIn(text),
    ]);

    test(`of ${packageName} are explained in ${document}`, () => {
      assertNoComplaints([...inSources].filter((label) => !documented.has(label)));
    });

    test(`of ${document} are in the sources of ${packageName}`, () => {
      assertNoComplaints([...documented].filter((label) => !inSources.has(label)));
    });
  }

  test("are in no package without a document for them", () => {
    assertNoComplaints(
      sourceFiles.filter(
        (file) =>
          CRASH_LABEL_DOCUMENTS[file.split("/")[1] ?? ""] === undefined &&
          crashLabelsIn(readText(file)).length > 0,
      ),
    );
  });
});

suite("recovery labels", () => {
  test("are the same in the verdict tables and in docs/recovery.md", () => {
    const tables = sourceFiles.filter((file) =>
      /^packages\/wal\/src\/recovery\/.*-verdict\.ts$/.test(file),
    );
    const decided = tables.flatMap((file) =>
      [...readText(file).matchAll(/\blabel: "([A-Z]\d+)"/g)].map(([, label = ""]) => label),
    );
    const documented = [...readText("docs/recovery.md").matchAll(/^\|\s*`?([A-Z]\d+)`?\s*\|/gm)];
    assert.ok(decided.length > 0);
    assert.deepEqual(documented.map(([, label = ""]) => label).sort(), decided.sort());
  });
});

suite("document reader", () => {
  const markdown = [
    "# The `title`, here",
    "```sh",
    "# a comment",
    "[no](no.md)",
    "```",
    "## Same",
    "## Same",
    "See [a](a.md#b), `[no](no.md)` and ![c](<c.png>).",
  ].join("\n");

  test("finds headings and links outside of code", () => {
    assert.deepEqual(
      headingsOf(markdown).map(({ text }) => text),
      ["The `title`, here", "Same", "Same"],
    );
    assert.deepEqual(linksOf(markdown), [
      { target: "a.md#b", lineNumber: 8 },
      { target: "c.png", lineNumber: 8 },
    ]);
  });

  test("makes the anchors that GitHub makes", () => {
    assert.deepEqual([...anchorsOf(markdown)], ["the-title-here", "same", "same-1"]);
  });
});

function linkWorks(file: string, target: string): boolean {
  if (/^[a-z]+:/.test(target)) return true;
  const [path = "", anchor] = target.split("#");
  const linked = path === "" ? file : posix.join(posix.dirname(file), decodeURIComponent(path));
  if (!existsInRepository(linked)) return false;
  if (anchor === undefined || !linked.endsWith(".md")) return true;
  return anchorsOf(readText(linked)).has(anchor);
}

function codesIn(text: string): string[] {
  return [...text.matchAll(/"([A-Z]+(?:_[A-Z]+)+)"/g)].map(([, code = ""]) => code);
}

/** `CRASH: rotate-2`, or several: `CRASH: close-1, close-2`. */
function crashLabelsIn(text: string): string[] {
  const label = "[a-z]+(?:-[a-z]+)*-\\d+";
  return [...text.matchAll(new RegExp(`CRASH:\\s*(${label}(?:,\\s*${label})*)`, "g"))].flatMap(
    ([, labels = ""]) => labels.split(/,\s*/),
  );
}
