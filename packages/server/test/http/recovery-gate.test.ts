/** Waiting writes behind a real port: the limits in number, bytes and time. */
import assert from "node:assert/strict";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { suite, test, type TestContext } from "node:test";
import { ServerError } from "../../src/errors.ts";
import { Exchange } from "../../src/http/exchange.ts";
import { RecoveryGate, type RecoveryGateLimits } from "../../src/http/recovery-gate.ts";
import { ServerState } from "../../src/server-state.ts";

const LIMITS: RecoveryGateLimits = {
  maxRequests: 10,
  maxBytes: 1_000,
  undeclaredBytes: 600,
  maxWaitMs: 600_000,
};

interface Harness {
  readonly gate: RecoveryGate;
  readonly state: ServerState;
  /** Sends a body and resolves with what came of it: the phase at the end of the wait, or a code. */
  send(body: string | ReadableStream, signal?: AbortSignal): Promise<string>;
  /** Resolves when so many requests wait. */
  waiting(count: number): Promise<void>;
}

async function startHarness(
  context: TestContext,
  limits: Partial<RecoveryGateLimits> = {},
): Promise<Harness> {
  const state = new ServerState({ startedAtMs: 0, monotonicMs: () => 0 });
  const gate = new RecoveryGate(state, { ...LIMITS, ...limits });
  const server = createServer((request, response) => {
    const exchange = new Exchange(request, response, { requestId: "r", expectsContinue: false });
    gate.wait(exchange).then(
      () => exchange.text(200, "text/plain", state.phase),
      (error: unknown) =>
        exchange.text(200, "text/plain", error instanceof ServerError ? error.code : String(error)),
    );
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", () => resolve()));
  context.after(() => {
    state.becomeReady();
    server.closeAllConnections();
    server.close();
  });
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return {
    gate,
    state,
    async send(body, signal) {
      const options = { method: "POST", body, duplex: "half", ...(signal ? { signal } : {}) };
      return await (await fetch(url, options as RequestInit)).text();
    },
    async waiting(count) {
      while (gate.waitingRequests !== count) await new Promise(setImmediate);
    },
  };
}

suite("RecoveryGate", () => {
  test("lets writes wait until recovery ends, in whatever way", async (context) => {
    for (const [end, phase] of [
      ["becomeReady", "ready"],
      ["fail", "failed"],
      ["beginStop", "stopping"],
    ] as const) {
      const harness = await startHarness(context);
      const sent = harness.send("x");
      await harness.waiting(1);
      harness.state[end]();
      assert.equal(await sent, phase);
      assert.equal(harness.gate.waitingRequests, 0);
    }
  });

  test("bounds the number of those that wait", async (context) => {
    const harness = await startHarness(context, { maxRequests: 2 });
    const waiting = [harness.send("x"), harness.send("x")];
    await harness.waiting(2);
    assert.equal(await harness.send("x"), "SERVER_OVERLOADED");
    harness.state.becomeReady();
    assert.deepEqual(await Promise.all(waiting), ["ready", "ready"]);
  });

  test("bounds their bytes, with a guess for bodies that declare none", async (context) => {
    const harness = await startHarness(context);
    const waiting = harness.send("x".repeat(400));
    await harness.waiting(1);
    assert.equal(await harness.send("x".repeat(601)), "SERVER_OVERLOADED");
    const undeclared = harness.send(new Blob(["x"]).stream());
    await harness.waiting(2);
    assert.equal(await harness.send("x"), "SERVER_OVERLOADED");
    harness.state.becomeReady();
    assert.deepEqual(await Promise.all([waiting, undeclared]), ["ready", "ready"]);
  });

  test("bounds the time", async (context) => {
    const harness = await startHarness(context, { maxWaitMs: 1 });
    assert.equal(await harness.send("x"), "recovering");
  });

  test("keeps no place for a client that has gone", async (context) => {
    const harness = await startHarness(context, { maxRequests: 1 });
    const gone = new AbortController();
    const sent = harness.send("x", gone.signal);
    await harness.waiting(1);
    gone.abort();
    await assert.rejects(sent);
    await harness.waiting(0);
  });
});
