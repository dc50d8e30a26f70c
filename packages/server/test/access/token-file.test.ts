import assert from "node:assert/strict";
import { writeFile, mkdir, readdir, readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { suite, test } from "node:test";
import { SimulatedDisk } from "@walnut/testkit";
import { NodeStorage } from "@walnut/wal";
import { StoredTokens } from "../../src/access/stored-tokens.ts";
import { ServerError } from "../../src/errors.ts";
import { temporaryDirectory } from "../temporary-directory.ts";

const DATA = "/data";
const WRITER = { name: "writer", rights: ["write"] } as const;

function hasCode(code: string): (error: unknown) => boolean {
  return (error) => error instanceof ServerError && error.code === code;
}

function tokensOn(storage: SimulatedDisk): StoredTokens {
  return new StoredTokens({ dataDirectory: DATA, storage });
}

async function namesOn(disk: SimulatedDisk): Promise<string[]> {
  return (await tokensOn(disk).list()).map(({ name }) => name);
}

suite("StoredTokens on a simulated disk", () => {
  test("a change is all or nothing after a power loss at every call (tokens-1, tokens-2, tokens-3)", async () => {
    let crashes = 0;
    for (let event = 1; ; event++) {
      const disk = new SimulatedDisk();
      await disk.ensureDirectory(DATA);
      await tokensOn(disk).create({ ...WRITER, name: "old" });
      disk.crashBefore(disk.events + event);
      const isDone = await tokensOn(disk)
        .create({ ...WRITER, name: "new" })
        .then(
          () => true,
          () => false,
        );
      for (const after of disk.enumerateCrashes(64)) {
        const names = (await namesOn(after)).join();
        assert.ok(names === "old,new" || (!isDone && names === "old"), `event ${event}: ${names}`);
        // What the crash left behind is in nobody's way.
        await tokensOn(after).create({ ...WRITER, name: "next" });
        assert.equal((await namesOn(after)).at(-1), "next");
        crashes++;
      }
      if (isDone) break;
    }
    assert.ok(crashes > 20, `${crashes} crashes`);
  });

  test("a full disk refuses a change and keeps what was there", async () => {
    const disk = new SimulatedDisk();
    await disk.ensureDirectory(DATA);
    await tokensOn(disk).create(WRITER);
    disk.capacityBytes = disk.usedBytes + 10;
    await assert.rejects(tokensOn(disk).create(WRITER), hasCode("SERVER_TOKENS_UNAVAILABLE"));
    assert.deepEqual(await namesOn(disk), ["writer"]);
  });
});

suite("StoredTokens", () => {
  test("keeps a salted hash and never the token, in a file for the owner only", async () => {
    const dataDirectory = await temporaryDirectory();
    const tokens = new StoredTokens({ dataDirectory });
    const made = await tokens.create({ name: "a", rights: ["admin", "read"] });
    assert.match(made.text, /^wlt_[0-9a-f]{12}_[A-Za-z0-9_-]{43}$/);
    const path = join(dataDirectory, "access", "tokens.json");
    const text = await readFile(path, "utf8");
    const secret = made.text.slice(`wlt_${made.id}_`.length);
    assert.equal(text.includes(secret), false);
    assert.equal((await stat(path)).mode & 0o777, 0o600);
    assert.deepEqual((await readdir(join(dataDirectory, "access"))).toSorted(), [
      "LOCK",
      "tokens.json",
    ]);
    assert.deepEqual(await tokens.list(), [
      {
        id: made.id,
        name: "a",
        rights: ["read", "admin"],
        created: made.created,
        expires: null,
        lastFour: made.text.slice(-4),
      },
    ]);
  });

  test("loses nothing when many write at once", async () => {
    const dataDirectory = await temporaryDirectory();
    await Promise.all(
      Array.from({ length: 20 }, (_, index) =>
        new StoredTokens({ dataDirectory }).create({ name: `t${index}`, rights: ["read"] }),
      ),
    );
    assert.equal((await new StoredTokens({ dataDirectory }).list()).length, 20);
  });

  test("revokes by id, once", async () => {
    const tokens = new StoredTokens({ dataDirectory: await temporaryDirectory() });
    const { id } = await tokens.create(WRITER);
    assert.equal((await tokens.revoke(id)).name, "writer");
    assert.deepEqual(await tokens.list(), []);
    await assert.rejects(tokens.revoke(id), hasCode("SERVER_NOT_FOUND"));
  });

  test("refuses names, rights and lives that make no sense", async () => {
    const tokens = new StoredTokens({ dataDirectory: await temporaryDirectory() });
    for (const wrong of [
      { name: "", rights: ["read"] as const },
      { name: " ", rights: ["read"] as const },
      { name: "a\nb", rights: ["read"] as const },
      { name: "a".repeat(101), rights: ["read"] as const },
      { name: "a", rights: [] },
      { name: "a", rights: ["read"] as const, lifeMs: 0 },
      { name: "a", rights: ["read"] as const, lifeMs: Number.NaN },
    ]) {
      await assert.rejects(tokens.create(wrong), hasCode("SERVER_INVALID_REQUEST"));
    }
    assert.deepEqual(await tokens.list(), []);
  });

  test("takes a file that is not as it should be for an error, never for no tokens", async () => {
    const dataDirectory = await temporaryDirectory();
    const tokens = new StoredTokens({ dataDirectory });
    await tokens.create(WRITER);
    const path = join(dataDirectory, "access", "tokens.json");
    const good = await readFile(path, "utf8");
    const wrongs = [
      "",
      "{}",
      good.slice(0, -5),
      good.replace('"version": 1', '"version": 2'),
      good.replace('"write"', '"owner"'),
      good.replace('"expires": null', '"expires": "tomorrow"'),
      good.replace('"name"', '"scope": "x", "name"'),
    ];
    for (const wrong of wrongs) {
      await writeFile(path, wrong);
      await assert.rejects(tokens.list(), hasCode("SERVER_TOKENS_UNAVAILABLE"), wrong);
      await assert.rejects(tokens.create(WRITER), hasCode("SERVER_TOKENS_UNAVAILABLE"));
      assert.equal(await readFile(path, "utf8"), wrong, "and it is left as it is");
    }
  });

  test("says so when the file cannot be read at all", async () => {
    const dataDirectory = await temporaryDirectory();
    await mkdir(join(dataDirectory, "access", "tokens.json"), { recursive: true });
    const tokens = new StoredTokens({ dataDirectory, storage: new NodeStorage() });
    await assert.rejects(tokens.list(), hasCode("SERVER_TOKENS_UNAVAILABLE"));
  });
});
