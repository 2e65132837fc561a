/** Peers that were connected once, with where they were reached: the way back into the network without a bootstrap. */
import type { NodeId } from '../core/ids.ts'
import { limit } from '../core/limits.ts'

export interface GoodPeer {
  readonly peer: NodeId
  readonly addresses: readonly string[]
}

export class GoodPeers {
  /** The last one was seen last. */
  readonly #peers = new Map<NodeId, readonly string[]>()

  add({ peer, addresses }: GoodPeer): void {
    if (addresses.length === 0) return
    this.#peers.delete(peer)
    this.#peers.set(peer, addresses.slice(0, limit('recordAddresses')))
    const [oldest] = this.#peers.keys()
    if (this.#peers.size > limit('goodPeers') && oldest !== undefined) this.#peers.delete(oldest)
  }

  /** Newest first. */
  all(): readonly GoodPeer[] {
    return [...this.#peers].toReversed().map(([peer, addresses]) => ({ peer, addresses }))
  }
}
