/** Byte streams to peers over libp2p: each over the best connection there is, dialled where there is none. */
import type { Connection, Libp2p, PeerId, Stream } from '@libp2p/interface'
import { peerIdFromString } from '@libp2p/peer-id'
import { HeddleError } from '../../core/errors.ts'
import { asNodeId, type NodeId } from '../../core/ids.ts'
import { limit } from '../../core/limits.ts'
import { MESH_PROTOCOL } from '../../core/mesh/session-options.ts'
import type { OpenOptions, PeerPath, PeerStream, PeerStreams } from '../../ports/peer-streams.ts'
import { dialPeer } from './dial-peer.ts'
import { HTTP1_PROTOCOL } from './http1-client.ts'
import { Libp2pDuplex } from './libp2p-duplex.ts'
import { bestFirst, pathOf } from './peer-path.ts'

export interface PeerStreamsDeps {
  readonly node: Libp2p
}

/** Both sides of a stream look at these: each counts what it has open on one connection with one protocol. */
const STREAM_OPTIONS = {
  maxInboundStreams: limit('meshStreamsPerConnection'),
  maxOutboundStreams: limit('meshStreamsPerConnection'),
  // A circuit may be bounded in bytes and time; the stream then breaks, and its requests go another way.
  runOnLimitedConnection: true,
} as const

/** Protocols whose streams carry bodies; all others are questions and gossip. */
const MUCH = [MESH_PROTOCOL, HTTP1_PROTOCOL, '/libp2p/circuit/relay/']

/** A stream that knows its way. */
class Libp2pPeerStream extends Libp2pDuplex implements PeerStream {
  readonly path: PeerPath
  readonly #connection: Connection

  constructor(stream: Stream, connection: Connection) {
    super(stream, asNodeId(connection.remotePeer.toString()))
    this.path = pathOf(connection)
    this.#connection = connection
  }

  cut(): void {
    const silent = new HeddleError('upstream_failed', 'the peer gives no sign of life')
    this.abort(silent)
    this.#connection.abort(silent)
  }
}

export class Libp2pPeerStreams implements PeerStreams {
  readonly #node: Libp2p

  constructor({ node }: PeerStreamsDeps) {
    this.#node = node
  }

  async open(peer: NodeId, protocol: string, { addresses, signal }: OpenOptions): Promise<PeerStream> {
    signal.throwIfAborted()
    const id = peerIdOf(peer)
    try {
      return await this.openConnected(id, protocol, { signal })
    } catch (cause) {
      signal.throwIfAborted()
      // A peer that is connected and does not speak the protocol speaks it on no other connection.
      if (isUnsupported(cause)) throw unreachable(peer, cause)
    }
    try {
      await dialPeer({ node: this.#node }, id, addresses, { signal })
      return await this.openConnected(id, protocol, { signal })
    } catch (cause) {
      signal.throwIfAborted()
      throw unreachable(peer, cause)
    }
  }

  /** A stream over a connection that exists; fails with libp2p's own errors. */
  async openConnected(
    id: PeerId,
    protocol: string,
    { signal }: { readonly signal: AbortSignal },
  ): Promise<Libp2pPeerStream> {
    let failure: unknown = new HeddleError('peer_unreachable', `${id.toString()} is not connected`)
    for (const connection of bestFirst(this.#node.getConnections(id))) {
      const late = AbortSignal.timeout(limit('streamOpenMs'))
      try {
        const stream = await newStream(connection, protocol, AbortSignal.any([signal, late]))
        return new Libp2pPeerStream(stream, connection)
      } catch (cause) {
        signal.throwIfAborted()
        if (isUnsupported(cause)) throw cause
        // Whoever lives answers at once, unless much was sent before; and who has a session on it judges better.
        if (late.aborted && !carriesMuch(connection)) connection.abort(new Error('no answer to a new stream'))
        failure = cause
      }
    }
    throw failure
  }

  accept(protocol: string, onStream: (stream: PeerStream) => void): () => void {
    if (this.#node.getProtocols().includes(protocol))
      throw new HeddleError('internal', `streams of ${protocol} are accepted already`)
    const handler = (stream: Stream, connection: Connection): void => onStream(new Libp2pPeerStream(stream, connection))
    // The protocol is known before either call returns; the rest is libp2p's note of it in its own address book.
    void this.#node.handle(protocol, handler, STREAM_OPTIONS).catch(ignore)
    return () => void this.#node.unhandle(protocol).catch(ignore)
  }

  paths(peer: NodeId): readonly PeerPath[] {
    return bestFirst(this.#node.getConnections(peerIdOf(peer))).map(pathOf)
  }

  onPath(listener: (peer: NodeId, path: PeerPath) => void): () => void {
    const onOpen = ({ detail }: CustomEvent<Connection>): void =>
      // The list of connections has it only after this event.
      queueMicrotask(() => listener(asNodeId(detail.remotePeer.toString()), pathOf(detail)))
    this.#node.addEventListener('connection:open', onOpen)
    return () => this.#node.removeEventListener('connection:open', onOpen)
  }
}

/** A stream, unless the signal aborts first: not everything below listens to it. */
async function newStream(connection: Connection, protocol: string, signal: AbortSignal): Promise<Stream> {
  const opening = connection.newStream(protocol, { ...STREAM_OPTIONS, signal })
  const { promise: aborted, reject } = Promise.withResolvers<never>()
  const onAbort = (): void => reject(signal.reason)
  signal.addEventListener('abort', onAbort)
  try {
    return await Promise.race([opening, aborted])
  } catch (error) {
    opening.then((late) => late.abort(new Error('no longer wanted')), ignore)
    throw error
  } finally {
    signal.removeEventListener('abort', onAbort)
  }
}

/** @throws HeddleError `peer_unreachable` where `peer` is no id of libp2p */
export function peerIdOf(peer: NodeId): PeerId {
  try {
    return peerIdFromString(peer)
  } catch (cause) {
    throw unreachable(peer, cause)
  }
}

export function unreachable(peer: string, cause?: unknown): HeddleError {
  if (cause instanceof HeddleError && cause.code === 'peer_unreachable') return cause
  return new HeddleError('peer_unreachable', `cannot reach ${peer}`, { cause })
}

/** Whether streams are open on the connection that may hold up a new one. */
function carriesMuch({ streams }: Connection): boolean {
  return streams.some(({ protocol }) => MUCH.some((each) => protocol.startsWith(each)))
}

function isUnsupported(error: unknown): boolean {
  return error instanceof Error && error.name === 'UnsupportedProtocolError'
}

function ignore(): void {}
