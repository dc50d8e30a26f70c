/**
 * Capacity group: one byte budget for several logs, such as the categories of a spool on one small tmpfs.
 */

import { WalError } from "../errors.ts";

/** What a group needs to know of a log. */
export interface GroupMember {
  /** Bytes that the log holds or is about to write. */
  usedBytes(): number;
  /** Bytes that no other member can take from it. */
  readonly guaranteedBytes: number;
  /** Called when another member has freed space. */
  onSpaceFreed(): void;
  /** Called when another member has no room: whatever nobody needs of this one should go. */
  onSpaceWanted(): void;
}

export interface CapacityGroupOptions {
  /** Bytes that all members together may hold. */
  readonly maxBytes: number;
}

/** Shares a budget. Pass the same one to every log of the group. */
export class CapacityGroup {
  readonly maxBytes: number;
  readonly #members = new Set<GroupMember>();

  constructor(options: CapacityGroupOptions) {
    if (!Number.isSafeInteger(options.maxBytes) || options.maxBytes < 1) {
      throw new RangeError(`maxBytes is ${options.maxBytes}; must be a whole number of bytes`);
    }
    this.maxBytes = options.maxBytes;
  }

  /** Bytes that all members hold now. */
  get usedBytes(): number {
    let used = 0;
    for (const member of this.#members) used += member.usedBytes();
    return used;
  }

  /**
   * Bytes that `member` may still take: what the others hold, or are guaranteed, is not to be had.
   * @internal
   */
  availableBytes(member: GroupMember): number {
    let taken = member.usedBytes();
    for (const other of this.#members) {
      if (other !== member) taken += Math.max(other.usedBytes(), other.guaranteedBytes);
    }
    return this.maxBytes - taken;
  }

  /**
   * Bytes that `member` could take if the others held nothing but what they are guaranteed.
   * @internal
   */
  limitBytes(member: GroupMember): number {
    let taken = 0;
    for (const other of this.#members) if (other !== member) taken += other.guaranteedBytes;
    return this.maxBytes - taken;
  }

  /**
   * @internal
   * @throws `WAL_INVALID_OPTION` when more would be guaranteed than there is
   */
  join(member: GroupMember): void {
    const leftBytes = this.limitBytes(member);
    if (member.guaranteedBytes > leftBytes) {
      throw new WalError(
        "WAL_INVALID_OPTION",
        `option guaranteedBytes is ${member.guaranteedBytes}; the group has ${this.maxBytes} bytes, of which ${this.maxBytes - leftBytes} are guaranteed to other logs`,
        { details: { option: "guaranteedBytes", maxBytes: this.maxBytes } },
      );
    }
    this.#members.add(member);
  }

  /** @internal */
  leave(member: GroupMember): void {
    this.#members.delete(member);
    this.spaceFreed(member);
  }

  /** @internal */
  spaceFreed(by: GroupMember): void {
    for (const member of this.#members) if (member !== by) member.onSpaceFreed();
  }

  /** @internal */
  spaceWanted(by: GroupMember): void {
    for (const member of this.#members) if (member !== by) member.onSpaceWanted();
  }
}
