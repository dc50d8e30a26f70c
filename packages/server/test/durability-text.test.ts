import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { durabilityText } from "../src/durability-text.ts";

suite("durabilityText", () => {
  test("names the level and what it survives", () => {
    assert.match(durabilityText("fdatasync", 0xef53), /^fdatasync: .*power loss/);
  });

  test("does not promise on a file system in memory what it cannot keep", () => {
    assert.match(durabilityText("fsync", 0x01021994), /^fsync on tmpfs: .*not a reboot/);
  });
});
