import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { suite, test, type TestContext } from "node:test";
import { SERVER_OPTION_TABLE, WALNUT_VERSION } from "@walnut/server";
import { EXIT_FAILURE, EXIT_OK, EXIT_USAGE } from "../src/exit-code.ts";
import { runCli } from "../src/run-cli.ts";
import { RecordedEnvironment } from "./recorded-environment.ts";

async function temporaryDirectory(context: TestContext): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), "walnut-cli-"));
  context.after(() => rm(directory, { recursive: true, force: true }));
  return directory;
}

suite("walnut", () => {
  test("prints its version and its help", async () => {
    const version = new RecordedEnvironment();
    assert.equal(await runCli(["--version"], version), EXIT_OK);
    assert.equal(version.out, `${WALNUT_VERSION}\n`);
    const help = new RecordedEnvironment();
    assert.equal(await runCli(["--help"], help), EXIT_OK);
    assert.match(help.out, /Examples:/);
  });

  test("walnut serve --help names every flag with its variable", async () => {
    const environment = new RecordedEnvironment();
    assert.equal(await runCli(["serve", "--help"], environment), EXIT_OK);
    const words = environment.out.split(/[\s()]+/);
    for (const spec of SERVER_OPTION_TABLE) {
      assert.ok(words.includes(`--${spec.flag}`), spec.flag);
      assert.ok(
        words.includes(`WALNUT_${spec.flag.replaceAll("-", "_").toUpperCase()}`),
        spec.flag,
      );
    }
  });

  test("refuses unknown flags and commands with the code for usage", async () => {
    for (const words of [["serve", "--prot", "1"], ["serf"], ["serve", "extra"], []]) {
      const environment = new RecordedEnvironment();
      assert.equal(await runCli(words, environment), EXIT_USAGE, words.join(" "));
      assert.notEqual(environment.err, "");
    }
  });
});

suite("walnut serve", () => {
  test("runs until a signal, and names variables that it does not know", async (context) => {
    const directory = await temporaryDirectory(context);
    const variables = { WALNUT_DATA_DIR: directory, WALNUT_PORT: "0", WALNUT_PROT: "1" };
    const environment = new RecordedEnvironment({ variables });
    const running = runCli(["serve"], environment);
    await environment.printed("is ready");
    assert.match(environment.out, /"level":"warn".*WALNUT_PROT/);
    environment.signal("SIGTERM");
    assert.equal(await running, EXIT_OK);
    assert.equal(environment.hasTimer, false, "the time limit of the stop is cancelled");
    assert.deepEqual(environment.exits, []);
  });

  test("a second signal, or a stop without end, ends the process at once", async (context) => {
    const directory = await temporaryDirectory(context);
    const environment = new RecordedEnvironment();
    const running = runCli(["serve", "--data-dir", directory, "--port", "0"], environment);
    await environment.printed("is ready");
    environment.signal("SIGINT");
    environment.signal("SIGINT");
    assert.deepEqual(environment.exits, [EXIT_FAILURE]);
    while (!environment.hasTimer) await Promise.resolve();
    environment.expireTimer();
    assert.deepEqual(environment.exits, [EXIT_FAILURE, EXIT_FAILURE]);
    await running;
  });

  test("a signal while starting stops as well", async (context) => {
    const directory = await temporaryDirectory(context);
    const environment = new RecordedEnvironment();
    const running = runCli(["serve", "--data-dir", directory, "--port", "0"], environment);
    await environment.listening();
    environment.signal("SIGTERM");
    assert.equal(await running, EXIT_OK);
  });

  test("tells a taken port from wrong configuration", async (context) => {
    const directory = await temporaryDirectory(context);
    const blocker = createServer();
    await new Promise<void>((resolve) => blocker.listen(0, "127.0.0.1", () => resolve()));
    context.after(() => blocker.close());
    const address = blocker.address();
    assert.ok(typeof address === "object" && address !== null);
    const taken = new RecordedEnvironment();
    const words = ["serve", "--data-dir", directory, "--port", String(address.port)];
    assert.equal(await runCli(words, taken), EXIT_FAILURE);
    assert.match(taken.err, /SERVER_LISTEN_FAILED/);
    const wrong = new RecordedEnvironment();
    assert.equal(await runCli(["serve", "--durability", "sometimes"], wrong), EXIT_USAGE);
    assert.match(wrong.err, /SERVER_INVALID_OPTION/);
  });
});
