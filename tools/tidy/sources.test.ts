/** House rules on the text of the sources: names, headers, sizes, and what must not appear. */
import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { assertNoComplaints } from "./complaints.ts";
import { readText, repositoryFiles, sourceFiles, typeScriptFiles } from "./repository-files.ts";
import { MAX_FILE_LINES, MAX_TEST_FILE_LINES, SIZE_EXCEPTIONS } from "./size-exceptions.ts";
import { codeOnly, lineNumberAt, withoutComments } from "./source-text.ts";

const toolFiles = repositoryFiles.filter((file) => /^tools\/.*\.(ts|mjs)$/.test(file));

/** Uninitialised memory can leak old bytes into a file, so every use is listed with why it cannot. */
const UNINITIALISED_MEMORY: Readonly<Record<string, string>> = {
  "packages/wal/src/segment/frame-encoder.ts": "every byte is set: header, body, zeroed padding",
};

suite("sources", () => {
  test("begin with a header comment that says what the file is about", () => {
    assertNoComplaints(
      [...sourceFiles, ...toolFiles].filter(
        (file) =>
          !readText(file)
            .replace(/^#![^\n]*\n/, "")
            .startsWith("/**"),
      ),
    );
  });

  test("have names in kebab-case", () => {
    assertNoComplaints(
      [...typeScriptFiles, ...toolFiles].filter(
        (file) =>
          !/\/[a-z0-9]+(-[a-z0-9]+)*(\.(test|crash|fuzz|bench|property))*\.(tsx?|mjs)$/.test(file),
      ),
    );
  });

  test("have names that say more than utils, helpers, common or types", () => {
    assertNoComplaints(
      typeScriptFiles.filter((file) => /\/(utils?|helpers?|common|types|misc)\.tsx?$/.test(file)),
    );
  });

  test("are at most as long as one concept", () => {
    const ceilings = new Map(SIZE_EXCEPTIONS.map(({ file, maxLines }) => [file, maxLines]));
    assertNoComplaints(
      [...new Set([...typeScriptFiles, ...toolFiles])].flatMap((file) => {
        const isTest = /\/test\/|\.test\.ts$/.test(file);
        const maxLines = ceilings.get(file) ?? (isTest ? MAX_TEST_FILE_LINES : MAX_FILE_LINES);
        const lines = lineCount(file);
        return lines > maxLines ? [`${file}: ${lines} lines, at most ${maxLines}`] : [];
      }),
    );
  });

  test("have no exception from the length that is not needed", () => {
    assertNoComplaints(
      SIZE_EXCEPTIONS.filter(
        ({ file, reason }) => lineCount(file) <= MAX_FILE_LINES || reason.length < 20,
      ).map(({ file }) => file),
    );
  });

  test("export by name only: no export *, no default export", () => {
    assertNoComplaints(find(typeScriptFiles, /^export (\*|default\b)/gm));
  });

  test("gather exports only in the index of a package", () => {
    const files = sourceFiles.filter((file) => !/^packages\/[^/]+\/src\/index\.ts$/.test(file));
    assertNoComplaints(find(files, /^export (type )?(\{[^}]*\}|\*) from/gm, withoutComments));
  });

  test("leave nothing half done, unless an issue number says who minds it", () => {
    // Put together at run time, so that this file does not find itself.
    const [later, broken, marker] = ["TO-DO", "FIX-ME", "XX-X"].map((word) =>
      word.replace("-", ""),
    );
    const pattern = new RegExp(`\\b(${later}(?!\\(#\\d+\\):)|${broken}|${marker})\\b`, "g");
    assertNoComplaints(find([...typeScriptFiles, ...toolFiles], pattern, (source) => source));
  });

  test("use uninitialised memory only where it is listed with a reason", () => {
    const files = sourceFiles.filter((file) => UNINITIALISED_MEMORY[file] === undefined);
    assertNoComplaints(find(files, /\ballocUnsafe(Slow)?\b/g));
    assertNoComplaints(
      Object.keys(UNINITIALISED_MEMORY).filter((file) => !/\ballocUnsafe/.test(readText(file))),
    );
  });
});

suite("sources of the engine", () => {
  const engineFiles = sourceFiles.filter((file) => file.startsWith("packages/wal/"));
  const isOutside = (file: string): boolean =>
    /^packages\/wal\/src\/(open-wal|environment)\.ts$/.test(file) ||
    /\/storage\/node-[^/]+$/.test(file);

  test("get clock, timers and randomness from the composition root", () => {
    const nondeterminism =
      /\b(Date\.now|performance\.now|process\.hrtime|Math\.random|setTimeout|setInterval|setImmediate|randomUUID|getRandomValues)\b|\bnew Date\(\)|(?<![.\w])randomBytes\(/g;
    assertNoComplaints(
      find(
        engineFiles.filter((file) => !isOutside(file)),
        nondeterminism,
      ),
    );
  });

  test("touch files only in storage/node-*.ts", () => {
    assertNoComplaints(
      find(
        engineFiles.filter((file) => !/\/storage\/node-[^/]+$/.test(file)),
        /"node:fs(\/promises)?"/g,
        withoutComments,
      ),
    );
  });
});

suite("line counts", () => {
  test("count lines as an editor does", () => {
    assert.ok(lineCount("tools/tidy/complaints.ts") > 5);
    assert.equal(lineCount("no-such-file.ts"), 0);
  });
});

/** Places where the pattern occurs, as "file:line: text". By default comments and strings do not count. */
function find(
  files: readonly string[],
  pattern: RegExp,
  view: (source: string) => string = codeOnly,
): string[] {
  return files.flatMap((file) => {
    const text = view(readText(file));
    return [...text.matchAll(pattern)].map(
      (match) => `${file}:${lineNumberAt(text, match.index)}: ${match[0].split("\n")[0]}`,
    );
  });
}

function lineCount(file: string): number {
  const text = readText(file);
  return text.split("\n").length - (text.endsWith("\n") || text === "" ? 1 : 0);
}
