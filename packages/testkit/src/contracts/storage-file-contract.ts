/** The part of the storage contract that is about one open file: reads, writes, syncs, cuts, closing. */

import assert from "node:assert/strict";

import type { Storage, StorageFile } from "@walnut/wal";

import {
  bytes,
  hasCode,
  readAll,
  readFile,
  text,
  writeFile,
  type Contract,
} from "./contract-case.ts";

/** Declares the cases. */
export function fileTests({ context, check }: Contract): void {
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
