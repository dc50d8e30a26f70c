/**
 * What every implementation of `Storage` must do, as a suite: the real disk, the simulated one, and every
 * wrapper run it. What survives a power loss cannot be seen from here; that is tested on the simulated disk.
 */

import assert from "node:assert/strict";
import { after, before, suite, test } from "node:test";

import type { DirectoryLock, Storage, StorageFile } from "@walnut/wal";

/** How a storage comes to be for a test. */
export interface StorageContractOptions {
  /** Makes a storage and an existing, empty directory in it. */
  open(): Promise<{ readonly storage: Storage; readonly directory: string }>;
  /** Cleans up what `open` made. */
  close?(): Promise<void>;
  /** Titles of tests that are known to fail here; they run, and are reported as to be done. */
  readonly openDefects?: readonly string[];
}

/** Runs the contract. @param name - the implementation's name, for the suite's title */
export function storageContract(name: string, options: StorageContractOptions): void {
  suite(`Storage contract: ${name}`, () => {
    let storage: Storage;
    let root = "";
    let count = 0;
    before(async () => {
      const opened = await options.open();
      storage = opened.storage;
      root = opened.directory;
    });
    after(async () => {
      await options.close?.();
    });
    /** A fresh directory for each test. */
    const directory = async (): Promise<string> => {
      count += 1;
      const path = `${root}/t${count}`;
      await storage.ensureDirectory(path);
      return path;
    };
    const contract: Contract = {
      context: () => ({ storage, directory }),
      check: (title, run) => {
        test(title, { todo: options.openDefects?.includes(title) ?? false }, run);
      },
    };
    directoryTests(contract);
    fileTests(contract);
    lockTests(contract);
    volumeTests(contract);
  });
}

interface ContractContext {
  readonly storage: Storage;
  readonly directory: () => Promise<string>;
}

interface Contract {
  readonly context: () => ContractContext;
  readonly check: (title: string, run: () => Promise<void>) => void;
}

function directoryTests({ context, check }: Contract): void {
  check("makes a directory with its parents, again and again", async () => {
    const { storage, directory } = context();
    const path = await directory();
    await storage.ensureDirectory(`${path}/a/b/c`);
    await storage.ensureDirectory(`${path}/a/b/c`);
    assert.deepEqual(await storage.listDirectory(`${path}/a/b`), ["c"]);
    await storage.syncDirectory(`${path}/a/b`);
  });

  check("makes one directory for two callers at once", async () => {
    const { storage, directory } = context();
    const path = await directory();
    await Promise.all([
      storage.ensureDirectory(`${path}/x/y`),
      storage.ensureDirectory(`${path}/x/y`),
    ]);
    assert.deepEqual(await storage.listDirectory(`${path}/x`), ["y"]);
  });

  check("refuses a directory where a file is", async () => {
    const { storage, directory } = context();
    const path = await directory();
    await (await storage.createFile(`${path}/f`)).close();
    await assert.rejects(storage.ensureDirectory(`${path}/f`), hasCode("EEXIST", "ENOTDIR"));
    await assert.rejects(storage.ensureDirectory(`${path}/f/d`), hasCode("EEXIST", "ENOTDIR"));
  });

  check("lists names of files and directories", async () => {
    const { storage, directory } = context();
    const path = await directory();
    await (await storage.createFile(`${path}/b`)).close();
    await (await storage.createFile(`${path}/a`)).close();
    await storage.ensureDirectory(`${path}/c`);
    const names = await storage.listDirectory(path);
    assert.deepEqual(names.toSorted(), ["a", "b", "c"]);
  });

  check("says ENOENT for directories and files that are not there", async () => {
    const { storage, directory } = context();
    const path = await directory();
    await assert.rejects(storage.listDirectory(`${path}/none`), hasCode("ENOENT"));
    await assert.rejects(storage.syncDirectory(`${path}/none`), hasCode("ENOENT"));
    await assert.rejects(storage.openFile(`${path}/none`, "read"), hasCode("ENOENT"));
    await assert.rejects(storage.openFile(`${path}/none`, "write"), hasCode("ENOENT"));
    await assert.rejects(storage.createFile(`${path}/none/f`), hasCode("ENOENT"));
    await assert.rejects(storage.rename(`${path}/none`, `${path}/f`), hasCode("ENOENT"));
    await assert.rejects(storage.remove(`${path}/none`), hasCode("ENOENT"));
    assert.deepEqual(await storage.listDirectory(path), []);
  });

  check("creates a file once", async () => {
    const { storage, directory } = context();
    const path = await directory();
    const file = await storage.createFile(`${path}/f`);
    await assert.rejects(storage.createFile(`${path}/f`), hasCode("EEXIST"));
    await file.close();
  });

  check("renames over an existing file", async () => {
    const { storage, directory } = context();
    const path = await directory();
    await writeFile(storage, `${path}/old`, "old");
    await writeFile(storage, `${path}/new`, "new!");
    await storage.rename(`${path}/new`, `${path}/old`);
    await storage.syncDirectory(path);
    assert.deepEqual(await storage.listDirectory(path), ["old"]);
    assert.equal(await readFile(storage, `${path}/old`), "new!");
  });

  check("removes a file, which lives on behind its handle", async () => {
    const { storage, directory } = context();
    const path = await directory();
    const file = await storage.createFile(`${path}/f`);
    await file.write([bytes("abc")], 0);
    await storage.remove(`${path}/f`);
    assert.deepEqual(await storage.listDirectory(path), []);
    assert.equal(await readAll(file), "abc");
    await file.close();
  });
}

function fileTests({ context, check }: Contract): void {
  const open = async (
    content = "",
  ): Promise<{ file: StorageFile; path: string; storage: Storage }> => {
    const { storage, directory } = context();
    const path = `${await directory()}/f`;
    const file = await storage.createFile(path);
    if (content !== "") await file.write([bytes(content)], 0);
    return { file, path, storage };
  };

  check("reads back what was written, through any handle", async () => {
    const { file, path, storage } = await open("hello");
    assert.equal(file.path, path);
    assert.equal(await file.size(), 5);
    assert.equal(await readAll(file), "hello");
    assert.equal(await readFile(storage, path), "hello");
    await file.close();
  });

  check("writes several buffers one behind the other, at an offset", async () => {
    const { file } = await open("..........");
    await file.write([bytes("ab"), new Uint8Array(0), bytes("cde")], 2);
    assert.equal(await readAll(file), "..abcde...");
    await file.write([], 3);
    await file.write([new Uint8Array(0)], 3);
    assert.equal(await readAll(file), "..abcde...");
    await file.close();
  });

  check("writes only the bytes that a view covers", async () => {
    const { file } = await open();
    const whole = bytes("0123456789");
    await file.write([whole.subarray(3, 6)], 0);
    await file.writeDurable([whole.subarray(6, 8)], 3);
    assert.equal(await readAll(file), "34567");
    await file.close();
  });

  check("fills a gap with zeros", async () => {
    const { file } = await open("a");
    await file.write([bytes("b")], 3);
    assert.equal(await readAll(file), "a\0\0b");
    await file.close();
  });

  check("writes large and many buffers completely", async () => {
    const { file } = await open();
    const parts = Array.from({ length: 1_500 }, (_, index) =>
      new Uint8Array(700).fill(index & 0xff),
    );
    await file.write(parts, 10);
    assert.equal(await file.size(), 10 + 1_500 * 700);
    const target = new Uint8Array(1_500 * 700);
    assert.equal(await file.read(target, 0, target.byteLength, 10), target.byteLength);
    assert.equal(Buffer.compare(target, Buffer.concat(parts)), 0);
    await file.close();
  });

  check("reads into the middle of a target and leaves the rest alone", async () => {
    const { file } = await open("hello");
    const target = bytes("..........");
    assert.equal(await file.read(target, 2, 3, 1), 3);
    assert.equal(text(target), "..ell.....");
    await file.close();
  });

  check("reads fewer bytes only at the end", async () => {
    const { file } = await open("hello");
    const target = new Uint8Array(10);
    assert.equal(await file.read(target, 0, 10, 3), 2);
    assert.equal(await file.read(target, 0, 10, 5), 0);
    assert.equal(await file.read(target, 0, 10, 500), 0);
    assert.equal(await file.read(target, 0, 0, 0), 0);
    await file.close();
  });

  check("writes durably: small, large, and past the end", async () => {
    const { file } = await open("..");
    await file.writeDurable([bytes("ab"), bytes("c")], 1);
    assert.equal(await readAll(file), ".abc");
    const large = new Uint8Array(300_000).fill(7);
    await file.writeDurable([large], 4);
    assert.equal(await file.size(), 300_004);
    await file.close();
  });

  check("takes several durable writes at once, the first ones included", async () => {
    const { file } = await open("........");
    await Promise.all(
      ["a", "b", "c", "d"].map((letter, index) => file.writeDurable([bytes(letter)], 2 * index)),
    );
    assert.equal(await readAll(file), "a.b.c.d.");
    await file.close();
  });

  check(
    "writes durably to the file that was opened, also when it has another name by now",
    async () => {
      const { file, path, storage } = await open("a");
      await storage.rename(path, `${path}2`);
      await writeFile(storage, path, "other");
      await file.writeDurable([bytes("b")], 1);
      assert.equal(await readFile(storage, `${path}2`), "ab");
      assert.equal(await readFile(storage, path), "other");
      await file.close();
    },
  );

  check("syncs data and all, with and without something to sync", async () => {
    const { file } = await open("a");
    await file.syncData();
    await file.syncAll();
    await file.syncData();
    await file.close();
  });

  check("cuts and extends with zeros", async () => {
    const { file } = await open("hello");
    await file.truncate(2);
    assert.equal(await readAll(file), "he");
    await file.truncate(5);
    assert.equal(await readAll(file), "he\0\0\0");
    await file.truncate(0);
    assert.equal(await file.size(), 0);
    await file.close();
  });

  check("refuses writes through a handle for reading, and changes nothing", async () => {
    const { file, path, storage } = await open("abc");
    const reader = await storage.openFile(path, "read");
    await assert.rejects(reader.write([bytes("x")], 0), hasCode("EBADF"));
    await assert.rejects(reader.writeDurable([bytes("x")], 0), hasCode("EBADF"));
    await assert.rejects(reader.truncate(0), hasCode("EBADF", "EINVAL"));
    assert.equal(await readAll(file), "abc");
    await reader.close();
    await file.close();
  });

  check("reads and writes through a handle for writing to a file that was there", async () => {
    const { file, path, storage } = await open("abc");
    await file.close();
    const again = await storage.openFile(path, "write");
    await again.write([bytes("X")], 1);
    assert.equal(await readAll(again), "aXc");
    await again.close();
  });

  check("closes twice, and refuses everything after", async () => {
    const { file } = await open("abc");
    await file.close();
    await file.close();
    await assert.rejects(file.read(new Uint8Array(1), 0, 1, 0), hasCode("EBADF"));
    await assert.rejects(file.write([bytes("x")], 0), hasCode("EBADF"));
    await assert.rejects(file.writeDurable([bytes("x")], 0), hasCode("EBADF"));
    await assert.rejects(file.syncData(), hasCode("EBADF"));
    await assert.rejects(file.syncAll(), hasCode("EBADF"));
    await assert.rejects(file.size(), hasCode("EBADF"));
    await assert.rejects(file.truncate(0), hasCode("EBADF"));
  });
}

function volumeTests({ context, check }: Contract): void {
  check("describes what a directory or a file is stored on", async () => {
    const { storage, directory } = context();
    const path = await directory();
    await writeFile(storage, `${path}/f`, "abc");
    for (const place of [path, `${path}/f`]) {
      const volume = await storage.describeVolume(place);
      assert.notEqual(volume.type, "");
      assert.ok(Number.isSafeInteger(volume.freeBytes) && volume.freeBytes >= 0);
      assert.ok(volume.totalBytes >= volume.freeBytes);
    }
    await assert.rejects(storage.describeVolume(`${path}/none`), hasCode("ENOENT"));
  });
}

function lockTests({ context, check }: Contract): void {
  check("gives a directory's lock to one at a time", async () => {
    const { storage, directory } = context();
    const path = await directory();
    const lock = await take(storage, path);
    const refusal = await storage.lockDirectory(path);
    assert.equal(refusal.kind, "refused");
    if (refusal.kind === "refused") assert.notEqual(refusal.owner, "");
    await lock.release();
    await (await take(storage, path)).release();
  });

  check("gives it to one of many who ask at once", async () => {
    const { storage, directory } = context();
    const path = await directory();
    const answers = await Promise.all(Array.from({ length: 8 }, () => storage.lockDirectory(path)));
    const held = answers.filter((answer) => answer.kind === "held");
    assert.equal(held.length, 1);
    for (const lock of held) await lock.release();
  });

  check("releases twice without harm to the next owner", async () => {
    const { storage, directory } = context();
    const path = await directory();
    const lock = await take(storage, path);
    await lock.release();
    const next = await take(storage, path);
    await lock.release();
    assert.equal((await storage.lockDirectory(path)).kind, "refused");
    await next.release();
  });

  check("locks directories independently of each other", async () => {
    const { storage, directory } = context();
    const first = await take(storage, await directory());
    const second = await take(storage, await directory());
    await first.release();
    await second.release();
  });

  check("does not lock a directory that is not there", async () => {
    const { storage, directory } = context();
    const path = await directory();
    await assert.rejects(storage.lockDirectory(`${path}/none`), hasCode("ENOENT"));
  });
}

async function take(storage: Storage, path: string): Promise<DirectoryLock> {
  const lock = await storage.lockDirectory(path);
  if (lock.kind === "refused") assert.fail(`refused: ${lock.owner}`);
  return lock;
}

async function writeFile(storage: Storage, path: string, content: string): Promise<void> {
  const file = await storage.createFile(path);
  await file.write([bytes(content)], 0);
  await file.close();
}

async function readFile(storage: Storage, path: string): Promise<string> {
  const file = await storage.openFile(path, "read");
  try {
    return await readAll(file);
  } finally {
    await file.close();
  }
}

async function readAll(file: StorageFile): Promise<string> {
  const target = new Uint8Array(await file.size());
  const count = await file.read(target, 0, target.byteLength, 0);
  return text(target.subarray(0, count));
}

function bytes(content: string): Uint8Array {
  return new TextEncoder().encode(content);
}

function text(content: Uint8Array): string {
  return new TextDecoder().decode(content);
}

function hasCode(...codes: readonly string[]): (error: unknown) => boolean {
  return (error) =>
    error instanceof Error && "code" in error && codes.some((code) => code === error.code);
}
