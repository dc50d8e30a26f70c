/**
 * What a person or a generator of clients has to know about a route, as data: parameters, body, answers, errors.
 *
 * Routes say how they are reached and by whom; operations say what goes in and out. Both are found by the route's name.
 */
import type { z } from "zod";
import type { ServerErrorCode } from "../../errors.ts";

/** A query parameter or a header. */
export interface OperationParameter {
  readonly name: string;
  readonly in: "query" | "header";
  readonly description: string;
  readonly schema: z.ZodType;
  readonly isRequired?: boolean;
}

/** Bytes of a media type. With a schema they are JSON of that shape. */
export interface OperationContent {
  readonly type: string;
  readonly schema?: z.ZodType;
  readonly example?: unknown;
}

/** An answer that is no error. */
export interface OperationAnswer {
  readonly status: number;
  readonly description: string;
  /** Of one of these types; empty without them. */
  readonly contents?: readonly OperationContent[];
}

/** One thing that the server can be asked. */
export interface Operation {
  readonly tag: "write" | "query" | "log" | "data" | "access" | "server";
  readonly summary: string;
  readonly description?: string;
  readonly parameters?: readonly OperationParameter[];
  readonly body?: readonly OperationContent[];
  readonly answers: readonly OperationAnswer[];
  /** Codes beside those that every route of its access and availability can answer. */
  readonly errors?: readonly ServerErrorCode[];
}

/** Operations by the name of their route. */
export type Operations = Readonly<Record<string, Operation>>;

/** An answer of JSON. */
export function jsonAnswer(description: string, schema: z.ZodType, status = 200): OperationAnswer {
  return { status, description, contents: [{ type: "application/json", schema }] };
}
