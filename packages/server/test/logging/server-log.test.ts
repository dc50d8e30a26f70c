import assert from "node:assert/strict";
import { suite, test } from "node:test";
import {
  logFormatFor,
  openServerLog,
  type ServerLogOptions,
} from "../../src/logging/server-log.ts";

async function logged(
  options: Partial<ServerLogOptions>,
  fields: Readonly<Record<string, string | number | boolean | undefined>> = {},
  text = "listening",
): Promise<string> {
  let written = "";
  const logger = await openServerLog({
    level: "info",
    format: "text",
    destination: { write: (line) => (written += line) },
    hasColour: false,
    nowMs: () => Date.UTC(2026, 0, 31, 12, 0, 0, 5),
    ...options,
  });
  logger.debug?.(text, fields);
  logger.info(text, fields);
  logger.warn(text);
  logger.error(text);
  return written;
}

suite("openServerLog", () => {
  test("writes lines for people", async () => {
    const fields = {
      port: 8_000,
      host: "::1",
      isNew: true,
      reason: "two words",
      absent: undefined,
    };
    assert.equal(
      await logged({}, fields),
      '2026-01-31 12:00:00.005Z INFO  listening  port=8000  host=::1  isNew=true  reason="two words"\n' +
        "2026-01-31 12:00:00.005Z WARN  listening\n" +
        "2026-01-31 12:00:00.005Z ERROR listening\n",
    );
  });

  test("writes JSON lines with level, time, message, fields and what every line has", async () => {
    const [line = ""] = (await logged({ format: "json", base: { pid: 7 } }, { port: 8_000 })).split(
      "\n",
    );
    assert.deepEqual(JSON.parse(line), {
      level: "info",
      time: "2026-01-31T12:00:00.005Z",
      pid: 7,
      port: 8_000,
      message: "listening",
    });
  });

  test("writes what is important enough", async () => {
    for (const format of ["text", "json"] as const) {
      for (const [level, count] of [
        ["debug", 4],
        ["info", 3],
        ["warn", 2],
        ["error", 1],
      ] as const) {
        const lines = (await logged({ format, level })).split("\n").slice(0, -1);
        assert.equal(lines.length, count, `${format} ${level}`);
      }
    }
    const logger = await openServerLog({
      level: "info",
      format: "text",
      destination: { write() {} },
      hasColour: false,
      nowMs: () => 0,
    });
    assert.equal("debug" in logger, false, "so that nobody makes such a line");
  });

  test("keeps an event on one line, whatever it holds", async () => {
    const hostile = "a\nERROR forged \u001b[2J\u2028\u0085\u0000";
    for (const format of ["text", "json"] as const) {
      const lines = (await logged({ format }, { path: hostile }, hostile)).split("\n");
      assert.equal(lines.length, 4, format);
      assert.doesNotMatch(lines.join(""), format === "text" ? /[\p{Cc}\u2028]/u : /[\n\r]/);
    }
  });

  test("colours levels on a terminal that has colours", async () => {
    assert.ok((await logged({ hasColour: true })).includes("\u001b[33mWARN \u001b[0m"));
  });
});

suite("logFormatFor", () => {
  test("is text on a terminal and JSON elsewhere, unless it is said", () => {
    assert.equal(logFormatFor("auto", { isTerminal: true }), "text");
    assert.equal(logFormatFor("auto", { isTerminal: false }), "json");
    assert.equal(logFormatFor("text", { isTerminal: false }), "text");
    assert.equal(logFormatFor("json", { isTerminal: true }), "json");
  });
});
