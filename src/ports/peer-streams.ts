/** Byte streams between this node and its peers, told apart by protocol names such as `/heddle/mesh/1`. */
import type { NodeId } from '../core/ids.ts'
import type { Duplex } from './duplex.ts'

/** How the bytes of a stream travel. */
export interface PeerPath {
  /** `circuit`: through a relay. */
  readonly kind: 'direct' | 'circuit'
  readonly transport: 'tcp' | 'websocket' | 'quic' | 'memory'
  /** The multiaddr of the other side, as this side sees it. */
  readonly address: string
}

export interface PeerStream extends Duplex {
  readonly path: PeerPath
  /** Ends the stream at once, and the way on which it came: the peer gives no sign of life there. */
  cut(): void
}

export interface OpenOptions {
  /** Multiaddrs to try where the peer is not connected; the transport may know others. */
  readonly addresses: readonly string[]
  readonly signal: AbortSignal
}

/**
 * Every implementation promises (test/contracts/peer-streams.contract.ts checks it):
 * - `open` uses the best connection there is (direct before circuit), or dials; it rejects with `peer_unreachable` where the peer
 *   does not answer, is another than `peer`, or does not speak the protocol, and with the signal's reason when that aborts;
 * - a stream handed over by `accept` comes from a peer that proved its key; one nobody accepts is refused;
 * - after `cut` the way is gone with every stream on it, on both sides where the other one lives, and `open` looks for a new one;
 * - `onPath` listeners hear of each new way to a peer, so that who uses a worse one can change over.
 */
export interface PeerStreams {
  open(peer: NodeId, protocol: string, options: OpenOptions): Promise<PeerStream>
  /** The result stops it; streams that were handed over live on. */
  accept(protocol: string, onStream: (stream: PeerStream) => void): () => void
  /** The ways on which `peer` is connected now, best first. */
  paths(peer: NodeId): readonly PeerPath[]
  /** The result stops it. */
  onPath(listener: (peer: NodeId, path: PeerPath) => void): () => void
}
