/** Quotes text for a POSIX shell, so that printed commands work when pasted. Pure. */

const PLAIN = /^[A-Za-z0-9_./:@%+=,-]+$/;

/** The text as one shell word. */
export function shellQuote(text: string): string {
  return PLAIN.test(text) ? text : `'${text.replaceAll("'", String.raw`'\''`)}'`;
}
