/**
 * Plans the salvage of segments whose headers, right by their checksums, lead in a circle: for a test that ends this process when
 * it does not end by itself.
 */
import { SimulatedDisk } from "@walnut/testkit";
import { planSalvage } from "../../src/recovery/salvage-plan.ts";
import { LOG_DIRECTORY, segmentPath } from "../machine.ts";
import { buildSegment } from "../segment-builder.ts";

for (const previousSegmentId of [3, 20_000]) {
  const disk = new SimulatedDisk();
  await disk.ensureDirectory(LOG_DIRECTORY);
  const header = { segmentId: 3, previousSegmentId, previousEndOffset: 64 };
  disk.plant(segmentPath(3), buildSegment({ header }).bytes);
  await planSalvage({
    storage: disk,
    directory: LOG_DIRECTORY,
    nowMs: () => 0,
    randomBytes: (length) => new Uint8Array(length),
  });
}
