import assert from "node:assert/strict";
import { suite, test } from "node:test";
import type { Coordinator, TableColumn } from "../../src/coordinator/coordinator.ts";
import { CoordinatorDesk } from "../../src/coordinator/coordinator-desk.ts";
import type { ColumnType } from "../../src/ingest/table-batch.ts";

function column(name: string, type: ColumnType): TableColumn {
  return { database: "db", measurement: "cpu", name, type };
}

/** A desk whose two workers have told that they recovered nothing. */
async function twoWorkers(): Promise<readonly [Coordinator, Coordinator]> {
  const desk = new CoordinatorDesk(2);
  const workers = [desk.forWorker(1), desk.forWorker(2)] as const;
  for (const worker of workers) await worker.reportSchemas([]);
  return workers;
}

suite("CoordinatorDesk", () => {
  test("gives a column the type that was asked for first, and answers that to everybody", async () => {
    const [first, second] = await twoWorkers();
    const asked = [column("a", "float"), column("Host", "tag")];
    assert.deepEqual(await first.reserveColumns(asked), asked);
    assert.deepEqual(await second.reserveColumns([column("a", "integer"), column("host", "tag")]), [
      column("a", "float"),
      column("Host", "tag"),
    ]);
  });

  test("forgets a column when its last hold is given back, and not before", async () => {
    const [first, second] = await twoWorkers();
    await first.reserveColumns([column("a", "float")]);
    await first.reserveColumns([column("a", "float")]);
    await second.reserveColumns([column("a", "float")]);
    for (const worker of [first, first, first]) worker.releaseColumns([column("a", "float")]);
    const [kept] = await first.reserveColumns([column("a", "integer")]);
    assert.equal(kept?.type, "float", "the second worker holds it still");
    first.releaseColumns([column("a", "float")]);
    second.releaseColumns([column("a", "float")]);
    const [fresh] = await first.reserveColumns([column("a", "integer")]);
    assert.equal(fresh?.type, "integer");
  });

  test("agrees on nothing new until every worker has told what it recovered", async () => {
    const desk = new CoordinatorDesk(2);
    const [first, second] = [desk.forWorker(1), desk.forWorker(2)];
    await first.reportSchemas([]);
    await assert.rejects(first.reserveColumns([column("a", "float")]), {
      code: "SERVER_NOT_READY",
    });
    const schema = [{ name: "a", type: "integer" as const }];
    await second.reportSchemas([{ database: "db", measurement: "cpu", schema }]);
    const [agreed] = await first.reserveColumns([column("a", "float")]);
    assert.equal(agreed?.type, "integer");
  });

  test("a worker that died holds what it held until it is back, and then what it recovered", async () => {
    const [first, second] = await twoWorkers();
    await first.reserveColumns([column("logged", "float"), column("lost", "float")]);
    const [held] = await second.reserveColumns([column("lost", "integer")]);
    assert.equal(held?.type, "float");
    second.releaseColumns([column("lost", "float")]);
    const schema = [{ name: "logged", type: "float" as const }];
    await first.reportSchemas([{ database: "db", measurement: "cpu", schema }]);
    const answer = await second.reserveColumns([
      column("logged", "integer"),
      column("lost", "integer"),
    ]);
    assert.deepEqual(
      answer.map(({ type }) => type),
      ["float", "integer"],
    );
  });

  test("refuses a shard whose types are not those of the others", async () => {
    const desk = new CoordinatorDesk(2);
    const report = (worker: number, type: ColumnType): Promise<void> =>
      desk
        .forWorker(worker)
        .reportSchemas([{ database: "db", measurement: "cpu", schema: [{ name: "a", type }] }]);
    await report(1, "float");
    await assert.rejects(report(2, "integer"), { code: "SERVER_STORAGE_CORRUPT" });
    await report(2, "float");
    const tag = desk
      .forWorker(1)
      .reportSchemas([
        { database: "db", measurement: "mem", schema: [{ name: "a", type: "tag" }] },
      ]);
    await tag;
    await desk
      .forWorker(2)
      .reportSchemas([
        { database: "db", measurement: "mem", schema: [{ name: "a", type: "string" }] },
      ]);
  });
});
