/** Takes streams of peers that speak HTTP/1.1 and hands them on as sockets. */
import type { Libp2p } from '@libp2p/interface'
import { asNodeId, type NodeId } from '../../core/ids.ts'
import { limit } from '../../core/limits.ts'
import { HTTP1_PROTOCOL } from './http1-client.ts'
import { Http1Duplex } from './http1-duplex.ts'

/** Whoever gets a socket owns it. The result stops taking more. */
export async function listenHttp1(
  { node }: { readonly node: Pick<Libp2p, 'handle' | 'unhandle'> },
  onSocket: (peer: NodeId, socket: Http1Duplex) => void,
): Promise<AsyncDisposable> {
  await node.handle(
    HTTP1_PROTOCOL,
    (stream, connection) => {
      const peer = asNodeId(connection.remotePeer.toString())
      onSocket(peer, new Http1Duplex(stream, peer))
    },
    { maxInboundStreams: limit('http1StreamsPerPeer'), runOnLimitedConnection: true },
  )
  return { [Symbol.asyncDispose]: () => node.unhandle(HTTP1_PROTOCOL) }
}
