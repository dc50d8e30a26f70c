import assert from "node:assert/strict";
import { appendFile, rm } from "node:fs/promises";
import { suite, test } from "node:test";
import { EXIT_DAMAGE, EXIT_OK } from "../src/exit-code.ts";
import { closedLog, flip, openLog, run, segmentFile, temporaryDirectory } from "./log-fixture.ts";

/** A frame of one record "record-N" (N of one digit): header, head, payload, padding. */
const FRAME_BYTES = 64;
const FIRST_FRAME = 64;

suite("walnut verify", () => {
  test("finds nothing wrong with a whole log", async (context) => {
    const directory = await closedLog(context);
    const { code, environment } = await run(["verify", directory]);
    assert.equal(code, EXIT_OK);
    assert.match(environment.out, /12 records \(LSN 1 - 12\)/);
    const json = await run(["verify", directory, "--json"]);
    assert.equal(json.environment.json.ok, true);
  });

  test("names all damage with file, offsets and LSNs, and ends with the code for damage", async (context) => {
    const directory = await closedLog(context);
    await flip(segmentFile(directory, 1), FIRST_FRAME + FRAME_BYTES + 50);
    await flip(segmentFile(directory, 2), FIRST_FRAME + 3 * FRAME_BYTES + 50);
    const { code, environment } = await run(["verify", directory, "--json"]);
    assert.equal(code, EXIT_DAMAGE);
    assert.equal(environment.json.ok, false);
    const [{ damage }] = environment.json.logs;
    assert.deepEqual(
      damage.map((place: Record<string, unknown>) => [
        place["path"],
        place["offsetBytes"],
        place["endOffsetBytes"],
        place["firstLsn"],
        place["lastLsn"],
      ]),
      [
        [segmentFile(directory, 1), FIRST_FRAME + FRAME_BYTES, FIRST_FRAME + 2 * FRAME_BYTES, 2, 2],
        [
          segmentFile(directory, 2),
          FIRST_FRAME + 3 * FRAME_BYTES,
          FIRST_FRAME + 4 * FRAME_BYTES,
          8,
          8,
        ],
      ],
    );
    const text = await run(["verify", directory]);
    assert.equal(text.code, EXIT_DAMAGE);
    assert.match(text.environment.out, /2 damaged places.*2 records cannot be read/);
  });

  test("names a missing segment", async (context) => {
    const directory = await closedLog(context);
    await rm(segmentFile(directory, 2));
    const { code, environment } = await run(["verify", directory, "--json"]);
    assert.equal(code, EXIT_DAMAGE);
    const [{ damage }] = environment.json.logs;
    assert.deepEqual(
      damage.map(({ kind, firstLsn, lastLsn }: Record<string, unknown>) => [
        kind,
        firstLsn,
        lastLsn,
      ]),
      [["missing-segment", 5, 8]],
    );
  });

  test("takes an unfinished end for what it is: no damage", async (context) => {
    const directory = await closedLog(context);
    await appendFile(segmentFile(directory, 3), "FRM1 half a frame");
    const { code, environment } = await run(["verify", directory]);
    assert.equal(code, EXIT_OK);
    assert.match(environment.out, /unfinished last write/);
  });

  test("says that the end is still being written while a writer is there", async (context) => {
    const directory = await temporaryDirectory(context);
    const wal = await openLog(directory, { segments: 1, records: 1 }, { prewriteBytes: 0 });
    await appendFile(segmentFile(directory, 1), "FRM1 half a frame");
    const { code, environment } = await run(["verify", directory]);
    assert.equal(code, EXIT_OK);
    if (process.platform === "linux") assert.match(environment.out, /still being written/);
    await wal.close();
  });

  test("shows its progress on a terminal when it takes long, and only there", async (context) => {
    const directory = await closedLog(context);
    let elapsedMs = 0;
    for (const isTTY of [true, false]) {
      const { RecordedEnvironment } = await import("./recorded-environment.ts");
      const { runCli } = await import("../src/run-cli.ts");
      const environment = new RecordedEnvironment({ isTTY });
      environment.monotonicMs = () => (elapsedMs += 2000);
      assert.equal(await runCli(["verify", directory], environment), EXIT_OK);
      assert.equal(environment.err.includes("verify ["), isTTY);
      if (isTTY) assert.ok(environment.err.endsWith("\r\u001b[2K"), "leaves a clean line");
    }
  });
});
