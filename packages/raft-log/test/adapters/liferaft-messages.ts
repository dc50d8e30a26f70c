/** What nodes of the test's cluster and their parent, the network, say to each other. */

/** A packet of liferaft, as far as it is looked at. */
export interface Packet {
  readonly type: string;
  readonly term: number;
  readonly address: string;
  readonly data?: { readonly granted?: boolean; readonly index?: number; readonly term?: number };
}

export type ToNode =
  | { readonly kind: "command"; readonly n: number }
  | { readonly kind: "packet"; readonly from: string; readonly id: number; readonly packet: Packet }
  | { readonly kind: "reply"; readonly id: number; readonly packet: Packet | undefined };

export type FromNode =
  | {
      readonly kind: "found";
      readonly term: number;
      readonly vote: string;
      readonly commit: number;
      readonly entries: readonly (readonly [index: number, term: number, text: string])[];
    }
  | { readonly kind: "packet"; readonly to: string; readonly id: number; readonly packet: Packet }
  | {
      readonly kind: "reply";
      readonly to: string;
      readonly id: number;
      readonly packet: Packet | undefined;
    }
  | {
      readonly kind: "committed";
      readonly index: number;
      readonly term: number;
      readonly text: string;
    }
  | { readonly kind: "leader" }
  | { readonly kind: "failed"; readonly text: string };
