/**
 * Mistakes that could be in the engine, each as a textual change to its sources. A test that cannot fail proves nothing:
 * the crash explorer, or the tests of damage, must catch every one.
 *
 * `mutant-runner.ts` applies them to a copy. Every text must be there exactly once, so that a mutant cannot rot away
 * unnoticed.
 */

/** One replacement in one file of `packages/wal/src`. */
export interface SourceEdit {
  readonly file: string;
  readonly find: string;
  readonly replace: string;
}

/** One way for the engine to be wrong. */
export interface SourceMutant {
  readonly name: string;
  /** What it stands for. */
  readonly about: string;
  readonly edits: readonly SourceEdit[];
  /** Workloads that must catch it, or "damage": the tests in `test/regressions` must. */
  readonly caughtBy: readonly string[] | "damage";
}

const GROUP_COMMIT = "commit/group-commit.ts";
const SEGMENTED_LOG = "log/segmented-log.ts";
const NEXT_SEGMENT = "log/next-segment.ts";
const SEGMENT_WRITER = "segment/segment-writer.ts";

/** All mutants of the sources. The table in docs/testing.md lists the same names. */
export const SOURCE_MUTANTS: readonly SourceMutant[] = [
  {
    name: "resolves-before-sink",
    about: "appends are answered when their write begins",
    caughtBy: ["appends", "levels"],
    edits: [
      {
        file: GROUP_COMMIT,
        find: "      await this.#options.sink(group, durable);",
        replace:
          "      for (const buffer of group) { buffer.writtenWaiters.resolveAll(); buffer.durableWaiters.resolveAll(); }\n" +
          "      await this.#options.sink(group, durable);",
      },
    ],
  },
  {
    name: "forgets-poison",
    about: "after a failed sync the log goes on",
    caughtBy: ["failed-sync"],
    edits: [{ file: GROUP_COMMIT, find: "    this.#failure = later;\n", replace: "" }],
  },
  {
    name: "retries-failed-sync",
    about: "a failed fdatasync is called again, and believed",
    caughtBy: ["failed-sync"],
    edits: [
      {
        file: SEGMENT_WRITER,
        find: 'await (kind === "data" ? this.#file.syncData() : this.#file.syncAll());',
        replace: "await this.#file.syncAll().catch(() => this.#file.syncAll());",
      },
    ],
  },
  {
    name: "forgets-batch-flag",
    about: "frames of a batch do not say that it goes on",
    caughtBy: ["batches"],
    edits: [
      {
        file: "commit/commit-buffer.ts",
        find: "frame.continues = true",
        replace: "frame.continues = false",
      },
    ],
  },
  {
    name: "keeps-torn-batch",
    about: "recovery ends the log inside a batch",
    caughtBy: ["batches"],
    edits: [
      {
        file: "recovery/gather.ts",
        find: "if ((frame.header.flags & FRAME_FLAG_BATCH_CONTINUES) === 0) {",
        replace: "if (FRAME_FLAG_BATCH_CONTINUES > 0) {",
      },
    ],
  },
  {
    name: "rotates-without-sync",
    about: "a segment is followed by another before it is on the device",
    caughtBy: ["rotation", "writers"],
    edits: [
      {
        file: SEGMENT_WRITER,
        find: "    await this.#file.truncate(this.#written.offset);\n    await this.#file.syncAll();\n",
        replace: "    await this.#file.truncate(this.#written.offset);\n",
      },
    ],
  },
  {
    name: "new-segment-unsynced",
    about: "a segment gets its name before its header is on the device",
    caughtBy: ["appends", "reopen"],
    edits: [
      {
        file: NEXT_SEGMENT,
        find: "    await file.syncAll();\n    return end;",
        replace: "    return end;",
      },
    ],
  },
  {
    name: "new-segment-name-unsynced",
    about: "records go into a segment whose name is not on the device",
    caughtBy: ["appends", "reopen"],
    edits: [
      {
        file: NEXT_SEGMENT,
        find: "  await storage.syncDirectory(directory);\n  return {",
        replace: "  return {",
      },
    ],
  },
  {
    name: "vouches-for-unsynced",
    about: "frames call durable what is only written",
    caughtBy: ["levels", "writers"],
    edits: [
      {
        file: SEGMENT_WRITER,
        find: "      durableOffset: this.#durable.offset,\n      timeMs,\n    };",
        replace: "      durableOffset: this.#written.offset,\n      timeMs,\n    };",
      },
    ],
  },
  {
    name: "durable-when-written",
    about: "the durable position runs ahead of the device",
    caughtBy: ["levels", "readers"],
    edits: [
      {
        file: SEGMENT_WRITER,
        find: "    if (durable) this.#durable = this.#written;",
        replace: "    if (durable || lengthBytes > 0) this.#durable = this.#written;",
      },
    ],
  },
  {
    name: "zeros-over-data",
    about: "zeros ahead of the end reach into the group that is being written",
    caughtBy: ["appends", "uniform"],
    edits: [
      {
        file: "segment/prewriter.ts",
        find: "Math.max(this.#endOffset, groupEnd)",
        replace: "Math.min(this.#endOffset, groupStart)",
      },
    ],
  },
  {
    name: "trusts-page-cache",
    about: "recovery serves what it can read without writing it again",
    caughtBy: ["failed-sync", "appends"],
    edits: [
      {
        file: "recovery/recover.ts",
        find: "const isDoubtful = scan.end.nextLsn > scan.vouched.nextLsn;",
        replace: "const isDoubtful = scan.end.nextLsn < 0;",
      },
      {
        file: "recovery/recover.ts",
        find: "closedAt(info, scan.vouched)",
        replace: "closedAt(info, scan.end)",
      },
    ],
  },
  {
    name: "trusts-names",
    about: "recovery does not sync the directory whose names it believes",
    caughtBy: ["appends", "reopen", "rotation"],
    edits: [
      {
        file: SEGMENTED_LOG,
        find: "    await storage.syncDirectory(directory);\n",
        replace: "",
      },
    ],
  },
  {
    name: "trusts-cursor-names",
    about: "recovery believes a cursor whose name is not on the device",
    caughtBy: ["cursors"],
    edits: [
      {
        file: "log/cursors.ts",
        find: "    await this.#storage.syncDirectory(this.#directory);\n    this.#hasDirectory = true;",
        replace: "    this.#hasDirectory = true;",
      },
    ],
  },
  {
    name: "clamps-cursors-too-far",
    about: "cursors are moved back behind records that recovery is about to keep",
    caughtBy: ["cursors"],
    edits: [
      {
        file: "recover-log.ts",
        find: "await cursors.clampOnOpen(log.nextLsn - 1);",
        replace: "await cursors.clampOnOpen((plan.doubtful?.from.nextLsn ?? log.nextLsn) - 1);",
      },
    ],
  },
  {
    name: "never-clamps-cursors",
    about: "a cursor stays ahead of a log that has lost its end, and skips what is appended next",
    caughtBy: ["truncate-front", "cursors"],
    edits: [
      {
        file: "recover-log.ts",
        find: "await cursors.clampOnOpen(log.nextLsn - 1);",
        replace: "await Promise.resolve();",
      },
    ],
  },
  {
    name: "releases-without-checkpoint",
    about: "segments are removed that the log still begins with",
    caughtBy: ["cursors"],
    edits: [
      {
        file: "log/log-front.ts",
        find: "    await this.#writeCheckpoint(next, next.firstLsn);\n",
        replace: "",
      },
    ],
  },
  {
    name: "releases-too-much",
    about: "a segment goes when a cursor has reached it instead of passed it",
    caughtBy: ["cursors"],
    edits: [
      {
        file: "log/log-state.ts",
        find: "if (segment.lastLsn > lsn || isLastOfAll) break;",
        replace: "if (segment.firstLsn > lsn || isLastOfAll) break;",
      },
    ],
  },
  {
    name: "replaces-without-directory-sync",
    about: "a small file is replaced, and its name is not made durable",
    caughtBy: ["cursors"],
    edits: [
      {
        file: "storage/replace-file.ts",
        find: "  await storage.syncDirectory(directory);\n",
        replace: "",
      },
    ],
  },
  {
    name: "truncates-without-cursors",
    about: "cursors stay behind the end of a log that was cut",
    caughtBy: ["truncate-back"],
    edits: [
      {
        file: "wal.ts",
        find: "orNoSpace(() => cursors.clampTo(lastLsn))",
        replace: "Promise.resolve()",
      },
    ],
  },
  {
    name: "truncates-in-memory",
    about: "a cut at the back is answered before a header says so",
    caughtBy: ["truncate-back"],
    edits: [
      {
        file: SEGMENTED_LOG,
        find: "      await this.#startSegment(cut.head === undefined ? undefined : carryHead(cut.head, encryptor));",
        replace: "      void encryptor; void carryHead;",
      },
    ],
  },
  {
    name: "truncates-front-unsynced",
    about: "the log begins behind its durable end",
    caughtBy: ["truncate-front"],
    edits: [
      {
        file: SEGMENTED_LOG,
        find: "    await this.sync();\n    await orNoSpace(() => this.#front.dropBefore",
        replace: "    await orNoSpace(() => this.#front.dropBefore",
      },
    ],
  },
  {
    name: "interval-waits-for-idle",
    about: "the timer of the interval begins anew with each append",
    caughtBy: ["interval"],
    edits: [
      {
        file: "commit/maintenance.ts",
        find: "    this.#syncTimer ??= this.#arm(",
        replace: "    this.#syncTimer?.cancel();\n    this.#syncTimer = this.#arm(",
      },
    ],
  },
  {
    name: "ignores-vouching",
    about: "damage to what was durable is cut like a torn tail",
    caughtBy: "damage",
    edits: [
      {
        file: "segment/lone-frame.ts",
        find: "({ header }) => header.durableOffset > fromOffset,",
        replace: "({ header }) => header.durableOffset < 0,",
      },
    ],
  },
  {
    name: "ignores-chain",
    about: "a frame is accepted whatever stands before it",
    caughtBy: "damage",
    edits: [
      {
        file: "segment/frame-scanner.ts",
        find: "      header.chain === this.#chain &&\n",
        replace: "",
      },
    ],
  },
  {
    name: "ignores-seals",
    about: "a log whose newest segment is missing opens without it",
    caughtBy: "damage",
    edits: [
      {
        file: "recovery/gather.ts",
        find: 'return kind === FRAME_KIND.seal ? "seal" : "none";',
        replace: 'return "none";',
      },
    ],
  },
];
