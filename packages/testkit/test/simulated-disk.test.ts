/**
 * The simulated disk is the ground that every crash test stands on: a disk that forgets too little makes
 * them pass for nothing, one that forgets too much makes them fail for nothing. So each promise of `Storage`
 * is tested in both directions: what must survive always does, what may be lost is lost in some image.
 */

import assert from "node:assert/strict";
import { suite, test } from "node:test";

import {
  KeepAllChooser,
  LoseAllChooser,
  RandomChooser,
  SeededRandom,
  SimulatedDisk,
  type CallScheduler,
} from "@walnut/testkit";

const SECTOR = 512;

/** Letters as bytes: `fill("a", 3)` is "aaa". */
function fill(letter: string, length: number = SECTOR): Uint8Array {
  return new Uint8Array(length).fill(letter.charCodeAt(0));
}

/** A file as one letter per sector ("." for zeros, "?" for a mix), or "absent". */
function show(disk: SimulatedDisk, path = "/d/f"): string {
  const bytes = disk.peek(path);
  if (bytes === undefined) return "absent";
  let text = "";
  for (let start = 0; start < bytes.byteLength; start += SECTOR) {
    const sector = bytes.subarray(start, start + SECTOR);
    const first = sector[0] ?? 0;
    if (!sector.every((byte) => byte === first)) text += "?";
    else text += first === 0 ? "." : String.fromCharCode(first);
  }
  return bytes.byteLength % SECTOR === 0 ? text : `${text}(${bytes.byteLength})`;
}

/** Every state that a power loss can leave, as text, sorted. */
function outcomes(disk: SimulatedDisk, look: (image: SimulatedDisk) => string = show): string[] {
  const seen = new Set<string>();
  const crashes = disk.enumerateCrashes(100_000);
  for (;;) {
    const next = crashes.next();
    if (next.done === true) {
      assert.ok(next.value.isComplete, "too many states for this test");
      return [...seen].toSorted();
    }
    seen.add(look(next.value));
  }
}

function both(...paths: string[]): (image: SimulatedDisk) => string {
  return (image) => paths.map((path) => `${path}=${show(image, path)}`).join(" ");
}

/** Lets a test decide when each call takes effect. */
class ManualScheduler implements CallScheduler {
  readonly waiting: (() => void)[] = [];
  schedule(run: () => void): void {
    this.waiting.push(run);
  }
  /** Lets the call at `index` take effect, and the code that waits for it run. */
  async effect(index = 0): Promise<void> {
    this.waiting.splice(index, 1)[0]?.();
    await new Promise(setImmediate);
  }
}

/** A disk with /d/f durable, holding the given letters, one sector each. */
function diskWith(letters: string, options: { scheduler?: CallScheduler } = {}): SimulatedDisk {
  const disk = new SimulatedDisk(options);
  disk.plant(
    "/d/f",
    Buffer.concat([...letters].map((letter) => fill(letter === "." ? "\0" : letter))),
  );
  return disk;
}

suite("SimulatedDisk: contents", () => {
  test("shows a write at once and loses or keeps it until a sync", async () => {
    const disk = diskWith("a");
    const file = await disk.openFile("/d/f", "write");
    await file.write([fill("b")], 0);
    assert.equal(show(disk), "b");
    assert.deepEqual(outcomes(disk), ["a", "b"]);
    await file.syncData();
    assert.deepEqual(outcomes(disk), ["b"]);
  });

  test("keeps or loses each sector on its own", async () => {
    const disk = diskWith("abc");
    const file = await disk.openFile("/d/f", "write");
    await file.write([fill("x", SECTOR), fill("y", 2 * SECTOR)], 0);
    const all = ["abc", "aby", "ayc", "ayy", "xbc", "xby", "xyc", "xyy"];
    assert.deepEqual(outcomes(disk), all);
  });

  test("may leave any version of a sector that was rewritten", async () => {
    const disk = diskWith("a");
    const file = await disk.openFile("/d/f", "write");
    await file.write([fill("b")], 0);
    await file.write([fill("c")], 0);
    assert.deepEqual(outcomes(disk), ["a", "b", "c"]);
    await file.syncData();
    await file.write([fill("d")], 0);
    assert.deepEqual(outcomes(disk), ["c", "d"]);
  });

  test("opens nothing when a write changes nothing", async () => {
    const disk = diskWith("a.");
    const file = await disk.openFile("/d/f", "write");
    await file.write([fill("a"), new Uint8Array(SECTOR)], 0);
    assert.equal(disk.crashStateCount(), 1);
    assert.deepEqual(outcomes(disk), ["a."]);
  });

  test("leaves the rest of a sector alone when a part of it is written", async () => {
    const disk = diskWith("a");
    const file = await disk.openFile("/d/f", "write");
    await file.write([fill("b", 10)], 100);
    const bytes = disk.afterPowerLoss(new KeepAllChooser()).peek("/d/f") ?? new Uint8Array(0);
    assert.equal(Buffer.from(bytes.subarray(99, 111)).toString(), "abbbbbbbbbba");
  });

  test("loses, keeps or zeroes what a growth appended", async () => {
    const disk = diskWith("a");
    const file = await disk.openFile("/d/f", "write");
    await file.write([fill("b")], SECTOR);
    assert.deepEqual(outcomes(disk), ["a", "a.", "ab"]);
    await file.syncAll();
    assert.deepEqual(outcomes(disk), ["ab"]);
  });

  test("may catch a long growth at a block boundary", async () => {
    const disk = diskWith("a");
    const file = await disk.openFile("/d/f", "write");
    await file.write([new Uint8Array(10_000)], SECTOR);
    const lengths = outcomes(disk, (image) => String(image.peek("/d/f")?.byteLength));
    assert.deepEqual(lengths, ["10512", "4096", "512", "8192"]);
  });

  test("fills a gap with zeros", async () => {
    const disk = diskWith("a");
    const file = await disk.openFile("/d/f", "write");
    await file.write([fill("c")], 3 * SECTOR);
    assert.equal(show(disk), "a..c");
    await file.syncData();
    assert.deepEqual(outcomes(disk), ["a..c"]);
  });

  test("covers with a sync only what took effect before the sync was called", async () => {
    const scheduler = new ManualScheduler();
    const disk = diskWith("aa", { scheduler });
    const opening = disk.openFile("/d/f", "write");
    await scheduler.effect();
    const file = await opening;
    void file.write([fill("b")], 0);
    await scheduler.effect();
    void file.write([fill("c")], SECTOR); // In flight when the sync is called, and done before it.
    const sync = file.syncData();
    await scheduler.effect(0);
    assert.equal(show(disk), "bc");
    await scheduler.effect(0);
    await sync;
    assert.deepEqual(outcomes(disk), ["ba", "bc"]);
  });

  test("does not take a version back to before the sync when a newer one is pending", async () => {
    const scheduler = new ManualScheduler();
    const disk = diskWith("a", { scheduler });
    const opening = disk.openFile("/d/f", "write");
    await scheduler.effect();
    const file = await opening;
    void file.write([fill("b")], 0);
    await scheduler.effect();
    void file.syncData();
    void file.write([fill("c")], 0);
    await scheduler.effect(1);
    await scheduler.effect(0);
    assert.deepEqual(outcomes(disk), ["b", "c"]);
  });

  test("a durable write settles its own bytes and nothing else", async () => {
    const disk = diskWith("aaa");
    const file = await disk.openFile("/d/f", "write");
    await file.write([fill("b", 3 * SECTOR)], 0);
    await file.writeDurable([fill("c")], SECTOR);
    assert.deepEqual(outcomes(disk), ["aca", "acb", "bca", "bcb"]);
  });

  test("a durable write inside a sector leaves its neighbours in that sector open", async () => {
    const disk = diskWith("a");
    const file = await disk.openFile("/d/f", "write");
    await file.write([fill("b")], 0);
    await file.writeDurable([fill("c", 4)], 4);
    const heads = outcomes(disk, (image) =>
      Buffer.from(image.peek("/d/f")?.subarray(0, 12) ?? []).toString(),
    );
    assert.deepEqual(heads, ["aaaaccccaaaa", "bbbbccccbbbb"]);
  });

  test("a durable write carries the length that it needs", async () => {
    const disk = diskWith("a");
    const file = await disk.openFile("/d/f", "write");
    await file.write([fill("b")], 3 * SECTOR);
    await file.writeDurable([fill("c")], SECTOR);
    assert.deepEqual(outcomes(disk), ["ac", "ac..", "ac.b"]);
    await file.writeDurable([fill("d")], 4 * SECTOR);
    assert.deepEqual(outcomes(disk), ["ac..d", "ac.bd"]);
  });

  test("may undo or do a truncation until it is synced", async () => {
    const disk = diskWith("abc");
    const file = await disk.openFile("/d/f", "write");
    await file.truncate(SECTOR);
    assert.equal(show(disk), "a");
    assert.deepEqual(outcomes(disk), ["a", "abc"]);
    await file.syncData();
    assert.deepEqual(outcomes(disk), ["a"]);
  });

  test("may let a cut tail come back behind new bytes until the cut is synced", async () => {
    const disk = diskWith("abc");
    const file = await disk.openFile("/d/f", "write");
    await file.truncate(SECTOR);
    await file.write([fill("x")], SECTOR);
    assert.equal(show(disk), "ax");
    // "axc" is the classic of a log that cuts a torn tail and appends before it syncs the cut.
    assert.deepEqual(outcomes(disk), ["a", "a.", "abc", "ax", "axc"]);
    await file.syncData();
    assert.deepEqual(outcomes(disk), ["ax"]);
  });

  test("leaves open whether a cut happened when a durable write reaches the old length", async () => {
    const disk = diskWith("abc");
    const file = await disk.openFile("/d/f", "write");
    await file.truncate(SECTOR);
    await file.writeDurable([fill("x")], 2 * SECTOR);
    assert.equal(show(disk), "a.x");
    assert.deepEqual(outcomes(disk), ["a.x", "abx"]);
    await file.syncData();
    assert.deepEqual(outcomes(disk), ["a.x"]);
  });

  test("extends with zeros", async () => {
    const disk = diskWith("a");
    const file = await disk.openFile("/d/f", "write");
    await file.truncate(3 * SECTOR);
    assert.equal(show(disk), "a..");
    assert.deepEqual(outcomes(disk), ["a", "a.."]);
  });

  test("shows zeros, not old bytes, where a cut file grows again", async () => {
    const disk = diskWith("abc");
    const file = await disk.openFile("/d/f", "write");
    await file.truncate(10);
    await file.truncate(3 * SECTOR);
    assert.equal(show(disk), "?..");
    await file.syncData();
    assert.deepEqual(outcomes(disk), ["?.."]);
  });
});

suite("SimulatedDisk: torn sectors", () => {
  test("are a mix of old and new bytes, and can be turned off", async () => {
    const disk = diskWith("a");
    const file = await disk.openFile("/d/f", "write");
    await file.write([fill("b")], 0);
    const seen = { torn: new Set<string>(), whole: new Set<string>() };
    for (let seed = 0; seed < 300; seed += 1) {
      const torn = new RandomChooser(new SeededRandom(seed));
      const whole = new RandomChooser(new SeededRandom(seed), { tearSectors: false });
      seen.torn.add(show(disk.afterPowerLoss(torn)));
      seen.whole.add(show(disk.afterPowerLoss(whole)));
    }
    assert.deepEqual([...seen.torn].toSorted(), ["?", "a", "b"]);
    assert.deepEqual([...seen.whole].toSorted(), ["a", "b"]);
  });

  test("never touch bytes of a durable write", async () => {
    const disk = diskWith("a");
    const file = await disk.openFile("/d/f", "write");
    await file.write([fill("b")], 0);
    await file.writeDurable([fill("c", 100)], 50);
    for (let seed = 0; seed < 300; seed += 1) {
      const image = disk.afterPowerLoss(new RandomChooser(new SeededRandom(seed)));
      assert.deepEqual(image.peek("/d/f")?.slice(50, 150), fill("c", 100));
    }
  });
});

suite("SimulatedDisk: names", () => {
  test("a file whose entry was never synced can vanish whatever was synced inside", async () => {
    const disk = new SimulatedDisk();
    await disk.ensureDirectory("/d");
    const file = await disk.createFile("/d/f");
    await file.write([fill("a")], 0);
    await file.syncAll();
    await file.writeDurable([fill("b")], SECTOR);
    assert.deepEqual(outcomes(disk), ["ab", "absent"]);
    await disk.syncDirectory("/d");
    assert.deepEqual(outcomes(disk), ["ab"]);
  });

  test("a synced entry keeps the file and says nothing of its bytes", async () => {
    const disk = new SimulatedDisk();
    await disk.ensureDirectory("/d");
    const file = await disk.createFile("/d/f");
    await file.write([fill("a")], 0);
    await disk.syncDirectory("/d");
    assert.deepEqual(outcomes(disk), ["", ".", "a"]);
  });

  test("a rename over a file leaves the old or the new one, never none", async () => {
    const disk = diskWith("a");
    const file = await disk.createFile("/d/tmp");
    await file.write([fill("b")], 0);
    await file.syncData();
    await disk.rename("/d/tmp", "/d/f");
    assert.equal(show(disk), "b");
    assert.deepEqual(outcomes(disk, both("/d/f", "/d/tmp")), [
      "/d/f=a /d/tmp=absent",
      "/d/f=a /d/tmp=b",
      "/d/f=b /d/tmp=absent",
    ]);
    await disk.syncDirectory("/d");
    assert.deepEqual(outcomes(disk, both("/d/f", "/d/tmp")), ["/d/f=b /d/tmp=absent"]);
  });

  test("a rename of a file that was not synced can leave an empty target", async () => {
    const disk = diskWith("a");
    const file = await disk.createFile("/d/tmp");
    await file.write([fill("b")], 0);
    await disk.rename("/d/tmp", "/d/f");
    assert.ok(outcomes(disk).includes(""), "the classic of a replace without a sync");
  });

  test("a removal can be undone until the directory is synced", async () => {
    const disk = diskWith("a");
    await disk.remove("/d/f");
    assert.equal(show(disk), "absent");
    assert.deepEqual(outcomes(disk), ["a", "absent"]);
    await disk.syncDirectory("/d");
    assert.deepEqual(outcomes(disk), ["absent"]);
  });

  test("changes of one directory are lost independently of each other", async () => {
    const disk = new SimulatedDisk();
    await disk.ensureDirectory("/d");
    await disk.createFile("/d/1");
    await disk.createFile("/d/2");
    assert.deepEqual(outcomes(disk, both("/d/1", "/d/2")), [
      "/d/1= /d/2=",
      "/d/1= /d/2=absent",
      "/d/1=absent /d/2=",
      "/d/1=absent /d/2=absent",
    ]);
  });

  test("a directory sync says nothing of another directory", async () => {
    const disk = new SimulatedDisk();
    await disk.ensureDirectory("/d/e");
    await disk.createFile("/d/e/f");
    await disk.syncDirectory("/d");
    assert.deepEqual(
      outcomes(disk, (image) => show(image, "/d/e/f")),
      ["", "absent"],
    );
  });

  test("a rename between directories stays open until both are synced", async () => {
    const disk = diskWith("a");
    await disk.ensureDirectory("/e");
    await disk.rename("/d/f", "/e/f");
    const look = both("/d/f", "/e/f");
    const open = ["/d/f=a /e/f=absent", "/d/f=absent /e/f=a"];
    await disk.syncDirectory("/e");
    assert.deepEqual(outcomes(disk, look), open);
    await disk.syncDirectory("/d");
    assert.deepEqual(outcomes(disk, look), ["/d/f=absent /e/f=a"]);
  });

  test("an older rename never comes back over a newer change that is durable", async () => {
    const disk = diskWith("a");
    await disk.ensureDirectory("/e");
    await disk.rename("/d/f", "/e/f");
    await disk.remove("/e/f");
    await disk.syncDirectory("/e");
    const look = both("/d/f", "/e/f");
    assert.deepEqual(outcomes(disk, look), ["/d/f=absent /e/f=absent"]);
    await disk.syncDirectory("/d");
    assert.deepEqual(outcomes(disk, look), ["/d/f=absent /e/f=absent"]);
  });

  test("a directory sync covers only what took effect before it was called", async () => {
    const scheduler = new ManualScheduler();
    const disk = diskWith("a", { scheduler });
    void disk.remove("/d/f");
    void disk.syncDirectory("/d");
    await scheduler.effect();
    await scheduler.effect();
    assert.deepEqual(outcomes(disk), ["a", "absent"]);
  });

  test("directories survive as soon as they are made", async () => {
    const disk = new SimulatedDisk();
    await disk.ensureDirectory("/a/b/c");
    const image = disk.afterPowerLoss(new LoseAllChooser());
    assert.deepEqual(await image.listDirectory("/a/b"), ["c"]);
  });

  test("a removed file lives on behind its handle", async () => {
    const disk = diskWith("a");
    const file = await disk.openFile("/d/f", "write");
    await disk.remove("/d/f");
    await file.write([fill("b")], 0);
    const target = new Uint8Array(4);
    assert.equal(await file.read(target, 0, 4, 0), 4);
    assert.equal(Buffer.from(target).toString(), "bbbb");
  });
});

suite("SimulatedDisk: crashes", () => {
  test("a call in flight happened wholly, partly or not at all", async () => {
    const scheduler = new ManualScheduler();
    const disk = diskWith("aa", { scheduler });
    const opening = disk.openFile("/d/f", "write");
    await scheduler.effect();
    const file = await opening;
    void file.write([fill("b", 2 * SECTOR)], 0);
    assert.equal(show(disk), "aa");
    assert.deepEqual(outcomes(disk), ["aa", "ab", "ba", "bb"]);
    void disk.rename("/d/f", "/d/g");
    assert.ok(outcomes(disk, (image) => show(image, "/d/g")).includes("ba"));
  });

  test("a durable write in flight is no more durable than a plain one", async () => {
    const scheduler = new ManualScheduler();
    const disk = diskWith("a", { scheduler });
    const opening = disk.openFile("/d/f", "write");
    await scheduler.effect();
    void (await opening).writeDurable([fill("b")], 0);
    assert.deepEqual(outcomes(disk), ["a", "b"]);
  });

  test("a sync in flight settles nothing", async () => {
    const scheduler = new ManualScheduler();
    const disk = diskWith("a", { scheduler });
    const opening = disk.openFile("/d/f", "write");
    await scheduler.effect();
    const file = await opening;
    void file.write([fill("b")], 0);
    await scheduler.effect();
    void file.syncData();
    assert.deepEqual(outcomes(disk), ["a", "b"]);
    await scheduler.effect();
    assert.deepEqual(outcomes(disk), ["b"]);
  });

  test("a creation and a directory in flight may or may not be there", async () => {
    const scheduler = new ManualScheduler();
    const disk = diskWith("a", { scheduler });
    void disk.createFile("/d/new");
    void disk.ensureDirectory("/x/y");
    const look = (image: SimulatedDisk): string =>
      `${show(image, "/d/new")}|${image.hasDirectory("/x")}|${image.hasDirectory("/x/y")}`;
    assert.deepEqual(outcomes(disk, look), [
      "absent|false|false",
      "absent|true|false",
      "absent|true|true",
      "|false|false",
      "|true|false",
      "|true|true",
    ]);
  });

  test("kill -9 keeps everything written, no more durable than before", async () => {
    const disk = diskWith("a");
    const file = await disk.openFile("/d/f", "write");
    await file.write([fill("b")], 0);
    await disk.createFile("/d/g");
    const survivor = disk.processCrash({ random: new SeededRandom(1) });
    assert.equal(both("/d/f", "/d/g")(survivor), "/d/f=b /d/g=");
    assert.deepEqual(outcomes(survivor), ["a", "b"]);
    const again = await survivor.openFile("/d/f", "write");
    await again.syncData();
    assert.deepEqual(outcomes(survivor), ["b"]);
    assert.deepEqual(
      outcomes(survivor, (image) => show(image, "/d/g")),
      ["", "absent"],
    );
  });

  test("kill -9 may cut a write in flight anywhere", async () => {
    const seen = new Set<string>();
    for (let seed = 0; seed < 200; seed += 1) {
      const scheduler = new ManualScheduler();
      const disk = diskWith("aa", { scheduler });
      const opening = disk.openFile("/d/f", "write");
      await scheduler.effect();
      (await opening).write([fill("b", 2 * SECTOR)], 0).catch(() => undefined);
      seen.add(show(disk.processCrash({ random: new SeededRandom(seed) })));
    }
    assert.deepEqual([...seen].toSorted(), ["?a", "aa", "b?", "ba", "bb"]);
  });

  test("a dead disk refuses every call, new or in flight", async () => {
    const disk = diskWith("a");
    const file = await disk.openFile("/d/f", "write");
    const inFlight = file.syncData();
    disk.crash({ random: new SeededRandom(1) });
    const isOff = { code: "ECRASHED" };
    await assert.rejects(inFlight, isOff);
    await assert.rejects(file.write([fill("b")], 0), isOff);
    await assert.rejects(disk.listDirectory("/d"), isOff);
    await assert.rejects(file.close(), isOff);
  });

  test("dies before the event it was told", async () => {
    const disk = diskWith("a");
    disk.crashBefore(3);
    const file = await disk.openFile("/d/f", "write");
    await file.write([fill("b")], 0);
    await assert.rejects(file.syncData(), { code: "ECRASHED" });
    assert.equal(disk.isDead, true);
    assert.equal(disk.events, 2);
    assert.deepEqual(outcomes(disk), ["a", "b"]);
  });

  test("an image and its disk go their own ways", async () => {
    const disk = diskWith("ab");
    const image = disk.afterPowerLoss(new KeepAllChooser());
    const other = disk.afterPowerLoss(new KeepAllChooser());
    const file = await disk.openFile("/d/f", "write");
    await file.writeDurable([fill("x")], 0);
    const imageFile = await image.openFile("/d/f", "write");
    await imageFile.writeDurable([fill("y")], SECTOR);
    assert.equal(show(disk), "xb");
    assert.equal(show(image), "ay");
    assert.equal(show(other), "ab");
  });

  test("a process image and its disk go their own ways", async () => {
    const disk = diskWith("a");
    const file = await disk.openFile("/d/f", "write");
    await file.write([fill("b")], 0);
    const survivor = disk.afterProcessCrash(new KeepAllChooser());
    await file.writeDurable([fill("c")], 0);
    assert.deepEqual(outcomes(disk), ["c"]);
    assert.deepEqual(outcomes(survivor), ["a", "b"]);
  });

  test("one seed makes one image", async () => {
    const disk = diskWith("abcdefgh");
    const file = await disk.openFile("/d/f", "write");
    await file.write([fill("x", 8 * SECTOR)], 0);
    const look = (seed: number): string =>
      show(disk.afterPowerLoss(new RandomChooser(new SeededRandom(seed))));
    assert.equal(look(5), look(5));
    const seen = new Set(Array.from({ length: 200 }, (_, seed) => look(seed)));
    assert.ok(seen.size > 40, `${seen.size} different images`);
    assert.ok(seen.has("abcdefgh") && seen.has("xxxxxxxx"), "both extremes are sampled");
  });

  test("says when there are too many states to go through", async () => {
    const disk = diskWith("abcd");
    const file = await disk.openFile("/d/f", "write");
    await file.write([fill("x", 4 * SECTOR)], 0);
    assert.equal(disk.crashStateCount(), 16);
    const crashes = disk.enumerateCrashes(15);
    let count = 0;
    for (let next = crashes.next(); ; next = crashes.next()) {
      if (next.done === true) {
        assert.equal(next.value.isComplete, false);
        break;
      }
      count += 1;
    }
    assert.equal(count, 15);
  });
});

suite("SimulatedDisk: failed syncs", () => {
  /** A handle of the simulated disk can be told that its last sync failed. */
  function fail(file: object): void {
    (file as { abandonUnsynced(): void }).abandonUnsynced();
  }

  test("leave bytes that are read but never written, however often one syncs again", async () => {
    const disk = diskWith("a");
    const file = await disk.openFile("/d/f", "write");
    await file.write([fill("b")], 0);
    fail(file);
    assert.equal(show(disk), "b");
    await file.syncData();
    await file.syncAll();
    assert.deepEqual(outcomes(disk), ["a", "b"]);
  });

  test("are healed for a sector by writing it again", async () => {
    const disk = diskWith("aa");
    const file = await disk.openFile("/d/f", "write");
    await file.write([fill("b", 2 * SECTOR)], 0);
    fail(file);
    await file.write([fill("b")], 0);
    await file.syncData();
    assert.deepEqual(outcomes(disk), ["ba", "bb"]);
  });

  test("leave holes: a later sync writes the length without the bytes", async () => {
    const disk = diskWith("a");
    const file = await disk.openFile("/d/f", "write");
    await file.write([fill("b")], SECTOR);
    fail(file);
    await file.syncData();
    assert.deepEqual(outcomes(disk), ["a.", "ab"]);
  });

  test("stay failed through kill -9", async () => {
    const disk = diskWith("a");
    const file = await disk.openFile("/d/f", "write");
    await file.write([fill("b")], 0);
    fail(file);
    const survivor = disk.processCrash({ random: new SeededRandom(1) });
    const again = await survivor.openFile("/d/f", "write");
    await again.syncData();
    assert.equal(show(survivor), "b");
    assert.deepEqual(outcomes(survivor), ["a", "b"]);
  });
});

suite("SimulatedDisk: limits, locks and misuse", () => {
  test("writes what fits, then says ENOSPC, and goes on when there is room", async () => {
    const disk = new SimulatedDisk({ capacityBytes: 1_000 });
    await disk.ensureDirectory("/d");
    const file = await disk.createFile("/d/f");
    await assert.rejects(file.write([fill("a", 1_500)], 0), { code: "ENOSPC" });
    assert.equal(await file.size(), 1_000);
    await file.write([fill("b", 1_000)], 0);
    await assert.rejects(file.writeDurable([fill("c")], 1_000), { code: "ENOSPC" });
    disk.capacityBytes = 2_000;
    await file.write([fill("c")], 1_000);
    assert.equal(await file.size(), 1_512);
  });

  test("says EMFILE when too many files are open", async () => {
    const disk = diskWith("a");
    disk.maxOpenFiles = 1;
    const file = await disk.openFile("/d/f", "read");
    await assert.rejects(disk.openFile("/d/f", "read"), { code: "EMFILE" });
    await assert.rejects(disk.createFile("/d/g"), { code: "EMFILE" });
    assert.equal(disk.peek("/d/g"), undefined);
    await file.close();
    assert.deepEqual(disk.openFiles, []);
    await disk.openFile("/d/f", "read");
  });

  test("a crash releases locks", async () => {
    const disk = diskWith("a");
    assert.equal((await disk.lockDirectory("/d")).kind, "held");
    assert.deepEqual(disk.lockedDirectories, ["/d"]);
    const survivor = disk.processCrash({ random: new SeededRandom(1) });
    assert.equal((await survivor.lockDirectory("/d")).kind, "held");
  });

  test("notes a buffer that changes while its write is in flight", async () => {
    const disk = diskWith("a");
    const file = await disk.openFile("/d/f", "write");
    const buffer = fill("b");
    const writing = file.write([buffer], 0);
    buffer[3] = 0;
    await writing;
    assert.equal(disk.violations.length, 1);
  });

  test("notes two writes in flight on the same bytes, and only those", async () => {
    const disk = diskWith("ab");
    const file = await disk.openFile("/d/f", "write");
    await Promise.all([file.write([fill("x")], 0), file.write([fill("y")], SECTOR)]);
    assert.deepEqual(disk.violations, []);
    await Promise.all([file.write([fill("x")], 0), file.write([fill("y")], SECTOR - 1)]);
    assert.equal(disk.violations.length, 1);
  });
});

suite("SimulatedDisk against a byte-wise model", () => {
  /** What may be read at each byte and which lengths there may be; sectors and order are left out. */
  class ByteModel {
    bytes: Set<number>[] = [];
    now: number[] = [];
    lengths = new Set([0]);

    at(offset: number): Set<number> {
      while (this.bytes.length <= offset) this.bytes.push(new Set([0]));
      return this.bytes[offset] ?? new Set();
    }

    write(offset: number, value: number, length: number): void {
      while (this.now.length < offset) this.now.push(0);
      for (let at = offset; at < offset + length; at += 1) {
        this.now[at] = value;
        this.at(at).add(value);
      }
      this.noteLength();
    }

    writeDurable(offset: number, value: number, length: number): void {
      this.write(offset, value, length);
      for (let at = offset; at < offset + length; at += 1) this.bytes[at] = new Set([value]);
      for (const old of this.lengths) {
        if (old >= offset + length) continue;
        this.lengths.delete(old);
        this.lengths.add(offset + length);
      }
    }

    truncate(length: number): void {
      for (let at = length; at < this.now.length; at += 1) this.at(at).add(0);
      while (this.now.length < length) this.now.push(0);
      this.now.length = length;
      this.noteLength();
    }

    sync(): void {
      this.lengths = new Set([this.now.length]);
      for (let at = 0; at < Math.max(this.bytes.length, this.now.length); at += 1) {
        this.at(at);
        this.bytes[at] = new Set([this.now[at] ?? 0]);
      }
    }

    noteLength(): void {
      this.lengths.add(this.now.length);
    }
  }

  test("reads back what was written and leaves only legal bytes and lengths", async () => {
    for (let seed = 0; seed < 300; seed += 1) {
      const random = new SeededRandom(seed);
      const disk = new SimulatedDisk();
      disk.plant("/d/f", new Uint8Array(0));
      const file = await disk.openFile("/d/f", "write");
      const model = new ByteModel();
      for (let step = 1; step <= 12; step += 1) {
        // Short of a block, so that lengths have no boundary in between.
        const offset = random.below(2_500);
        const length = random.between(1, 1_500);
        const roll = random.below(10);
        if (roll < 5) {
          await file.write([new Uint8Array(length).fill(step)], offset);
          model.write(offset, step, length);
        } else if (roll < 7) {
          await file.writeDurable([new Uint8Array(length).fill(step)], offset);
          model.writeDurable(offset, step, length);
        } else if (roll < 9) {
          await file.truncate(offset);
          model.truncate(offset);
        } else {
          await file.syncData();
          model.sync();
        }
        assert.deepEqual([...(disk.peek("/d/f") ?? [])], model.now, `seed ${seed} step ${step}`);
        for (let crash = 0; crash < 6; crash += 1) {
          const chooser = new RandomChooser(new SeededRandom(seed * 1_000 + step * 10 + crash));
          const content = disk.afterPowerLoss(chooser).peek("/d/f") ?? new Uint8Array(0);
          const where = `seed ${seed} step ${step} crash ${crash}`;
          assert.ok(
            model.lengths.has(content.byteLength),
            `${where}: length ${content.byteLength}`,
          );
          for (const [at, byte] of content.entries()) {
            if (!model.at(at).has(byte)) assert.fail(`${where}: byte ${at} is ${byte}`);
          }
        }
        const kept = disk.afterPowerLoss(new KeepAllChooser()).peek("/d/f");
        assert.deepEqual([...(kept ?? [])], model.now, `seed ${seed} step ${step} kept`);
      }
    }
  });
});
