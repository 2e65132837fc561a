/** Who is connected to a libp2p node. */
import type { Libp2p, PeerId } from '@libp2p/interface'
import { multiaddr } from '@multiformats/multiaddr'
import { asNodeId, type NodeId } from '../../core/ids.ts'
import type { ConnectionChange, Connections } from '../../ports/gossip.ts'
import { unreachable } from './libp2p-peer-streams.ts'

export class Libp2pConnections implements Connections {
  readonly #node: Libp2p

  constructor({ node }: { readonly node: Libp2p }) {
    this.#node = node
  }

  peers(): readonly NodeId[] {
    return this.#node.getPeers().map(nodeIdOf)
  }

  onChange(listener: (change: ConnectionChange) => void): () => void {
    const node = this.#node
    const onConnect = ({ detail }: CustomEvent<PeerId>): void => listener({ peer: nodeIdOf(detail), isConnected: true })
    const onDisconnect = ({ detail }: CustomEvent<PeerId>): void =>
      listener({ peer: nodeIdOf(detail), isConnected: false })
    node.addEventListener('peer:connect', onConnect)
    node.addEventListener('peer:disconnect', onDisconnect)
    return () => {
      node.removeEventListener('peer:connect', onConnect)
      node.removeEventListener('peer:disconnect', onDisconnect)
    }
  }

  async connect(address: string, { signal }: { readonly signal: AbortSignal }): Promise<NodeId> {
    signal.throwIfAborted()
    try {
      const connection = await this.#node.dial(multiaddr(address), { signal })
      return nodeIdOf(connection.remotePeer)
    } catch (cause) {
      signal.throwIfAborted()
      throw unreachable(address, cause)
    }
  }
}

function nodeIdOf(peer: PeerId): NodeId {
  return asNodeId(peer.toString())
}
