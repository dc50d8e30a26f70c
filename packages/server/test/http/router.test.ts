import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { Router, type Route } from "../../src/http/router.ts";

function route(method: "GET" | "POST", path: string): Route {
  return { name: path, method, path, access: "public", availability: "always", handle() {} };
}

suite("Router", () => {
  const router = new Router([
    route("GET", "/ping"),
    route("GET", "/query"),
    route("POST", "/query"),
  ]);

  test("finds a route by path and method", () => {
    const match = router.find("POST", "/query");
    assert.equal(match.kind, "found");
    assert.equal(match.kind === "found" && match.route.method, "POST");
  });

  test("answers HEAD where it answers GET", () => {
    assert.equal(router.find("HEAD", "/ping").kind, "found");
  });

  test("lists what a path does answer", () => {
    assert.deepEqual(router.find("DELETE", "/query"), {
      kind: "wrong-method",
      allow: "GET, HEAD, POST",
    });
    assert.deepEqual(router.find("POST", "/ping"), { kind: "wrong-method", allow: "GET, HEAD" });
  });

  test("knows only exact paths", () => {
    for (const path of ["/", "/ping/", "/Ping", "//ping", "/__proto__", "/constructor"]) {
      assert.equal(router.find("GET", path).kind, "unknown-path", path);
    }
  });

  test("refuses two routes for one path and method", () => {
    assert.throws(() => new Router([route("GET", "/a"), route("GET", "/a")]), RangeError);
  });
});
