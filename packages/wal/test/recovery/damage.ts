/**
 * Damage to the files of a log: single kinds, and a few of them at random.
 *
 * Works on copies: `files` maps names below the log's directory to their bytes.
 */
import type { SeededRandom } from "@walnut/testkit";
import { flipBit } from "../every-bit.ts";

export type LogFiles = ReadonlyMap<string, Uint8Array>;

/** One thing that happened to one file. */
export type DamageStep =
  | { readonly kind: "flip"; readonly name: string; readonly offset: number; readonly bit: number }
  | {
      readonly kind: "overwrite";
      readonly name: string;
      readonly offset: number;
      readonly bytes: Uint8Array;
    }
  | { readonly kind: "truncate"; readonly name: string; readonly lengthBytes: number }
  | { readonly kind: "remove"; readonly name: string };

/** The files after the damage. */
export function damaged(files: LogFiles, steps: readonly DamageStep[]): LogFiles {
  const result = new Map(files);
  for (const step of steps) {
    const bytes = result.get(step.name);
    if (bytes === undefined) continue;
    const after = afterStep(bytes, step);
    if (after === undefined) result.delete(step.name);
    else result.set(step.name, after);
  }
  return result;
}

function afterStep(bytes: Uint8Array, step: DamageStep): Uint8Array | undefined {
  switch (step.kind) {
    case "flip":
      return step.offset < bytes.byteLength ? flipBit(bytes, step.offset, step.bit) : bytes;
    case "overwrite": {
      if (step.offset >= bytes.byteLength) return bytes;
      const result = bytes.slice();
      result.set(step.bytes.subarray(0, bytes.byteLength - step.offset), step.offset);
      return result;
    }
    case "truncate":
      return bytes.slice(0, step.lengthBytes);
    case "remove":
      return undefined;
  }
}

/** One to three things at random, so that at least one segment keeps its header. */
export function randomDamage(files: LogFiles, random: SeededRandom): readonly DamageStep[] {
  const segments = [...files.keys()].filter((name) => name.endsWith(".wal")).sort();
  const spared = random.pick(segments);
  const small = [...files.keys()].filter((name) => !name.endsWith(".wal")).sort();
  return Array.from({ length: random.between(1, 3) }, () => {
    const name =
      random.chance(0.8) || small.length === 0 ? random.pick(segments) : random.pick(small);
    return randomStep(name, files.get(name)?.byteLength ?? 0, random, name === spared ? 64 : 0);
  });
}

function randomStep(
  name: string,
  fileBytes: number,
  random: SeededRandom,
  sparedBytes: number,
): DamageStep {
  const place = (): number => random.between(Math.min(sparedBytes, fileBytes - 1), fileBytes - 1);
  const roll = random.below(10);
  if (roll < 5 || fileBytes <= sparedBytes) {
    return { kind: "flip", name, offset: place(), bit: random.below(8) };
  }
  if (roll < 7) return overwritten(name, place(), random);
  if (roll < 9) return { kind: "truncate", name, lengthBytes: place() };
  const isRemovable = sparedBytes === 0 && name !== "CHECKPOINT";
  return isRemovable ? { kind: "remove", name } : overwritten(name, place(), random);
}

function overwritten(name: string, offset: number, random: SeededRandom): DamageStep {
  const length = random.pick([1, 8, 48, 512, 4096]);
  const bytes = random.chance(0.5) ? new Uint8Array(length) : random.bytes(length);
  return { kind: "overwrite", name, offset, bytes };
}

export function formatStep(step: DamageStep): string {
  switch (step.kind) {
    case "flip":
      return `${step.name}: bit ${step.bit} of byte ${step.offset} flipped`;
    case "overwrite":
      return `${step.name}: ${step.bytes.byteLength} bytes from ${step.offset} overwritten`;
    case "truncate":
      return `${step.name}: cut to ${step.lengthBytes} bytes`;
    case "remove":
      return `${step.name}: removed`;
  }
}
