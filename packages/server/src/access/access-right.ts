/**
 * What a caller may do: three rights, and whom a request was recognised as.
 *
 * `read` asks for rows and looks at the server, `write` adds rows, `admin` changes how the server works. Who may
 * make tokens can make one of every right, so `admin` includes the other two: leaving them out would only look safe.
 */

/** Every right, in the order in which they are listed. */
export const ACCESS_RIGHTS = ["read", "write", "admin"] as const;

/** One right. */
export type AccessRight = (typeof ACCESS_RIGHTS)[number];

/** What a route asks of its caller; "public" asks for nothing. */
export type RouteAccess = "public" | AccessRight;

/** Whom a token stands for. Never holds the token. */
export interface AccessGrant {
  /** Id of the token; safe to log. */
  readonly id: string;
  readonly name: string;
  readonly rights: readonly AccessRight[];
  /** True for a token that many use, as for those in clear: then each address is a client of its own. */
  readonly isShared: boolean;
}

/** True when the grant has the right, by itself or through `admin`. */
export function grantAllows(grant: AccessGrant, right: AccessRight): boolean {
  return grant.rights.includes(right) || grant.rights.includes("admin");
}

/** True when the text names a right. */
export function isAccessRight(text: string): text is AccessRight {
  return (ACCESS_RIGHTS as readonly string[]).includes(text);
}
