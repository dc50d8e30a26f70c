/** Names of the files of etcd's WAL: sequence number, and index of the first entry that the file may hold. Pure. */

const NAME = /^([0-9a-f]{16})-([0-9a-f]{16})\.wal$/;

export interface SegmentName {
  /** From 0, one more for each file. */
  readonly sequence: number;
  readonly firstIndex: number;
}

export function segmentName({ sequence, firstIndex }: SegmentName): string {
  return `${hex16(sequence)}-${hex16(firstIndex)}.wal`;
}

/** `undefined` for files that are no segments. */
export function parseSegmentName(name: string): SegmentName | undefined {
  const match = NAME.exec(name);
  if (match === null) return undefined;
  const [sequence = 0, firstIndex = 0] = match.slice(1).map((part) => Number.parseInt(part, 16));
  if (!Number.isSafeInteger(sequence) || !Number.isSafeInteger(firstIndex)) return undefined;
  return { sequence, firstIndex };
}

/** A number as etcd puts it into file names. */
export function hex16(value: number): string {
  return value.toString(16).padStart(16, "0");
}
