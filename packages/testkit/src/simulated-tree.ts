/**
 * The names of a simulated disk: which directory entry leads to which file, now and on the device.
 *
 * A creation, rename or removal shows at once and is *pending* until the directory is synced. A power loss
 * keeps any subset of the pending changes; each is atomic (a rename happened or did not: its target is the
 * old file or the new one, never missing). A rename between directories stays open until both are synced.
 * Directories themselves are durable as soon as they are there, as `Storage.ensureDirectory` promises.
 * Knows nothing of file contents.
 */

import type { CrashChooser } from "./crash-choice.ts";
import type { SimulatedFile } from "./simulated-file.ts";
import { StorageError, type StorageCall } from "./storage-call.ts";

interface EntryChange {
  readonly sequence: number;
  /** The name that goes, for a rename or removal. */
  readonly from: string | undefined;
  /** The name that comes, for a creation or rename. */
  readonly to: string | undefined;
  readonly file: SimulatedFile;
  /** Directories that still have to be synced. */
  readonly unsynced: Set<string>;
}

/** Directories and names; files are looked up by normalised path. */
export class SimulatedTree {
  #directories = new Set<string>(["/", "."]);
  #current = new Map<string, SimulatedFile>();
  #durable = new Map<string, SimulatedFile>();
  #changes: EntryChange[] = [];

  /** Makes a directory and its missing parents; returns how many were missing. */
  ensureDirectory(
    path: string,
    call: StorageCall,
    limit: number = Number.POSITIVE_INFINITY,
  ): number {
    const missing: string[] = [];
    for (let at = path; !this.#directories.has(at); at = parentOf(at)) {
      if (this.#current.has(at)) throw new StorageError("EEXIST", call);
      missing.unshift(at);
    }
    for (const directory of missing.slice(0, limit)) this.#directories.add(directory);
    return missing.length;
  }

  /** Names in a directory, files and directories alike. */
  list(path: string, call: StorageCall): string[] {
    this.#assertDirectory(path, call);
    const names: string[] = [];
    for (const file of this.#current.keys()) if (parentOf(file) === path) names.push(nameOf(file));
    for (const directory of this.#directories) {
      if (directory !== path && parentOf(directory) === path) names.push(nameOf(directory));
    }
    return names;
  }

  /** The file behind a name. */
  find(path: string, call: StorageCall): SimulatedFile {
    const file = this.#current.get(path);
    if (file !== undefined) return file;
    throw new StorageError(this.#directories.has(path) ? "EISDIR" : "ENOENT", call);
  }

  /** Adds a name for a new file. */
  create(path: string, file: SimulatedFile, sequence: number, call: StorageCall): void {
    this.assertCanCreate(path, call);
    this.#current.set(path, file);
    this.#changes.push(this.#change({ sequence, from: undefined, to: path, file }));
  }

  /** Throws what creating this file would throw. */
  assertCanCreate(path: string, call: StorageCall): void {
    this.#assertDirectory(parentOf(path), call);
    if (this.#current.has(path) || this.#directories.has(path))
      throw new StorageError("EEXIST", call);
  }

  /** Moves a name in one step, over an existing one if need be. */
  rename(from: string, to: string, sequence: number, call: StorageCall): void {
    const file = this.find(from, call);
    this.#assertDirectory(parentOf(to), call);
    if (this.#directories.has(to)) throw new StorageError("EISDIR", call);
    if (from === to) return;
    this.#current.delete(from);
    this.#current.set(to, file);
    this.#changes.push(this.#change({ sequence, from, to, file }));
  }

  /** Takes a name away. The file lives on while a handle has it. */
  remove(path: string, sequence: number, call: StorageCall): void {
    const file = this.find(path, call);
    this.#current.delete(path);
    this.#changes.push(this.#change({ sequence, from: path, to: undefined, file }));
  }

  /** Makes changes up to `sequence` in this directory durable. */
  settle(path: string, sequence: number, call: StorageCall): void {
    this.#assertDirectory(path, call);
    for (const change of this.#changes) {
      if (change.sequence <= sequence) change.unsynced.delete(path);
    }
    const settled = new Set<EntryChange>();
    for (let index = this.#changes.length - 1; index >= 0; index -= 1) {
      const change = this.#changes[index];
      if (change === undefined) continue;
      // An older change of the same name that still waits for its other directory cannot take effect after
      // a newer one that is on the device, so it is settled with it.
      const isOvertaken = [...settled].some((newer) => sharesName(change, newer));
      if (isOvertaken || (change.unsynced.size === 0 && change.sequence <= sequence)) {
        settled.add(change);
      }
    }
    for (const change of this.#changes) if (settled.has(change)) apply(change, this.#durable);
    this.#changes = this.#changes.filter((change) => !settled.has(change));
  }

  /** How many combinations of pending changes there are. */
  crashStateCount(): number {
    return 2 ** this.#changes.length;
  }

  /** Adds the sequence numbers of what is open to `range`. */
  extendRange(range: { first: number; last: number }): void {
    for (const change of this.#changes) {
      range.first = Math.min(range.first, change.sequence);
      range.last = Math.max(range.last, change.sequence);
    }
    for (const file of this.files()) file.extendRange(range);
  }

  /** Every file that has, or may have after a crash, a name. */
  files(): Set<SimulatedFile> {
    const files = new Set<SimulatedFile>([...this.#current.values(), ...this.#durable.values()]);
    for (const change of this.#changes) files.add(change.file);
    return files;
  }

  /** The names and files as a power loss leaves them. */
  afterPowerLoss(chooser: CrashChooser): SimulatedTree {
    const names = new Map(this.#durable);
    for (const change of this.#changes) {
      const path = change.to ?? change.from ?? "";
      if (chooser.choose({ kind: "entry", path, sequences: [change.sequence] }) === 1) {
        apply(change, names);
      }
    }
    const image = new SimulatedTree();
    image.#directories = new Set(this.#directories);
    const survivors = new Map<SimulatedFile, SimulatedFile>();
    for (const [path, file] of names) {
      const survivor = survivors.get(file) ?? file.afterPowerLoss(chooser, path);
      survivors.set(file, survivor);
      image.#current.set(path, survivor);
      image.#durable.set(path, survivor);
    }
    return image;
  }

  /** A copy with the same open questions, and the way from each old file to its copy. */
  clone(): { readonly tree: SimulatedTree; readonly copies: Map<SimulatedFile, SimulatedFile> } {
    const copies = new Map<SimulatedFile, SimulatedFile>();
    const copyOf = (file: SimulatedFile): SimulatedFile => {
      const copy = copies.get(file) ?? file.clone();
      copies.set(file, copy);
      return copy;
    };
    const tree = new SimulatedTree();
    tree.#directories = new Set(this.#directories);
    for (const [path, file] of this.#current) tree.#current.set(path, copyOf(file));
    for (const [path, file] of this.#durable) tree.#durable.set(path, copyOf(file));
    tree.#changes = this.#changes.map((change) => ({
      ...change,
      file: copyOf(change.file),
      unsynced: new Set(change.unsynced),
    }));
    return { tree, copies };
  }

  /** Current names and files, sorted by name. */
  entries(): [string, SimulatedFile][] {
    return [...this.#current].toSorted(([left], [right]) => (left < right ? -1 : 1));
  }

  /** True when this directory exists. */
  hasDirectory(path: string): boolean {
    return this.#directories.has(path);
  }

  #assertDirectory(path: string, call: StorageCall): void {
    if (this.#directories.has(path)) return;
    throw new StorageError(this.#current.has(path) ? "ENOTDIR" : "ENOENT", call);
  }

  #change(change: Omit<EntryChange, "unsynced">): EntryChange {
    const unsynced = new Set<string>();
    if (change.from !== undefined) unsynced.add(parentOf(change.from));
    if (change.to !== undefined) unsynced.add(parentOf(change.to));
    return { ...change, unsynced };
  }
}

const MAX_KNOWN_PATHS = 4_096;
const knownPaths = new Map<string, string>();

/** One spelling for each path: no doubled or trailing slashes. */
export function normalizePath(path: string): string {
  const known = knownPaths.get(path);
  if (known !== undefined) return known;
  const normalized = spell(path);
  // The same few names come again in every simulated life.
  if (knownPaths.size >= MAX_KNOWN_PATHS) knownPaths.clear();
  knownPaths.set(path, normalized);
  return normalized;
}

function spell(path: string): string {
  const isAbsolute = path.startsWith("/");
  const parts = path.split("/").filter((part) => part !== "" && part !== ".");
  if (parts.includes("..")) throw new RangeError(`no ".." on the simulated disk: ${path}`);
  const joined = parts.join("/");
  if (isAbsolute) return `/${joined}`;
  return joined === "" ? "." : joined;
}

function parentOf(path: string): string {
  const slash = path.lastIndexOf("/");
  if (slash > 0) return path.slice(0, slash);
  return slash === 0 ? "/" : ".";
}

function nameOf(path: string): string {
  return path.slice(path.lastIndexOf("/") + 1);
}

function sharesName(left: EntryChange, right: EntryChange): boolean {
  const names = [right.from, right.to].filter((name) => name !== undefined);
  return names.some((name) => name === left.from || name === left.to);
}

function apply(change: EntryChange, names: Map<string, SimulatedFile>): void {
  if (change.from !== undefined) names.delete(change.from);
  if (change.to !== undefined) names.set(change.to, change.file);
}
