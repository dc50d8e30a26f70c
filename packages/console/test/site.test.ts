/** The built files: complete, small, and within what the policy allows. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { suite, test } from "node:test";
import { brotliDecompressSync, gunzipSync } from "node:zlib";
import { CONSOLE_DIRECTORY } from "@walnut/console";

/** Script and style sheet together, compressed with gzip. */
const BUDGET_BYTES = 60 * 1024; // 60 KiB

interface SiteFile {
  readonly path: string;
  readonly file: string;
  readonly isImmutable: boolean;
}

suite("built console", () => {
  const read = (name: string): Buffer => readFileSync(new URL(name, CONSOLE_DIRECTORY));
  const { files } = JSON.parse(read("manifest.json").toString()) as { files: SiteFile[] };

  test("is a page, a script, a style sheet and an icon; only the page has a name that stays", () => {
    assert.equal(files.length, 4);
    assert.deepEqual(
      files.filter(({ isImmutable }) => !isImmutable).map(({ path }) => path),
      ["/"],
    );
  });

  test("keeps within its budget", () => {
    const bytes = files
      .filter(({ file }) => /\.(js|css)$/.test(file))
      .reduce((sum, { file }) => sum + read(`${file}.gz`).byteLength, 0);
    assert.ok(bytes > 10_000 && bytes < BUDGET_BYTES, `${bytes} bytes, at most ${BUDGET_BYTES}`);
  });

  test("has compressed forms of the same bytes", () => {
    for (const { file } of files) {
      assert.deepEqual(gunzipSync(read(`${file}.gz`)), read(file));
      assert.deepEqual(brotliDecompressSync(read(`${file}.br`)), read(file));
    }
  });

  test("names its files on the page, runs nothing inline and asks nobody else", () => {
    const page = read("index.html").toString();
    for (const { path } of files.filter(({ isImmutable }) => isImmutable)) {
      assert.ok(page.includes(path), path);
    }
    assert.doesNotMatch(page, /<script(?![^>]*src=)|<style|\sstyle=|\son\w+=|https?:/);
    const style = read(files.find(({ file }) => file.endsWith(".css"))?.file ?? "").toString();
    assert.doesNotMatch(style, /url\(|@import/);
  });
});
