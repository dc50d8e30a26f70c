import assert from "node:assert/strict";
import { readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { suite, test, type TestContext } from "node:test";
import { StoredTokens } from "../../src/access/stored-tokens.ts";
import { openTokenBook, TOKEN_CHECK_MS, type TokenBook } from "../../src/access/token-book.ts";
import type { AccessToken } from "../../src/access-token.ts";
import { temporaryDirectory } from "../temporary-directory.ts";

interface Opened {
  readonly book: TokenBook;
  readonly stored: StoredTokens;
  readonly dataDirectory: string;
  readonly errors: string[];
  nowMs: number;
}

async function open(
  context: TestContext,
  token: AccessToken = { source: "stored" },
): Promise<Opened> {
  const dataDirectory = await temporaryDirectory();
  const errors: string[] = [];
  const logger = { info() {}, warn() {}, error: (line: string) => void errors.push(line) };
  const opened = { nowMs: Date.now(), errors, dataDirectory };
  const nowMs = (): number => opened.nowMs;
  const book = await openTokenBook({ dataDirectory, token, nowMs, logger });
  context.after(() => book.close());
  return Object.assign(opened, { book, stored: new StoredTokens({ dataDirectory, nowMs }) });
}

/** Waits as long as the promise allows, and no longer. */
async function withinASecond(condition: () => boolean): Promise<void> {
  const endMs = performance.now() + TOKEN_CHECK_MS + 500;
  while (!condition()) {
    assert.ok(performance.now() < endMs, "not seen within a second");
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

suite("TokenBook", () => {
  test("knows a new token at once on a miss, and by itself within a second", async (context) => {
    const { book, stored } = await open(context);
    const first = await stored.create({ name: "first", rights: ["write"] });
    assert.equal(book.recognise(first.text), undefined);
    const grant = await book.recogniseFresh(first.text);
    assert.deepEqual(grant, { id: first.id, name: "first", rights: ["write"], isShared: false });
    assert.equal(book.recognise(first.text), grant, "from memory");
    const second = await stored.create({ name: "second", rights: ["read"] });
    await withinASecond(() => book.recognise(second.text) !== undefined);
  });

  test("refuses a revoked token within a second, and an expired one at once", async (context) => {
    const opened = await open(context);
    const { book, stored } = opened;
    const revoked = await stored.create({ name: "r", rights: ["admin"] });
    const expiring = await stored.create({ name: "e", rights: ["read"], lifeMs: 60_000 });
    await book.refresh();
    assert.ok(book.recognise(revoked.text) !== undefined);
    assert.ok(book.recognise(expiring.text) !== undefined);
    await stored.revoke(revoked.id);
    await withinASecond(() => book.recognise(revoked.text) === undefined);
    opened.nowMs += 60_000;
    assert.equal(book.recognise(expiring.text), undefined);
  });

  test("refuses tokens that differ in one character, before and after the right one was seen", async (context) => {
    const { book, stored } = await open(context);
    const { text, id } = await stored.create({ name: "a", rights: ["read"] });
    await book.refresh();
    const last = text.endsWith("A") ? "B" : "A";
    const others = [
      text.slice(0, -1) + last,
      text.slice(0, -1),
      `${text}A`,
      text.toUpperCase(),
      id,
    ];
    for (let round = 0; round < 2; round++) {
      for (const other of others) assert.equal(await book.recogniseFresh(other), undefined, other);
      assert.equal(book.recognise(text)?.id, id);
    }
  });

  test("follows DIRECTORY/token, and keeps to a token that was given", async (context) => {
    const local = await open(context);
    const path = join(local.dataDirectory, "token");
    await writeFile(path, "chosen-by-a-person\n");
    assert.equal((await local.book.recogniseFresh("chosen-by-a-person"))?.id, "local");
    await rm(path);
    await local.book.refresh();
    assert.equal(local.book.recognise("chosen-by-a-person"), undefined);

    const given = await open(context, { source: "option", token: "given" });
    await writeFile(join(given.dataDirectory, "token"), "in-the-file\n");
    assert.equal(await given.book.recogniseFresh("in-the-file"), undefined);
    assert.equal(given.book.recognise("given")?.id, "option");
  });

  test("keeps what it knew when the file cannot be read any more, and says so once", async (context) => {
    const { book, stored, dataDirectory, errors } = await open(context);
    const { text } = await stored.create({ name: "a", rights: ["read"] });
    await book.refresh();
    const path = join(dataDirectory, "access", "tokens.json");
    const good = await readFile(path, "utf8");
    await writeFile(path, good.slice(0, 40));
    for (let round = 0; round < 3; round++) await book.refresh();
    assert.ok(book.recognise(text) !== undefined);
    assert.equal(errors.length, 1);
    assert.equal(errors.join().includes(text), false);
    await writeFile(path, good);
    await book.refresh();
    assert.ok(book.recognise(text) !== undefined);
  });
});
