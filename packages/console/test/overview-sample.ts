/** An overview to change: a server with one worker that is ready and has nothing in it. */
import type { Overview, WorkerOverview } from "../src/overview.ts";

/** A worker with some members changed. */
export function worker(changes: Partial<WorkerOverview> = {}): WorkerOverview {
  return {
    worker: 1,
    processId: 100,
    phase: "ready",
    startedAtMs: 0,
    residentBytes: 0,
    cpuSeconds: 0,
    requests: {
      inFlight: 0,
      inFlightBytes: 0,
      writes: 0,
      rows: 0,
      bytes: 0,
      byStatus: {},
      errors: {},
      writeMs: { bounds: [1, 10], counts: [0, 0, 0], count: 0, sum: 0 },
    },
    progress: {
      phase: "scan",
      segmentsDone: 0,
      segmentsTotal: 0,
      bytesDone: 0,
      bytesTotal: 0,
      records: 0,
      rows: 0,
    },
    recovery: null,
    logs: [],
    store: null,
    findings: [],
    ...changes,
  };
}

/** An overview with some members changed. */
export function overview(changes: Partial<Overview> = {}): Overview {
  return {
    version: "0.1.0",
    nowMs: 1_000_000,
    durability: "fdatasync",
    survives: null,
    limits: { memoryBytes: 1, inFlightBytes: 1, segmentBytes: 1, flushAgeMs: 1 },
    status: "ready",
    tables: [],
    others: { tables: 0, ...NO_NUMBERS },
    workers: [worker()],
    forwarder: null,
    silent: [],
    ...changes,
  };
}

/** A table without anything. */
export const NO_NUMBERS = {
  rows: 0,
  bytes: 0,
  rowsInMemory: 0,
  bytesInMemory: 0,
  files: 0,
  rowsOnDisk: 0,
  bytesOnDisk: 0,
};
