/**
 * Walks the frames of a whole log, segment by segment, while somebody else may be appending, rotating, releasing and truncating.
 *
 * At the end it says so and can be asked again: what was written meanwhile comes next, in new segments too.
 */
import type { SegmentHeader } from "../format/segment-header.ts";
import type { ScannedFrame } from "../segment/frame-scanner.ts";
import { segmentInfo } from "../segment/segment-info.ts";
import { isErrno } from "../storage/system-error.ts";
import type { Storage, StorageFile } from "../storage/storage.ts";
import type { Damage } from "./damage.ts";
import { readChain, type LogChain } from "./log-chain.ts";
import { headerDamage, holeDamage, type ChainedSegment } from "./segment-chain.ts";
import { SegmentWalker, type WalkEnd } from "./segment-walker.ts";

export type LogStep =
  /** A segment begins. */
  | { readonly kind: "segment"; readonly segment: ChainedSegment }
  | { readonly kind: "frame"; readonly frame: ScannedFrame; readonly segment: ChainedSegment }
  | { readonly kind: "damage"; readonly damage: Damage }
  /** The segment before, with all of its frames, has been walked to its end. */
  | { readonly kind: "segment-end"; readonly segment: ChainedSegment; readonly end: WalkEnd }
  /** The log was cut behind this LSN while we were reading; what follows begins there. */
  | { readonly kind: "cut"; readonly lastLsn: number }
  /** These records were released before we got to them. */
  | { readonly kind: "missed"; readonly firstLsn: number; readonly lastLsn: number }
  /** Nothing more for now. `end` is that of the last segment; none when there is no segment. */
  | { readonly kind: "end"; readonly end: WalkEnd | undefined };

export interface LogWalkerOptions {
  readonly storage: Storage;
  readonly directory: string;
  /** Skip segments whose records are all before this LSN. */
  readonly fromLsn?: number | undefined;
  /** Skip segments that were complete before this time, by the writer's clock. */
  readonly fromMs?: number | undefined;
  readonly keepsChunks: boolean;
}

interface Open {
  readonly segment: ChainedSegment;
  readonly file: StorageFile;
  readonly walker: SegmentWalker;
}

export class LogWalker {
  readonly #options: LogWalkerOptions;
  #chain: LogChain | undefined;
  /** Links of the chain that are still to be walked. */
  #queue: LogChain["links"][number][] = [];
  readonly #pending: LogStep[] = [];
  #open: Open | undefined;
  #lastSegmentId = 0;
  #nextLsn: number | undefined;

  constructor(options: LogWalkerOptions) {
    this.#options = options;
  }

  /** The chain as last listed. */
  get chain(): LogChain | undefined {
    return this.#chain;
  }

  async next(): Promise<LogStep> {
    for (;;) {
      const step = this.#pending.shift();
      if (step !== undefined) return step;
      if (this.#chain === undefined) await this.#begin();
      const open = this.#open;
      if (open === undefined) {
        if ((await this.#openNext()) || (await this.#relist())) continue;
        return { kind: "end", end: undefined };
      }
      const walked = await open.walker.next();
      if (walked.kind === "damage") return walked;
      if (walked.kind === "frame") {
        return { kind: "frame", frame: walked.frame, segment: open.segment };
      }
      this.#nextLsn = walked.end.position.nextLsn;
      const isFinal = open.segment.successor !== undefined || !open.segment.isLast;
      if (isFinal) {
        await this.close();
        return { kind: "segment-end", segment: open.segment, end: walked.end };
      }
      if (!(await this.#relist())) return { kind: "end", end: walked.end };
    }
  }

  /** True when the batch that begins with this frame is complete; only the last segment can hold one that is not. */
  async isBatchComplete(frame: ScannedFrame): Promise<boolean> {
    if (this.#open === undefined) return true;
    const { offset, header } = frame;
    const start = { offset, nextLsn: header.firstLsn, chain: header.chain };
    return await this.#open.walker.isBatchComplete(start);
  }

  /** Looks for a successor of the last segment, and goes on in it if there is one. True when there is. */
  async lookForSuccessor(): Promise<boolean> {
    return await this.#relist();
  }

  /** The segment that is being walked. */
  get openSegmentId(): number | undefined {
    return this.#open?.segment.segmentId;
  }

  /** Closes the file that is open, if any. */
  async close(): Promise<void> {
    const open = this.#open;
    this.#open = undefined;
    await open?.file.close();
  }

  async #begin(): Promise<void> {
    const chain = await this.#readChain();
    this.#queue = chain.links.slice(firstLink(chain, this.#options));
  }

  async #readChain(): Promise<LogChain> {
    const { storage, directory } = this.#options;
    this.#chain = await readChain(storage, directory);
    return this.#chain;
  }

  /** Takes up the next link. False when there is none. */
  async #openNext(): Promise<boolean> {
    const link = this.#queue.shift();
    if (link === undefined) return false;
    if (link.kind === "hole") {
      this.#lastSegmentId = link.hole.segmentId;
      const firstLsn = this.#nextLsn ?? this.#chain?.listing.checkpoint?.firstLsn;
      this.#pending.push({ kind: "damage", damage: holeDamage(link.hole, firstLsn) });
      this.#nextLsn = link.hole.successor?.firstLsn;
      return true;
    }
    const { segment } = link;
    const { storage, keepsChunks } = this.#options;
    let file: StorageFile;
    try {
      file = await storage.openFile(segment.path, "read");
    } catch (error) {
      if (!isErrno(error, "ENOENT")) throw error;
      // Released or dropped since it was listed.
      await this.#relistFrom(segment.segmentId);
      return true;
    }
    const info = segmentInfo(segment.path, segment.header);
    const { successor } = segment;
    const walker = new SegmentWalker({ file, info, successor, keepsChunks });
    this.#open = { segment, file, walker };
    this.#lastSegmentId = segment.segmentId;
    const { firstLsn } = segment.header;
    if (this.#nextLsn !== undefined && firstLsn > this.#nextLsn) {
      this.#pending.push({ kind: "missed", firstLsn: this.#nextLsn, lastLsn: firstLsn - 1 });
    }
    this.#nextLsn = firstLsn;
    this.#pending.push({ kind: "segment", segment });
    const damage = headerDamage(segment);
    if (damage !== undefined) this.#pending.push({ kind: "damage", damage });
    return true;
  }

  async #relistFrom(segmentId: number): Promise<void> {
    const chain = await this.#readChain();
    this.#queue = chain.links.filter((link) => idOf(link) >= segmentId);
  }

  /** Looks for segments behind the last one. True when there are some. */
  async #relist(): Promise<boolean> {
    const chain = await this.#readChain();
    const lastId = this.#lastSegmentId;
    this.#queue = chain.links.filter((link) => idOf(link) > lastId);
    const open = this.#open;
    if (this.#queue.length === 0) return false;
    if (open === undefined) return true;
    const link = chain.links.find((candidate) => idOf(candidate) === lastId);
    const successor = link?.kind === "segment" ? link.segment.successor : undefined;
    await this.#continueBehind(open, successor);
    return true;
  }

  /** The segment that was the last one has a successor now: it is walked to where that says. */
  async #continueBehind(open: Open, successor: SegmentHeader | undefined): Promise<void> {
    const { position } = open.walker;
    if (successor !== undefined && successor.previousEndOffset >= position.offset) {
      open.walker.setSuccessor(successor);
      this.#open = { ...open, segment: { ...open.segment, successor, isLast: false } };
      return;
    }
    // Cut before the place that we have reached, or dropped as a whole.
    const first = this.#queue[0];
    const nextLsn = first?.kind === "segment" ? first.segment.header.firstLsn : undefined;
    if (nextLsn !== undefined && nextLsn < position.nextLsn) {
      this.#pending.push({ kind: "cut", lastLsn: nextLsn - 1 });
    }
    await this.close();
  }
}

function idOf(link: LogChain["links"][number]): number {
  return link.kind === "segment" ? link.segment.segmentId : link.hole.segmentId;
}

/** The last link that begins at or before what is asked for; holes before it do not matter. */
function firstLink(chain: LogChain, options: LogWalkerOptions): number {
  const { fromLsn = 0, fromMs = 0 } = options;
  if (fromLsn === 0 && fromMs === 0) return 0;
  let first = 0;
  for (const [index, link] of chain.links.entries()) {
    if (link.kind === "hole") continue;
    const { firstLsn, createdAtMs } = link.segment.header;
    if (firstLsn > Math.max(fromLsn, 1) && fromLsn > 0) break;
    if (createdAtMs > fromMs && fromMs > 0) break;
    first = index;
  }
  return first;
}
