/** What a request to a node or a probe of it says about whether the node can be reached. */

/** A refusal by the node is an answer too. */
export type PeerOutcome =
  | { readonly kind: 'answered'; readonly rttMs?: number | undefined }
  | { readonly kind: 'unreachable'; readonly reason: string }
