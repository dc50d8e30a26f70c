/** Where a server is reached from this machine, from the address that it listens on. Pure. */

/** Base URL for clients on this machine, without a slash at the end. */
export function serverUrl(listener: {
  readonly scheme: "http" | "https";
  readonly address: string;
  readonly port: number;
}): string {
  return `${listener.scheme}://${reachableHost(listener.address)}:${listener.port}`;
}

/** True for an address that only this machine reaches. */
export function isLoopbackAddress(address: string): boolean {
  return address === "::1" || address.startsWith("127.");
}

/** The address as a client on this machine writes it in a URL. */
function reachableHost(address: string): string {
  if (address === "0.0.0.0") return "127.0.0.1";
  if (address === "::") return "[::1]";
  return address.includes(":") ? `[${address}]` : address;
}
