/**
 * Group commit: many appends, one write and one sync.
 *
 * Appends copy into the buffer that is filling. While one group is being written and synced, the next one fills;
 * it starts when the device is free, without timer or delay. What is waiting goes as one group, whoever asked.
 *
 * Ordering rule: a group is taken (buffers and waiters together) before its write begins, and its waiters are
 * told only after the sink's promise for exactly these buffers has resolved. Groups never overlap, so waiters are
 * told in LSN order, and a waiter that is told knows that everything before it is at least as safe.
 *
 * When the sink fails, everybody who waits is rejected, because the LSNs behind the failed group no longer follow. Unless the
 * failure is one of space, it is final: every later append is rejected too, and nothing is written again.
 * Tasks that must not run beside a write (rotation, sync by timer, marks) run between groups through `exclusive`.
 * Knows nothing of segments or storage.
 */
import { BufferPool, type BufferPoolOptions } from "./buffer-pool.ts";
import { CommitBuffer, type AppendResult } from "./commit-buffer.ts";
import { loadOf, type CommitLoad } from "./commit-load.ts";

/** Writes buffers in order; with `durable`, resolves only when they are on the device. */
export type CommitSink = (buffers: readonly CommitBuffer[], durable: boolean) => Promise<void>;

/** When an append resolves: in the buffer, handed to the system, or on the device. */
export type AckPoint = "buffered" | "written" | "durable";

export interface GroupCommitOptions extends BufferPoolOptions {
  readonly sink: CommitSink;
  readonly maxPendingBytes: number;
  readonly nextLsn: number;
  /** Runs a callback soon, after the promise jobs that are due now. */
  readonly defer: (callback: () => void) => void;
  /** Makes the error for an append that would exceed `maxPendingBytes`. */
  readonly overloaded: (pendingBytes: number) => Error;
  /** Told before waiters are rejected; decides what they get and whether the log goes on. */
  readonly onFailure: (cause: unknown) => CommitFailure;
}

/** What a failed group means. */
export interface CommitFailure {
  /** For everybody who waits: the failed group and all behind it. */
  readonly first: Error;
  /** For everybody later; `undefined` when the log can go on with `nextLsn`. */
  readonly later: Error | undefined;
  /** LSN of the next record, if the log goes on: those of the rejected records are given out again. */
  readonly nextLsn: number;
  /** Called when everybody who waited has been told. */
  readonly afterwards?: () => void;
}

/**
 * With this much waiting and the device free, the next group starts at once, and callers of the group before are told
 * while the device works. With less, callers are told first and a turn of the event loop passes, so that those who append
 * again join the same group: a group of one beside a group of many would cost the many a sync. Without a sync there is
 * nothing to share, so a smaller group is worth starting.
 */
const EAGER_START_BYTES = { durable: 1024 * 1024, written: 128 * 1024 } as const;

interface ExclusiveTask {
  readonly run: () => Promise<void>;
  readonly resolve: () => void;
  readonly reject: (reason: unknown) => void;
}

export class GroupCommit {
  readonly #options: GroupCommitOptions;
  readonly #pool: BufferPool;
  /** Without memory: stands for the next buffer until an append needs one. */
  readonly #none: CommitBuffer;
  /** Full buffers and tasks in the order in which they came; the buffer that is filling comes behind them. */
  #pending: (CommitBuffer | ExclusiveTask)[] = [];
  #filling: CommitBuffer;
  readonly #appended = { records: 0, bytes: 0 };
  #nextLsn: number;
  #pendingBytes = 0;
  #rewinds = 0;
  #isScheduled = false;
  #isBusy = false;
  /** The group that is being written. */
  #group: readonly CommitBuffer[] = [];
  #eagerGroups = 0;
  #failure: Error | undefined;
  #idle: (() => void)[] = [];

  constructor(options: GroupCommitOptions) {
    this.#options = options;
    this.#nextLsn = options.nextLsn;
    this.#pool = new BufferPool(options);
    this.#none = new CommitBuffer(0, options.geometry);
    this.#filling = this.#none;
  }

  get nextLsn(): number {
    return this.#nextLsn;
  }

  /** What was accepted since the log was opened. */
  get appended(): { readonly records: number; readonly bytes: number } {
    return this.#appended;
  }

  /** The error that later appends get, once a write or sync has failed. */
  get failure(): Error | undefined {
    return this.#failure;
  }

  /** Bytes that are copied but not yet handed to the sink's completion. */
  get pendingBytes(): number {
    return this.#pendingBytes + this.#filling.lengthBytes;
  }

  get load(): CommitLoad {
    const waiting = this.#pending.filter((item) => item instanceof CommitBuffer);
    const { pendingBytes } = this;
    const counts = loadOf([...this.#group, ...waiting, this.#filling]);
    return { pendingBytes, ...counts, eagerGroups: this.#eagerGroups };
  }

  /** Appends one record; see `Wal.append`. */
  append(head: number, payload: Uint8Array, ack: AckPoint): Promise<number> {
    if (this.#failure !== undefined) return Promise.reject(this.#failure);
    if (!this.#filling.hasRoomFor(payload.byteLength)) {
      const refusal = this.#nextBuffer(payload.byteLength);
      if (refusal !== undefined) return Promise.reject(refusal);
    }
    const lsn = this.#nextLsn++;
    const buffer = this.#filling;
    buffer.addRecord(head, payload, lsn);
    this.#appended.records++;
    this.#appended.bytes += payload.byteLength;
    const settled = this.#waiter(buffer, ack, lsn);
    this.#schedule();
    return settled;
  }

  /** Appends records as one batch; see `Wal.appendBatch`. `heads[i]` belongs to `payloads[i]`. */
  appendBatch(
    heads: readonly number[],
    payloads: readonly Uint8Array[],
    ack: AckPoint,
  ): Promise<{ readonly firstLsn: number; readonly lastLsn: number }> {
    if (this.#failure !== undefined) return Promise.reject(this.#failure);
    const { recordHeadBytes, targetBodyBytes } = this.#options.geometry;
    let bodyBytes = 0;
    for (const payload of payloads) bodyBytes += recordHeadBytes + payload.byteLength;
    const isLarge = bodyBytes > targetBodyBytes;
    const roomBytes = isLarge ? this.#largeBatchBytes(bodyBytes) : bodyBytes;
    if (!this.#filling.hasRoomFor(roomBytes)) {
      const refusal = this.#nextBuffer(roomBytes);
      if (refusal !== undefined) return Promise.reject(refusal);
    }
    const buffer = this.#filling;
    const firstLsn = this.#nextLsn;
    const firstFrame = buffer.frames.length;
    if (isLarge || bodyBytes > buffer.openFrameRoomBytes) buffer.openFrame(firstLsn);
    for (let index = 0; index < payloads.length; index++) {
      const payload = payloads[index];
      const head = heads[index];
      if (payload !== undefined && head !== undefined) {
        buffer.addRecord(head, payload, this.#nextLsn++);
      }
    }
    if (isLarge) {
      buffer.closeFrame();
      buffer.markContinued(firstFrame);
    }
    this.#appended.records += payloads.length;
    this.#appended.bytes += bodyBytes - payloads.length * recordHeadBytes;
    const settled = this.#waiter(buffer, ack, { firstLsn, lastLsn: this.#nextLsn - 1 });
    this.#schedule();
    return settled;
  }

  /**
   * Runs a task when no write is under way: after everything appended before this call has been written, and before
   * anything appended after it. The task's failure is a failure of the log: it poisons as a failed write does.
   */
  exclusive(run: () => Promise<void>): Promise<void> {
    if (this.#failure !== undefined) return Promise.reject(this.#failure);
    this.#retireFilling();
    const settled = new Promise<void>((resolve, reject) => {
      this.#pending.push({ run, resolve, reject });
    });
    this.#schedule();
    return settled;
  }

  /**
   * As {@link exclusive}, for a task that drops records at the back: appends after this call get LSNs from `nextLsn` on.
   */
  rewind(nextLsn: number, run: () => Promise<void>): Promise<void> {
    if (this.#failure !== undefined) return Promise.reject(this.#failure);
    this.#rewinds++;
    const settled = this.exclusive(run).finally(() => this.#rewinds--);
    this.#nextLsn = nextLsn;
    return settled;
  }

  /** A rewind waits or runs: LSNs from its own on may stand for two records. */
  get isRewinding(): boolean {
    return this.#rewinds > 0;
  }

  /** Gives the memory of buffers back that nobody is using. To be called when the log has fallen idle. */
  trim(): void {
    this.#pool.trim();
    if (this.#filling.isEmpty) this.#filling = this.#none;
  }

  /** Resolves when nothing is waiting and nothing is under way. Never rejects. */
  async drained(): Promise<void> {
    while (this.#isBusy || this.#isScheduled) {
      await new Promise<void>((resolve) => {
        this.#idle.push(resolve);
      });
    }
  }

  #waiter<T extends AppendResult>(buffer: CommitBuffer, ack: AckPoint, value: T): Promise<T> {
    if (ack === "buffered") return Promise.resolve(value);
    const waiters = ack === "durable" ? buffer.durableWaiters : buffer.writtenWaiters;
    return new Promise<T>((resolve, reject) => {
      // The list hands back exactly the value that is added here.
      waiters.add(resolve as (value: AppendResult) => void, reject, value);
    });
  }

  /** Room for a batch that spans frames: two neighbours together always exceed one frame's target. */
  #largeBatchBytes(bodyBytes: number): number {
    const { frameHeaderBytes, targetBodyBytes } = this.#options.geometry;
    const maxFrames = 2 * Math.ceil(bodyBytes / targetBodyBytes) + 2;
    return bodyBytes + maxFrames * (frameHeaderBytes + 8);
  }

  /** Starts another buffer. Returns the refusal when too much is waiting already. */
  #nextBuffer(neededBytes: number): Error | undefined {
    if (this.#filling === this.#none) {
      this.#filling = this.#pool.take(0);
      if (this.#filling.hasRoomFor(neededBytes)) return undefined;
    }
    const { pendingBytes } = this;
    if (pendingBytes > 0 && pendingBytes + neededBytes > this.#options.maxPendingBytes) {
      return this.#options.overloaded(pendingBytes);
    }
    if (this.#filling.isEmpty) this.#pool.giveBack(this.#filling);
    else this.#retireFilling();
    this.#filling = this.#pool.take(neededBytes);
    return undefined;
  }

  /** Lets the buffer that is filling wait for its turn; nothing when it is empty. */
  #retireFilling(): void {
    if (this.#filling.isEmpty) return;
    this.#filling.closeFrame();
    this.#pending.push(this.#filling);
    this.#pendingBytes += this.#filling.lengthBytes;
    this.#filling = this.#none;
  }

  get #isWorthStarting(): boolean {
    const needsSync = this.#filling.durableWaiters.count > 0;
    return this.pendingBytes >= EAGER_START_BYTES[needsSync ? "durable" : "written"];
  }

  #schedule(): void {
    if (this.#isBusy) return;
    if (this.#isWorthStarting) {
      this.#startEagerly();
    } else if (!this.#isScheduled) {
      this.#isScheduled = true;
      this.#options.defer(() => {
        this.#isScheduled = false;
        if (!this.#isBusy) this.#start();
      });
    }
  }

  #startEagerly(): void {
    this.#eagerGroups++;
    this.#start();
  }

  /** Begins the next group, synchronously up to its write; or tells `drained` that there is none. */
  #start(): void {
    const { group, tasks } = this.#take();
    if (group.length > 0 || tasks.length > 0) {
      this.#isBusy = true;
      void this.#run(group, tasks);
      return;
    }
    const idle = this.#idle;
    this.#idle = [];
    for (const resolve of idle) resolve();
  }

  /** All buffers up to the first task, and the tasks that follow them. */
  #take(): { readonly group: readonly CommitBuffer[]; readonly tasks: readonly ExclusiveTask[] } {
    this.#retireFilling();
    const group: CommitBuffer[] = [];
    const tasks: ExclusiveTask[] = [];
    let count = 0;
    for (const item of this.#pending) {
      if (!(item instanceof CommitBuffer)) tasks.push(item);
      else if (tasks.length === 0) group.push(item);
      else break;
      count++;
    }
    this.#pending = this.#pending.slice(count);
    return { group, tasks };
  }

  /** One group and the tasks behind it. Never rejects: every failure goes to the waiters. */
  async #run(group: readonly CommitBuffer[], tasks: readonly ExclusiveTask[]): Promise<void> {
    const isDone = await this.#commit(group, tasks);
    const hasTasks = tasks.length > 0;
    if (isDone && hasTasks) {
      this.#tell(group);
      await this.#runTasks(tasks);
    }
    this.#isBusy = false;
    if (this.#failure === undefined && this.#isWorthStarting) this.#startEagerly();
    if (isDone && !hasTasks) this.#tell(group);
    // Also with nothing to do: whoever waits in `drained` is told from there.
    if (!this.#isBusy) this.#schedule();
  }

  /** False when the group failed and its waiters have been told so. */
  async #commit(group: readonly CommitBuffer[], tasks: readonly ExclusiveTask[]): Promise<boolean> {
    if (group.length === 0) return true;
    const durable = group.some((buffer) => buffer.durableWaiters.count > 0);
    this.#group = group;
    try {
      await this.#options.sink(group, durable);
    } catch (cause) {
      this.#fail(cause, group, tasks);
      return false;
    } finally {
      this.#group = [];
    }
    for (const buffer of group) this.#pendingBytes -= buffer.lengthBytes;
    return true;
  }

  #tell(group: readonly CommitBuffer[]): void {
    for (const buffer of group) {
      buffer.writtenWaiters.resolveAll();
      buffer.durableWaiters.resolveAll();
      this.#pool.giveBack(buffer);
    }
  }

  async #runTasks(tasks: readonly ExclusiveTask[]): Promise<void> {
    for (const [index, task] of tasks.entries()) {
      try {
        await task.run();
        task.resolve();
      } catch (cause) {
        this.#fail(cause, [], tasks.slice(index));
        return;
      }
    }
  }

  /** Rejects everybody: those of the failed group first, with what happened to them. */
  #fail(
    cause: unknown,
    group: readonly CommitBuffer[],
    takenTasks: readonly ExclusiveTask[],
  ): void {
    const { first, later, nextLsn, afterwards } = this.#options.onFailure(cause);
    this.#failure = later;
    this.#retireFilling();
    if (later === undefined) this.#nextLsn = nextLsn;
    const waiting = [...group, ...takenTasks, ...this.#pending];
    this.#pending = [];
    this.#pendingBytes = 0;
    for (const item of waiting) {
      if (item instanceof CommitBuffer) {
        item.writtenWaiters.rejectAll(first);
        item.durableWaiters.rejectAll(first);
        this.#pool.giveBack(item);
      } else {
        item.reject(first);
      }
    }
    afterwards?.();
  }
}
