/**
 * The target of a request, split into path and query text.
 *
 * Pure. Parameters are parsed only for the routes that ask, because most writes carry one or two and
 * health checks none.
 */

/** Path and raw query text (without the question mark). */
export interface RequestTarget {
  readonly path: string;
  readonly queryText: string;
}

/** Splits the target of a request line; the absolute form that proxies send is understood as well. */
export function parseRequestTarget(target: string): RequestTarget {
  const relative = target.startsWith("/") ? target : stripOrigin(target);
  const mark = relative.indexOf("?");
  if (mark === -1) return { path: relative, queryText: "" };
  return { path: relative.slice(0, mark), queryText: relative.slice(mark + 1) };
}

function stripOrigin(target: string): string {
  const scheme = target.indexOf("://");
  if (scheme === -1) return target;
  const slash = target.indexOf("/", scheme + 3);
  return slash === -1 ? "/" : target.slice(slash);
}
