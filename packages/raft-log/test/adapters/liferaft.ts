/** liferaft has no types of its own; what the tests use of it. */
import type { EventEmitter } from "node:events";
import { createRequire } from "node:module";

type Write<P> = (packet: P, reply: (error: unknown, packet?: P) => void) => void;

export interface Liferaft extends EventEmitter {
  readonly log: unknown;
  readonly address: string;
  readonly term: number;
  join<P>(address: string, write: Write<P>): unknown;
  command(command: unknown): Promise<void>;
  end(): boolean;
}

export const LifeRaft = createRequire(import.meta.url)("@markwylde/liferaft") as new (
  address: string,
  options: Readonly<Record<string, unknown>>,
) => Liferaft;
