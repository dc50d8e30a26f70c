/**
 * The segments of a log as they stand now: listing, headers (restored where a copy can be found), chain.
 */
import type { SegmentHeader } from "../format/segment-header.ts";
import type { SegmentFileFacts } from "../recovery/chain-verdict.ts";
import { isErrno } from "../storage/system-error.ts";
import type { Storage } from "../storage/storage.ts";
import { findHeaderCopy } from "../segment/header-copy.ts";
import { listLog, type LogListing } from "./log-listing.ts";
import { followChain, type ChainFile, type SegmentChain } from "./segment-chain.ts";

export interface LogChain extends SegmentChain {
  readonly listing: LogListing;
}

/** Lists the log and follows its chain. Throws what {@link listLog} throws. */
export async function readChain(storage: Storage, directory: string): Promise<LogChain> {
  for (;;) {
    const listing = await listLog(storage, directory);
    const files = await chainFiles(storage, listing.files);
    if (files === undefined) continue;
    const checkpoint = listing.isCheckpointDamaged ? "damaged" : listing.checkpoint;
    return { listing, ...followChain(directory, files, checkpoint) };
  }
}

/** `undefined` when a file has gone meanwhile. */
async function chainFiles(
  storage: Storage,
  facts: readonly SegmentFileFacts[],
): Promise<readonly ChainFile[] | undefined> {
  const files: ChainFile[] = [];
  for (const { segmentId, path, fileBytes, header } of facts) {
    const problem = headerProblem(segmentId, header);
    let usable: SegmentHeader | undefined;
    try {
      usable =
        problem === undefined && header.kind === "valid"
          ? header.header
          : await copyOfHeader(storage, path, segmentId);
    } catch (error) {
      if (isErrno(error, "ENOENT")) return undefined;
      throw error;
    }
    files.push({ segmentId, path, fileBytes, header: usable, headerProblem: problem });
  }
  return files;
}

function headerProblem(segmentId: number, header: SegmentFileFacts["header"]): string | undefined {
  switch (header.kind) {
    case "invalid":
      return `the segment header is damaged (${header.reason})`;
    case "unsupported-version":
      return `the segment header has format version ${header.version}`;
    case "valid":
      return header.header.segmentId === segmentId
        ? undefined
        : `the file holds segment ${header.header.segmentId}: it was renamed or swapped`;
  }
}

async function copyOfHeader(
  storage: Storage,
  path: string,
  segmentId: number,
): Promise<SegmentHeader | undefined> {
  const file = await storage.openFile(path, "read");
  try {
    return await findHeaderCopy(file, segmentId);
  } finally {
    await file.close();
  }
}
