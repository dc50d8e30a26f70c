import assert from "node:assert/strict";
import cluster, { type Worker } from "node:cluster";
import { spawn } from "node:child_process";
import { once } from "node:events";
import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { suite, test, type TestContext } from "node:test";
import { fileURLToPath } from "node:url";
import { lockDirectory } from "../../src/storage/node-directory-lock.ts";

const HOLDER = fileURLToPath(new URL("lock-holder.ts", import.meta.url));

function temporaryDirectory(context: TestContext): string {
  const directory = fs.mkdtempSync(path.join(os.tmpdir(), "walnut-lock-"));
  context.after(() => fs.rmSync(directory, { recursive: true, force: true }));
  return directory;
}

suite("lockDirectory", () => {
  test("refuses a second handle of the same process, and names the owner", async (context) => {
    const directory = temporaryDirectory(context);
    const first = await lockDirectory(directory);
    assert.ok(first.kind === "held");
    const second = await lockDirectory(directory);
    assert.ok(second.kind === "refused");
    assert.ok(second.owner.includes(String(process.pid)));
    await first.release();
    const third = await lockDirectory(directory);
    assert.ok(third.kind === "held");
    await third.release();
  });

  test("tells apart directories, and knows one by whatever path", async (context) => {
    const root = temporaryDirectory(context);
    const one = path.join(root, "one");
    const other = path.join(root, "other");
    fs.mkdirSync(one);
    fs.mkdirSync(other);
    fs.symlinkSync(one, path.join(root, "link"));
    const lock = await lockDirectory(one);
    assert.ok(lock.kind === "held");
    assert.equal((await lockDirectory(path.join(root, "link"))).kind, "refused");
    const otherLock = await lockDirectory(other);
    assert.ok(otherLock.kind === "held");
    await otherLock.release();
    await lock.release();
  });

  test("is released once; what is left of it is the file LOCK", async (context) => {
    const directory = temporaryDirectory(context);
    const lock = await lockDirectory(directory);
    assert.ok(lock.kind === "held");
    await lock.release();
    await lock.release();
    assert.deepEqual(fs.readdirSync(directory), ["LOCK"]);
  });

  test("takes a stale LOCK file of a longer text for what it is", async (context) => {
    const directory = temporaryDirectory(context);
    fs.writeFileSync(path.join(directory, "LOCK"), "process 1 on elsewhere".padEnd(500, "."));
    const lock = await lockDirectory(directory);
    assert.ok(lock.kind === "held");
    const text = fs.readFileSync(path.join(directory, "LOCK"), "utf8");
    assert.ok(text.startsWith(`process ${process.pid} `) && text.length < 200);
    await lock.release();
  });

  test("fails for a directory that is not there, and leaves no handle", async (context) => {
    const directory = path.join(temporaryDirectory(context), "missing");
    await assert.rejects(lockDirectory(directory), { code: "ENOENT" });
  });

  test("is held by another process until SIGKILL ends that", async (context) => {
    const directory = temporaryDirectory(context);
    const child = spawn(
      process.execPath,
      ["--conditions=@walnut/source", "--import", "tsx", HOLDER, directory],
      { stdio: ["pipe", "pipe", "inherit"] },
    );
    context.after(() => child.kill("SIGKILL"));
    const [said] = (await once(child.stdout, "data")) as [Buffer];
    assert.equal(said.toString().trim(), "held");
    const refused = await lockDirectory(directory);
    assert.ok(refused.kind === "refused");
    assert.ok(refused.owner.includes(`process ${child.pid} `));
    child.kill("SIGKILL");
    await once(child, "exit");
    const lock = await lockDirectory(directory);
    assert.ok(lock.kind === "held");
    await lock.release();
  });

  test("is not shared by the workers of a cluster", async (context) => {
    const directory = temporaryDirectory(context);
    cluster.setupPrimary({
      exec: HOLDER,
      args: [directory],
      execArgv: ["--conditions=@walnut/source", "--import", "tsx"],
      silent: true,
    });
    const workers = [cluster.fork(), cluster.fork()];
    context.after(() => {
      for (const worker of workers) worker.process.kill("SIGKILL");
    });
    const answers = await Promise.all(workers.map(firstLine));
    assert.deepEqual(answers.sort(), ["held", "refused"]);
  });
});

async function firstLine(worker: Worker): Promise<string> {
  const { stdout } = worker.process;
  assert.ok(stdout !== null);
  const [said] = (await once(stdout, "data")) as [Buffer];
  return said.toString().trim();
}
