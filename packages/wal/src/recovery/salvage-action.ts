/**
 * What salvage can do to a log: plain values that the plan lists, a report tells, and `salvage-apply.ts` carries out.
 */

/** LSNs that are gone; `undefined` where nobody can know. */
export interface LostRange {
  readonly firstLsn: number | undefined;
  readonly lastLsn: number | undefined;
}

export type SalvageActionKind =
  /** Gap frames over damaged ones. */
  | "patch-range"
  | "restore-header"
  /** A segment that holds nothing but a gap. */
  | "replace-segment"
  | "remove-segment"
  /** Off with the mark that says that another segment follows. */
  | "remove-seal"
  | "move-checkpoint"
  /** Bytes that are about to be cut as no part of the log: only kept in quarantine. */
  | "keep-bytes";

/** One thing that salvage does, with all that a report needs. */
export interface SalvageAction {
  readonly kind: SalvageActionKind;
  readonly path: string;
  /** Bytes that go to quarantine before anything is written over them; `undefined` when there are none. */
  readonly damaged: { readonly fromOffset: number; readonly endOffset: number } | undefined;
  readonly lost: LostRange;
  readonly reason: string;
  /** Makes what is written from `offset` on, piece by piece. A whole new file for "replace-segment". */
  readonly pieces: () => Iterable<Uint8Array>;
  readonly offset: number;
}

export interface SalvagePlan {
  readonly actions: readonly SalvageAction[];
  /** The last segment says that it has a successor, and there is none: what it held is unknown. */
  readonly isTailMissing: boolean;
  /** Where the log begins once the actions are done; differs from the checkpoint when that had to move. */
  readonly first: { readonly segmentId: number; readonly firstLsn: number } | undefined;
}

/** Nothing, or nobody knows what. */
export const NOTHING_LOST: LostRange = { firstLsn: undefined, lastLsn: undefined };
/** Fields of an action that writes no bytes. */
export const NOTHING_WRITTEN: Pick<SalvageAction, "lost" | "pieces" | "offset"> = {
  lost: NOTHING_LOST,
  pieces: () => [],
  offset: 0,
};
/** All of a checkpoint, whatever its length has become. */
export const WHOLE_SMALL_FILE: { readonly fromOffset: number; readonly endOffset: number } = {
  fromOffset: 0,
  endOffset: 64 * 1024,
};
