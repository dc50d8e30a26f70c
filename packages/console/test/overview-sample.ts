/** An overview to change: a server with one worker that is ready and has nothing in it. */
import type {
  ForwardedCategory,
  ForwarderStatus,
  Overview,
  StoreOverview,
  WorkerOverview,
} from "../src/overview.ts";

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

/** A store with nothing in it, but for some members. */
export function store(changes: Partial<StoreOverview> = {}): StoreOverview {
  return {
    tables: 0,
    rowsInMemory: 0,
    bytesInMemory: 0,
    oldestUnflushedAgeMs: 0,
    files: 0,
    rowsOnDisk: 0,
    bytesOnDisk: 0,
    flushes: {
      flushes: 0,
      flushedRows: 0,
      flushedFiles: 0,
      flushedBytes: 0,
      failures: 0,
      lastError: null,
    },
    uploads: null,
    ...changes,
  };
}

/** A category of a forwarder without anything, but for some members. */
export function category(changes: Partial<ForwardedCategory> = {}): ForwardedCategory {
  return {
    name: "logging",
    state: "idle",
    depth: 0,
    depthBytes: 0,
    oldestAgeMs: 0,
    putItems: 0,
    putItemsPerSecond: 0,
    shippedItems: 0,
    shippedItemsPerSecond: 0,
    requests: 0,
    retries: 0,
    refusedItems: 0,
    droppedItems: 0,
    deadLetters: 0,
    lastFailure: null,
    ...changes,
  };
}

/** A forwarder with these categories. */
export function forwarder(categories: readonly ForwardedCategory[]): ForwarderStatus {
  return {
    to: "http://up",
    state: "running",
    directory: "/spool",
    survives: "a power loss",
    warnings: [],
    depth: 0,
    deadLetters: categories.reduce((sum, { deadLetters }) => sum + deadLetters, 0),
    sizeBytes: 0,
    maxTotalBytes: 1,
    categories,
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
