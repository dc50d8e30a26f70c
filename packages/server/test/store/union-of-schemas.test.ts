import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { unionOfSchemas } from "../../src/store/union-of-schemas.ts";

suite("unionOfSchemas", () => {
  test("each table once, with the columns of all shards, in the order of their first appearance", () => {
    const cpu = { database: "d", measurement: "cpu" };
    const mem = { database: "d", measurement: "mem" };
    const column = (name: string) => ({ name, type: "float" }) as const;
    assert.deepEqual(
      unionOfSchemas([
        { ...cpu, schema: [column("a"), column("b")] },
        { ...mem, schema: [column("a")] },
        { ...cpu, schema: [column("c"), column("B")] },
      ]),
      [
        { ...cpu, schema: [column("a"), column("b"), column("c")] },
        { ...mem, schema: [column("a")] },
      ],
    );
    assert.deepEqual(unionOfSchemas([]), []);
  });
});
