/**
 * Options of the section `[forward]` that concern the server: the agent beside it (`walnut forward`), which has the rest
 * of the section. One file for both names the address and the token once.
 */
import type { RowsOf } from "./option-row.ts";

/** Options of the section `[forward]`. */
export interface ForwardSection {
  /**
   * Where an agent on this host listens, `HOST:PORT`. The overview and the console then show it; it is asked when they
   * are, and never otherwise. Left out: no agent is asked. `walnut serve` takes the agent's own default where
   * walnut.toml has anything in `[forward]`.
   */
  readonly forwardListen?: string | undefined;
  /** Token that the agent wants to see; it is sent to the agent and to nobody else. */
  readonly forwardListenToken?: string | undefined;
}

export const FORWARD_SECTION: RowsOf<ForwardSection> = {
  forwardListen: {
    kind: "text",
    toml: "forward.listen",
    flag: "forward-listen",
    defaultText: "none, or 127.0.0.1:9529 where the file has a `[forward]`",
    summary: "address and port of a `walnut forward` on this host that the console shows",
  },
  forwardListenToken: {
    kind: "secret",
    toml: "forward.listen_token",
    flag: "forward-listen-token",
    defaultText: "none",
    summary: "token that this agent wants to see",
  },
};
