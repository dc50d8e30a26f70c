/**
 * The program of the thread that writes Parquet files: a {@link ParquetWriter} that is asked by messages.
 *
 * Requests of one flush come one after the other, those of two flushes interleave. See parquet-thread.ts.
 */
import { parentPort } from "node:worker_threads";
import type { HourFacts } from "./hour-partition.ts";
import { unpackRows } from "./packed-rows.ts";
import type { ThreadAnswer, ThreadMessage, ThreadRequest } from "./parquet-thread.ts";
import { openParquetWriter, type StagedRows } from "./parquet-writer.ts";

const port = parentPort;
if (port === null) throw new Error("this program runs in a thread of the server");

const opened = openParquetWriter();
const stages = new Map<number, StagedRows>();

port.on("message", (message: ThreadMessage) => {
  void serve(message).then((answer) => {
    port.postMessage(answer);
    // With nothing left to listen to, the thread ends.
    if (message.kind === "close") port.close();
  });
});

async function serve(message: ThreadMessage): Promise<ThreadAnswer> {
  const { id } = message;
  try {
    return { id, hours: await perform(message) };
  } catch (error) {
    return { id, error };
  }
}

async function perform(request: ThreadRequest): Promise<readonly HourFacts[] | undefined> {
  switch (request.kind) {
    case "stage": {
      const staged = await (await opened).stage(unpackRows(request.rows));
      stages.set(request.stage, staged);
      // Only facts: row numbers of partitions stay here.
      return staged.hours.map(({ hourStartNs, minTimeNs, maxTimeNs, rowCount }) => {
        return { hourStartNs, minTimeNs, maxTimeNs, rowCount };
      });
    }
    case "write": {
      const staged = stages.get(request.stage);
      if (staged === undefined) throw new Error(`rows ${request.stage} are not here`);
      await staged.write(request.hour, request.path);
      return undefined;
    }
    case "release":
      stages.get(request.stage)?.release();
      stages.delete(request.stage);
      return undefined;
    case "close":
      await (await opened).close();
      return undefined;
  }
}
