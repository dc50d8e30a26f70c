/**
 * Where the built console is: static files that the server serves.
 *
 * The user interface itself is made for browsers and bundled at build time; a server needs only this path.
 */

/** Directory of the built files, with a slash at the end. Missing until the console has been built. */
export const CONSOLE_DIRECTORY: URL = new URL("../dist/site/", import.meta.url);
