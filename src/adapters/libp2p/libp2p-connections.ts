/** Who is connected to a libp2p node. */
import type { Libp2p, PeerId } from '@libp2p/interface'
import { type Multiaddr, multiaddr } from '@multiformats/multiaddr'
import { HeddleError } from '../../core/errors.ts'
import { asNodeId, type NodeId } from '../../core/ids.ts'
import type { ConnectionChange, Connections } from '../../ports/gossip.ts'

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
    const target = parseAddress(address)
    try {
      const connection = await this.#node.dial(target, { signal })
      return nodeIdOf(connection.remotePeer)
    } catch (cause) {
      signal.throwIfAborted()
      const why = reasonOf(cause)
      throw new HeddleError('peer_unreachable', `cannot reach ${address}${why === undefined ? '' : `: ${why}`}`, {
        cause,
      })
    }
  }
}

function parseAddress(address: string): Multiaddr {
  try {
    return multiaddr(address)
  } catch (cause) {
    throw new HeddleError('invalid_request', `"${address}" is no multiaddr that this version understands`, {
      cause,
      param: 'address',
      fix: 'write it like /ip4/192.168.1.20/tcp/11441/p2p/12D3KooW…',
    })
  }
}

/** By code of the system or name of libp2p's error; undefined where neither says anything to people. */
const REASONS: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'nobody listens there',
  ECONNRESET: 'the connection was cut at once',
  EHOSTUNREACH: 'no way leads there',
  ENETUNREACH: 'no way leads there',
  ENOTFOUND: 'there is no such name',
  ETIMEDOUT: 'no answer',
  TimeoutError: 'no answer in time',
  EncryptionFailedError: 'what answers there is another node than was named, or none at all',
  NoValidAddressesError: 'the address is not one that can be dialled',
  DialDeniedError: 'this node does not dial it',
}

function reasonOf(cause: unknown): string | undefined {
  if (!(cause instanceof Error)) return undefined
  return REASONS['code' in cause ? String(cause.code) : ''] ?? REASONS[cause.name]
}

function nodeIdOf(peer: PeerId): NodeId {
  return asNodeId(peer.toString())
}
