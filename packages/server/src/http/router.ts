/**
 * Which route answers a path and a method: one map lookup for exact paths, then those with names in braces.
 *
 * A route says who may call it and in which phases, so that the dispatcher checks both before any byte of
 * a body is read.
 */
import type { RouteAccess } from "../access/access-right.ts";
import type { Exchange } from "./exchange.ts";

/** Answers one request. Throws a ServerError to have it answered as one. */
export type RouteHandler = (exchange: Exchange) => void | Promise<void>;

/** One way to answer: what it is called in metrics, who may call it, when it works. */
export interface Route {
  /** Label in metrics: a name of ours, never the client's text. */
  readonly name: string;
  readonly method: "GET" | "POST" | "PUT" | "DELETE";
  /** Exact, or with parts in braces that stand for any text without a slash: `/databases/{database}`. */
  readonly path: string;
  /** The right that a caller needs; checked before a byte of the body is read. */
  readonly access: RouteAccess;
  /** "ready": only after recovery and before a stop; "always": in every phase. */
  readonly availability: "ready" | "always";
  readonly handle: RouteHandler;
}

/** Result of a lookup. `allow` lists what the path does answer. */
export type RouteMatch =
  | { readonly kind: "found"; readonly route: Route }
  | { readonly kind: "wrong-method"; readonly allow: string }
  | { readonly kind: "unknown-path" };

const UNKNOWN_PATH: RouteMatch = { kind: "unknown-path" };

interface PathEntry {
  readonly matches: Map<string, RouteMatch>;
  readonly wrongMethod: RouteMatch;
}

interface PathPattern {
  readonly parts: readonly string[];
  readonly entry: PathEntry;
}

/** The table of routes, fixed when it is made. */
export class Router {
  readonly #paths: ReadonlyMap<string, PathEntry>;
  readonly #patterns: readonly PathPattern[];

  constructor(routes: readonly Route[]) {
    const paths = new Map<string, PathEntry>();
    for (const [path, group] of groupByPath(routes)) {
      const matches = new Map<string, RouteMatch>();
      for (const route of group) {
        const found: RouteMatch = { kind: "found", route };
        matches.set(route.method, found);
        // node:http leaves the body out of an answer to HEAD by itself.
        if (route.method === "GET") matches.set("HEAD", found);
      }
      const allow = [...matches.keys()].toSorted().join(", ");
      paths.set(path, { matches, wrongMethod: { kind: "wrong-method", allow } });
    }
    this.#paths = paths;
    this.#patterns = [...paths]
      .filter(([path]) => path.includes("{"))
      .map(([path, entry]) => ({ parts: path.split("/"), entry }));
  }

  find(method: string, path: string): RouteMatch {
    const entry = this.#paths.get(path) ?? this.#findPattern(path);
    if (entry === undefined) return UNKNOWN_PATH;
    return entry.matches.get(method) ?? entry.wrongMethod;
  }

  #findPattern(path: string): PathEntry | undefined {
    const parts = path.split("/");
    return this.#patterns.find((pattern) => isLike(pattern.parts, parts))?.entry;
  }
}

function isLike(pattern: readonly string[], parts: readonly string[]): boolean {
  if (pattern.length !== parts.length) return false;
  return pattern.every((part, index) =>
    part.startsWith("{") ? parts[index] !== "" : part === parts[index],
  );
}

function groupByPath(routes: readonly Route[]): Map<string, Route[]> {
  const groups = new Map<string, Route[]>();
  for (const route of routes) {
    const group = groups.get(route.path) ?? [];
    if (group.some((other) => other.method === route.method)) {
      throw new RangeError(`two routes answer ${route.method} ${route.path}`);
    }
    group.push(route);
    groups.set(route.path, group);
  }
  return groups;
}
