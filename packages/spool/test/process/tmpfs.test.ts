/** The recipe of docs/tmpfs.md on a real tmpfs: full, killed, started again, nothing lost, drained, and taking writes as before; one category floods it. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { closeSync, mkdtempSync, openSync, readdirSync, rmSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { suite, test } from "node:test";
import { DEFAULT_CATEGORIES, openForwardAgent, openForwarder } from "@walnut/spool";
import { PlainUpstream, until } from "../forward/plain-upstream.ts";
import { WalnutProcess } from "./walnut-process.ts";

const ITEM_BYTES = 40_000;
const MAX_ITEMS = 1_000;

/** Mounts a tmpfs; the reason why not otherwise. */
function mount(size = "8m"): { readonly path: string } | { readonly whyNot: string } {
  if (process.platform !== "linux") return { whyNot: "needs Linux" };
  if (process.getuid?.() !== 0) return { whyNot: "needs root, to mount a tmpfs" };
  const path = mkdtempSync(join(tmpdir(), "walnut-ramdisk-"));
  try {
    execFileSync("mount", ["-t", "tmpfs", "-o", `size=${size}`, "tmpfs", path], { stdio: "pipe" });
    return { path };
  } catch (error) {
    rmSync(path, { recursive: true });
    return { whyNot: `cannot mount a tmpfs here: ${String(error).split("\n")[0]}` };
  }
}

async function write(
  url: string,
  category: string,
  number: number,
  bytes = ITEM_BYTES,
): Promise<number> {
  const body = `n=${number} ${"x".repeat(bytes)}`;
  const response = await fetch(`${url}/v1/write/${category}`, { method: "POST", body });
  await response.text();
  return response.status;
}

suite("a spool on a tmpfs", { timeout: 300_000 }, () => {
  test("is filled, survives kill -9, drains, and refuses nothing afterwards", async (context) => {
    const volume = mount();
    if ("whyNot" in volume) return context.skip(volume.whyNot);
    context.after(() => {
      execFileSync("umount", ["-l", volume.path]);
      rmSync(volume.path, { recursive: true });
    });
    const upstream = await PlainUpstream.start(context);
    upstream.misbehave = (_, response) => {
      response.writeHead(503).end();
      return true;
    };
    // All thirteen categories, and not a word about sizes.
    const words = ["forward", "--listen", "127.0.0.1:0", "--to", upstream.url];
    const pace = ["--protocol", "category", "--retry-max-delay-ms", "100"];
    const variables = { ENV_DATAWAY_WAL_PATH: volume.path };
    const start = (): WalnutProcess => WalnutProcess.start(context, [...words, ...pace], variables);
    const first = start();
    let taken = 0;
    let status = 204;
    for (; status === 204 && taken < MAX_ITEMS; taken++) {
      status = await write(await first.url(), "logging", taken + 1);
    }
    taken -= 1;
    assert.equal(status, 503);
    assert.ok(taken * ITEM_BYTES > 3 * 1024 * 1024, `${taken} items`);
    assert.equal(await write(await first.url(), "keyevent", 1), 204);
    const shown = await fetch(`${await first.url()}/v1/forward/status`);
    const { survives } = (await shown.json()) as { readonly survives: string };
    assert.equal(survives, "a restart of the process, not of the host");
    await first.kill("SIGKILL");

    const again = start();
    const url = await again.url();
    upstream.misbehave = () => false;
    const drain = await fetch(`${url}/v1/forward/drain`, { method: "POST" });
    assert.deepEqual(await drain.json(), { is_drained: true, left: 0 });
    const numbers = upstream.lines("logging").map((line) => Number(/^n=(\d+)/.exec(line)?.[1]));
    assert.deepEqual(
      numbers,
      Array.from({ length: taken }, (_, index) => index + 1),
    );
    assert.equal(upstream.lines("keyevent").length, 1);
    // Twice what the volume holds: room comes back as items are shipped.
    for (let number = 1; number <= 2 * taken; number++) {
      assert.equal(
        await write(url, number % 2 === 0 ? "logging" : "metric", number),
        204,
        `${number}`,
      );
      if (number % 50 === 0) await fetch(`${url}/v1/forward/drain`, { method: "POST" });
    }
    await until(() => upstream.lines("metric").length >= taken);
    assert.equal(await again.kill("SIGTERM"), 0);
  });

  test("keeps its part for each category, at once, while logging floods it", async (context) => {
    const volume = mount("64m");
    if ("whyNot" in volume) return context.skip(volume.whyNot);
    context.after(() => {
      execFileSync("umount", ["-l", volume.path]);
      rmSync(volume.path, { recursive: true });
    });
    const upstream = await PlainUpstream.start(context);
    let isDown = true;
    upstream.misbehave = (_, response) => {
      if (isDown) response.writeHead(503).end();
      return isDown;
    };
    const agent = await openForwardAgent({
      spool: { directory: volume.path },
      listen: "127.0.0.1:0",
      to: upstream.url,
      protocol: "category",
      encoding: "none",
      retryMaxDelayMs: 100,
    });
    context.after(() => agent.close());
    const { spool } = agent.forwarder;
    const flood = { taken: 0, refused: 0, isOver: false };
    const flooding = Array.from({ length: 4 }, async () => {
      while (!flood.isOver) {
        const status = await write(agent.url, "logging", 0, 10 * ITEM_BYTES);
        assert.ok(status === 204 || status === 503, `${status}`);
        flood[status === 204 ? "taken" : "refused"] += 1;
      }
    });
    await until(() => flood.refused > 0);
    const others = DEFAULT_CATEGORIES.filter((name) => name !== "logging" && name !== "keyevent");
    let slowestMs = 0;
    const putItsPart = async (name: string): Promise<void> => {
      // What is not used of a segment counts as well.
      const { guaranteedBytes } = spool.category(name).status();
      const count = Math.floor((guaranteedBytes - spool.options.segmentSizeBytes) / ITEM_BYTES);
      assert.ok(count > 10, `${count} items in ${guaranteedBytes} bytes`);
      for (let number = 1; number <= count; number++) {
        const startedMs = performance.now();
        assert.equal(await write(agent.url, name, number), 204, `${name} ${number}`);
        slowestMs = Math.max(slowestMs, performance.now() - startedMs);
      }
    };
    await putItsPart("keyevent");
    flood.isOver = true;
    await Promise.all(flooding);
    context.diagnostic(`keyevent took ${slowestMs} ms at most beside ${flood.refused} refused`);
    assert.ok(slowestMs < 10_000, `${slowestMs} ms`);
    // It is as full as it was.
    for (const name of others) await putItsPart(name);
    // What `du` shows: a directory for each.
    const shown = readdirSync(volume.path).filter((name) => !name.startsWith("."));
    assert.deepEqual(shown, DEFAULT_CATEGORIES);

    isDown = false;
    assert.equal(await agent.forwarder.drain(60_000), 0);
    assert.equal(upstream.lines("logging").length, flood.taken);
    assert.ok(["keyevent", ...others].every((name) => upstream.lines(name).length > 10));
    assert.equal(await write(agent.url, "logging", 1), 204);
  });

  /** All bytes that are left of a volume, for others. */
  function takeTheRest(path: string): void {
    const file = openSync(path, "a");
    try {
      for (;;) writeSync(file, Buffer.alloc(4_096));
    } catch (error) {
      assert.ok(error instanceof Error && "code" in error && error.code === "ENOSPC");
    } finally {
      closeSync(file);
    }
  }

  for (const [name, isTaken] of [
    ["drains when others have filled it", false],
    ["loses nothing when others take what it releases", true],
  ] as const) {
    test(name, async (context) => {
      const volume = mount();
      if ("whyNot" in volume) return context.skip(volume.whyNot);
      context.after(() => {
        execFileSync("umount", ["-l", volume.path]);
        rmSync(volume.path, { recursive: true });
      });
      const upstream = await PlainUpstream.start(context);
      const forwarder = await openForwarder({
        spool: { directory: join(volume.path, "spool") },
        to: upstream.url,
        protocol: "category",
        lingerMs: 1,
        maxBatchItems: 2,
        retryMaxDelayMs: 20,
      });
      context.after(() => forwarder.close());
      forwarder.pause();
      const lines = Array.from({ length: 1_000 }, (_, n) => `n=${n} ${"x".repeat(3_000)}`);
      for (const line of lines) await forwarder.put("logging", Buffer.from(line));
      const others = join(volume.path, "others");
      takeTheRest(others);
      if (isTaken) {
        const timer = setInterval(() => takeTheRest(others), 1);
        forwarder.resume();
        await until(async () => {
          const status = await forwarder.status();
          return status.categories.some(({ state }) => state === "failed");
        });
        clearInterval(timer);
        assert.ok(forwarder.depth > 0);
        rmSync(others);
      }
      assert.equal(await forwarder.drain(30_000), 0);
      assert.deepEqual(upstream.lines("logging"), lines);
    });
  }
});
