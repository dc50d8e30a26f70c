/** No token is ever in a log line: a server is given tokens in every place that clients put them, and made to complain. */
import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { openServerLog } from "../src/logging/server-log.ts";
import { openServer } from "../src/server.ts";
import { temporaryDirectory } from "./temporary-directory.ts";

const TOKEN = "right-hush-token";
const WRONG = "wrong-hush-token";

/** Every way to hand in a token, and some that nobody should use. */
function requestsWith(
  token: string,
): readonly (readonly [target: string, headers: Record<string, string>])[] {
  const basic = (text: string): Record<string, string> => ({
    authorization: `Basic ${Buffer.from(text).toString("base64")}`,
  });
  return [
    ["", { authorization: `Bearer ${token}` }],
    ["", { authorization: `Token ${token}` }],
    ["", basic(`user:${token}`)],
    ["", basic(token)],
    ["", { authorization: token }],
    ["", { "x-api-key": token }],
    [`p=${token}`, {}],
    [`u=${token}&p=${token}`, {}],
    [`token=${token}`, {}],
    [`db=${token}&precision=${token}`, { authorization: `Bearer ${TOKEN}` }],
  ];
}

suite("log lines", () => {
  for (const format of ["text", "json"] as const) {
    test(`hold no token (${format})`, async (context) => {
      let log = "";
      const logger = await openServerLog({
        level: "debug",
        format,
        destination: { write: (line) => (log += line) },
        hasColour: false,
        nowMs: () => Date.now(),
      });
      const dataDirectory = await temporaryDirectory();
      const server = await openServer({ port: 0, dataDirectory, token: TOKEN, logger });
      context.after(() => server.close());
      await server.ready;
      const targets = ["/write", "/api/v2/write", "/api/v1/query", "/api/wal/status", "/nothing"];
      let requests = 0;
      for (const token of [TOKEN, WRONG]) {
        for (const [query, headers] of requestsWith(token)) {
          for (const target of targets) {
            for (const method of ["GET", "POST"]) {
              const body = method === "POST" ? { body: `not a line ${token}` } : {};
              const answer = await fetch(`${server.url}${target}?${query}`, {
                method,
                headers,
                ...body,
              });
              await answer.arrayBuffer();
              requests++;
            }
          }
        }
      }
      await server.close();
      assert.equal(log.split("\n").filter((line) => line.includes("requestId")).length, requests);
      for (const secret of [TOKEN, WRONG]) {
        for (const text of [secret, Buffer.from(secret).toString("base64").slice(0, 12)]) {
          assert.equal(log.includes(text), false, text);
        }
      }
    });
  }
});
