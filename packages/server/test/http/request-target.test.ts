import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { parseRequestTarget } from "../../src/http/request-target.ts";

suite("parseRequestTarget", () => {
  const cases = [
    { target: "/write", path: "/write", queryText: "" },
    { target: "/write?db=a&p=b?c", path: "/write", queryText: "db=a&p=b?c" },
    { target: "/?", path: "/", queryText: "" },
    { target: "http://host:8000/ping?verbose=1", path: "/ping", queryText: "verbose=1" },
    { target: "http://host", path: "/", queryText: "" },
    { target: "*", path: "*", queryText: "" },
  ];
  for (const { target, path, queryText } of cases) {
    test(`splits ${target}`, () => {
      assert.deepEqual(parseRequestTarget(target), { path, queryText });
    });
  }
});
