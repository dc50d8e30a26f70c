/**
 * A name for each request, the same in its answer, in the body of an error and in log lines.
 *
 * A client's own `x-request-id` is kept when it is short and plain, so that it can be followed through several
 * programs; anything else is replaced, because the text ends up in headers and logs.
 */

const WELL_FORMED = /^[A-Za-z0-9._:@/+=-]{1,128}$/;
const COUNT_RADIX = 36;

/** Names requests: those of one process share a prefix, which has to differ between processes. */
export class RequestIds {
  readonly #prefix: string;
  #count = 0;

  constructor(prefix: string) {
    this.#prefix = prefix;
  }

  /** The id of a request with this header. */
  idOf(header: string | string[] | undefined): string {
    if (typeof header === "string" && WELL_FORMED.test(header)) return header;
    return `${this.#prefix}-${(++this.#count).toString(COUNT_RADIX)}`;
  }
}
