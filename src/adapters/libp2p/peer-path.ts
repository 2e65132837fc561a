/** How a connection of libp2p reaches its peer, and which of several is the best. */
import type { Connection } from '@libp2p/interface'
import type { PeerPath } from '../../ports/peer-streams.ts'

type Transport = PeerPath['transport']

/** Best first: frames over TLS on TCP cost least, then those over WebSocket; QUIC needs the most CPU of the three. */
const TRANSPORTS: readonly Transport[] = ['memory', 'tcp', 'websocket', 'quic']

export function pathOf(connection: Connection): PeerPath {
  const names = connection.remoteAddr.getComponents().map(({ name }) => name)
  return {
    kind: names.includes('p2p-circuit') ? 'circuit' : 'direct',
    transport: transportOf(names),
    address: connection.remoteAddr.toString(),
  }
}

/** Open connections, best first: direct before circuit, unlimited before limited, TLS before Noise, cheap transports before others. */
export function bestFirst(connections: readonly Connection[]): readonly Connection[] {
  return connections
    .filter(({ status }) => status === 'open')
    .map((connection) => ({ connection, rank: rankOf(connection) }))
    .sort((a, b) => a.rank - b.rank)
    .map(({ connection }) => connection)
}

function rankOf(connection: Connection): number {
  const { kind, transport } = pathOf(connection)
  const isNoise = connection.encryption === '/noise'
  return (
    (kind === 'circuit' ? 100 : 0) +
    (connection.limits === undefined ? 0 : 50) +
    TRANSPORTS.indexOf(transport) * 2 +
    (isNoise ? 1 : 0)
  )
}

function transportOf(names: readonly string[]): Transport {
  // Of a circuit, the way to its relay.
  for (const name of names) {
    if (name === 'p2p-circuit') break
    if (name === 'quic-v1') return 'quic'
    if (name === 'ws' || name === 'wss') return 'websocket'
    if (name === 'memory') return 'memory'
  }
  return 'tcp'
}
