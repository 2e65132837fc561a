/** Finds nodes of the same LAN by mDNS, and connects to them while this node has few connections. */
import type { Libp2p, PeerInfo } from '@libp2p/interface'
import { mdns } from '@libp2p/mdns'
import type { Libp2pInit } from 'libp2p'
import { limit } from '../../core/limits.ts'
import type { Logger } from '../../ports/logger.ts'

type DiscoveryFactory = NonNullable<Libp2pInit['peerDiscovery']>[number]

/** The name under which nodes look for each other; ours, so that other libp2p systems are left alone. */
const SERVICE = '_heddle._udp.local'

export class LanDiscovery {
  readonly #log: Logger
  #node: Libp2p | undefined

  constructor({ log }: { readonly log: Logger }) {
    this.#log = log
  }

  /** For libp2p's list of discoveries. */
  readonly open: DiscoveryFactory = (components) => {
    // Asks at once, and then every ten seconds.
    const discovery = mdns({ serviceTag: SERVICE })(components)
    // libp2p itself only remembers who was found.
    discovery.addEventListener('peer', ({ detail }) => void this.#connect(detail))
    return discovery
  }

  connectFrom(node: Libp2p): void {
    this.#node = node
  }

  async #connect({ id, multiaddrs }: PeerInfo): Promise<void> {
    const node = this.#node
    if (node === undefined || node.getConnections().length >= limit('wantedPeers')) return
    if (node.getConnections(id).length > 0) return
    const peer = id.toString()
    const addresses = multiaddrs.map((address) => address.encapsulate(`/p2p/${peer}`))
    try {
      await node.dial(addresses, { signal: AbortSignal.timeout(limit('connectTimeoutMs')) })
      this.#log.info({ peer }, 'found a node on the lan')
    } catch (cause) {
      // It says that it is there again and again.
      this.#log.debug({ peer, cause }, 'a node of the lan does not answer')
    }
  }
}
