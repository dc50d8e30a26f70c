import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { RequestIds } from "../../src/http/request-id.ts";

suite("RequestIds", () => {
  test("keeps a client's id that is short and plain", () => {
    const ids = new RequestIds("p");
    for (const id of ["a", "7f3c-12", "user@host:80/x.y_z=+", "x".repeat(128)]) {
      assert.equal(ids.idOf(id), id);
    }
  });

  test("makes one of its own for none, an empty one, a long one, and one that would harm a log", () => {
    const ids = new RequestIds("p");
    const harmful = [undefined, "", "x".repeat(129), "two words", "a\nb", 'a"b', "ü", ["a", "b"]];
    const made = harmful.map((header) => ids.idOf(header));
    assert.equal(new Set(made).size, harmful.length);
    for (const id of made) assert.match(id, /^p-[0-9a-z]+$/);
  });
});
