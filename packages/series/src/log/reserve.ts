/**
 * Reserve: a small file of zeros that gives its room to releases when the disk is full.
 *
 * A release frees files, but only once a few bytes say durably that a region is gone, and perhaps a file has begun to hold them. While
 * the reserve is lent, points are held back: they would take the room that the next release needs. It is made again as soon as it fits.
 */
import { isErrno, isNoSpace, joinPath, type WalEnvironment } from "@walnut/wal";

const RESERVE_NAME = "reserve";
const RESERVE_BYTES = 64 * 1024; // 64 KiB

/** How long a disk that had no room for it is left alone, in milliseconds. */
const RETRY_MS = 250;

export class Reserve {
  readonly #environment: Pick<WalEnvironment, "storage" | "monotonicMs">;
  readonly #directory: string;
  #isLent = true;
  #making: Promise<void> | undefined;
  #triedAtMs = Number.NEGATIVE_INFINITY;

  private constructor(
    environment: Pick<WalEnvironment, "storage" | "monotonicMs">,
    directory: string,
  ) {
    this.#environment = environment;
    this.#directory = directory;
  }

  /** Finds it, or makes it. A disk without room for it is no reason not to open. */
  static async open(
    environment: Pick<WalEnvironment, "storage" | "monotonicMs">,
    directory: string,
  ): Promise<Reserve> {
    const reserve = new Reserve(environment, directory);
    await reserve.keep();
    return reserve;
  }

  /** There was no room for it when it was last tried: points have to wait. */
  get isLent(): boolean {
    return this.#isLent;
  }

  /** Points are held back from now on; see {@link lend}. */
  hold(): void {
    this.#isLent = true;
  }

  /**
   * Gives its room away. A crash right after it leaves a log without a reserve, which the next open makes (CRASH: series-reserve-1).
   * When it is gone already there is no more room to give.
   */
  async lend(): Promise<void> {
    const { storage } = this.#environment;
    await this.#making;
    this.#isLent = true;
    await removeIfThere(this.#environment, this.#path);
    await storage.syncDirectory(this.#directory);
  }

  /** Makes it again if there is room. Never rejects: without it everything goes on but the writing of points. */
  keep(): Promise<void> {
    this.#making ??= this.#make()
      .catch((error: unknown) => {
        // Only a full disk is a reason to hold points back; of anything else the log itself will tell.
        this.#isLent = isNoSpace(error);
      })
      .finally(() => (this.#making = undefined));
    return this.#making;
  }

  /** As {@link keep}, but no more often than makes sense for those who are refused meanwhile. */
  keepSoon(): void {
    const nowMs = this.#environment.monotonicMs();
    if (nowMs - this.#triedAtMs < RETRY_MS) return;
    this.#triedAtMs = nowMs;
    void this.keep();
  }

  get #path(): string {
    return joinPath(this.#directory, RESERVE_NAME);
  }

  async #make(): Promise<void> {
    const { storage } = this.#environment;
    await storage.ensureDirectory(this.#directory);
    if ((await this.#sizeBytes()) !== RESERVE_BYTES) {
      // A crash while it was made has left a part of it, which would give too little.
      await removeIfThere(this.#environment, this.#path);
      await this.#write();
    }
    this.#isLent = false;
  }

  /** 0 when it is not there. */
  async #sizeBytes(): Promise<number> {
    let file;
    try {
      file = await this.#environment.storage.openFile(this.#path, "read");
    } catch (error) {
      if (isErrno(error, "ENOENT")) return 0;
      throw error;
    }
    try {
      return await file.size();
    } finally {
      await file.close();
    }
  }

  /** All of it or nothing: what there was no room for is removed. */
  async #write(): Promise<void> {
    const file = await this.#environment.storage.createFile(this.#path);
    try {
      await file.write([new Uint8Array(RESERVE_BYTES)], 0);
      await file.syncAll();
    } catch (error) {
      await file.close();
      await removeIfThere(this.#environment, this.#path);
      throw error;
    }
    await file.close();
  }
}

async function removeIfThere(
  { storage }: Pick<WalEnvironment, "storage">,
  path: string,
): Promise<void> {
  try {
    await storage.remove(path);
  } catch (error) {
    if (!isErrno(error, "ENOENT")) throw error;
  }
}
