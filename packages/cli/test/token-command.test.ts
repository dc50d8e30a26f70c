import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { suite, test, type TestContext } from "node:test";
import { openServer } from "@walnut/server";
import { EXIT_FAILURE, EXIT_OK, EXIT_USAGE } from "../src/exit-code.ts";
import { run, temporaryDirectory } from "./log-fixture.ts";

type Words = readonly string[];

async function json(words: Words, variables: Record<string, string> = {}): Promise<unknown> {
  const { code, environment } = await run([...words, "--json"], { variables });
  assert.equal(code, EXIT_OK, environment.err);
  return JSON.parse(environment.out);
}

async function ids(place: Words, variables: Record<string, string> = {}): Promise<string[]> {
  const { tokens } = (await json(["token", "list", ...place], variables)) as {
    tokens: { id: string }[];
  };
  return tokens.map(({ id }) => id);
}

async function startedServer(context: TestContext): Promise<{ url: string; directory: string }> {
  const directory = await temporaryDirectory(context);
  const server = await openServer({ port: 0, dataDirectory: directory });
  context.after(() => server.close());
  await server.ready;
  return { url: server.url, directory };
}

suite("walnut token", () => {
  test("makes a token that the running server of the directory accepts, and revokes it", async (context) => {
    const { url, directory } = await startedServer(context);
    const place = ["--data-dir", directory];
    const made = await run(["token", "create", "--name", "a b", "--rights", "read", ...place]);
    assert.equal(made.code, EXIT_OK, made.environment.err);
    const token = made.environment.out.trim();
    assert.match(token, /^wlt_[0-9a-f]{12}_[\w-]{43}$/, "only the token, for $(…)");
    assert.equal(made.environment.err.includes(token), false);
    const status = async (): Promise<number> => {
      const headers = { authorization: `Bearer ${token}` };
      return (await fetch(`${url}/api/wal/status`, { headers })).status;
    };
    assert.equal(await status(), 200);
    const [local, id = ""] = await ids(place);
    assert.equal(local, "local");
    assert.equal((await run(["token", "revoke", id, ...place])).code, EXIT_OK);
    const endMs = performance.now() + 1_000;
    while ((await status()) !== 401) assert.ok(performance.now() < endMs);
    assert.deepEqual(await ids(place), ["local"]);
  });

  test("revokes the last token that can administer only when told twice", async (context) => {
    const { url, directory } = await startedServer(context);
    const place = ["--data-dir", directory];
    const file = join(directory, "token");
    const create = ["token", "create", "--name", "x", ...place, "--rights"];
    await json([...create, "write"]);
    await json([...create, "admin", "--expires", "1ms"]);
    for (const at of [place, ["--url", url, "--token-file", file]]) {
      const refused = await run(["token", "revoke", "local", ...at]);
      assert.equal(refused.code, EXIT_USAGE);
      assert.match(refused.environment.err, /walnut token create/);
    }
    const { id } = (await json([...create, "admin"])) as { id: string };
    assert.equal((await run(["token", "revoke", "local", ...place])).code, EXIT_OK);
    assert.equal((await run(["token", "revoke", id, ...place])).code, EXIT_USAGE);
    assert.equal((await run(["token", "revoke", id, "--yes", ...place])).code, EXIT_OK);
  });

  test("does the same over the API, with a token from a file or a variable", async (context) => {
    const { url, directory } = await startedServer(context);
    const byFile = ["--url", `${url}/`, "--token-file", join(directory, "token")];
    const create = ["token", "create", "--name", "x", "--rights", "admin,read", "--expires", "1d"];
    const made = (await json([...create, ...byFile])) as { token: string; id: string };
    const variables = { WALNUT_TOKEN: made.token };
    assert.deepEqual(await ids(["--url", url], variables), ["local", made.id]);
    await json(["token", "revoke", made.id, "--url", url], variables);
    const after = await run(["token", "list", "--url", url], { variables });
    assert.equal(after.code, EXIT_USAGE, "its token is gone");
    assert.match(after.environment.err, /SERVER_UNAUTHORIZED/);
    assert.equal(after.environment.err.includes(made.token), false);
  });

  test("prints a table for people", async (context) => {
    const directory = await temporaryDirectory(context);
    const place = ["--data-dir", directory];
    const empty = await run(["token", "list", ...place]);
    assert.match(empty.environment.out, /no tokens/);
    await run(["token", "create", "--name", "telegraf", "--rights", "write", ...place]);
    const { environment } = await run(["token", "list", ...place]);
    assert.match(environment.out, /^id +name +rights +created +expires +last four$/m);
    assert.match(environment.out, /^[0-9a-f]{12} +telegraf +write +2\S+ \S+Z +- +….{4}$/m);
  });

  test("refuses what makes no sense, and never with a token in the message", async (context) => {
    const directory = await temporaryDirectory(context);
    const place = ["--data-dir", directory];
    const create = ["token", "create", "--name", "x", "--rights"];
    for (const words of [
      ["token", "create", ...place],
      [...create, "root", ...place],
      [...create, "", ...place],
      [...create, "read", "--expires", "soon", ...place],
      ["token", "revoke", "000000000000", ...place],
      ["token", "revoke", "local", ...place],
      ["token", "list", "--data-dir", join(directory, "missing")],
      ["token", "list", "--url", "ftp://x"],
      ["token", "list", "--url", "http://127.0.0.1:1"],
    ]) {
      const { code, environment } = await run(words);
      assert.equal(code, EXIT_USAGE, words.join(" "));
      assert.notEqual(environment.err, "");
    }
    const nobody = { variables: { WALNUT_TOKEN: "secret-of-mine" } };
    const refused = await run(["token", "list", "--url", "http://127.0.0.1:1"], nobody);
    assert.equal(refused.code, EXIT_FAILURE);
    assert.equal(refused.environment.err.includes("secret-of-mine"), false);
  });

  test("a damaged file is an error, not an empty list", async (context) => {
    const directory = await temporaryDirectory(context);
    const place = ["--data-dir", directory];
    await run(["token", "create", "--name", "x", "--rights", "read", ...place]);
    await writeFile(join(directory, "access", "tokens.json"), "{");
    const { code, environment } = await run(["token", "list", ...place]);
    assert.equal(code, EXIT_FAILURE);
    assert.match(environment.err, /SERVER_TOKENS_UNAVAILABLE/);
  });
});
