/**
 * What every implementation of `Storage` must do, as a suite: the real disk, the simulated one, and every
 * wrapper run it. What survives a power loss cannot be seen from here; that is tested on the simulated disk.
 */

import assert from "node:assert/strict";
import { after, before, suite, test } from "node:test";

import type { DirectoryLock, Storage } from "@walnut/wal";

import { bytes, hasCode, readAll, readFile, writeFile, type Contract } from "./contract-case.ts";
import { fileTests } from "./storage-file-contract.ts";

/** How a storage comes to be for a test. */
export interface StorageContractOptions {
  /** Makes a storage and an existing, empty directory in it. */
  open(): Promise<{ readonly storage: Storage; readonly directory: string }>;
  /** Cleans up what `open` made. */
  close?(): Promise<void>;
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
        test(title, run);
      },
    };
    directoryTests(contract);
    fileTests(contract);
    lockTests(contract);
    volumeTests(contract);
  });
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
