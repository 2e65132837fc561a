/** Lets peers that speak nothing but HTTP/1.1 over a stream ask this node, as OCF's nodes do. */
import { listenHttp1 } from '../adapters/libp2p/http1-listener.ts'
import type { OcfView } from '../http/ocf/deps.ts'
import { PeerHttpServer } from '../http/ocf/peer-server.ts'
import type { Mesh } from './open-mesh.ts'
import type { Parts } from './parts.ts'
import { VERSION } from './version.ts'

/** Everything opened is given to `stack`. */
export async function openPeerHttp(
  stack: AsyncDisposableStack,
  { clock, ids, log, services }: Pick<Parts, 'clock' | 'ids' | 'log' | 'services'>,
  { host, membership }: Pick<Mesh, 'host' | 'membership'>,
  view: OcfView,
): Promise<void> {
  const server = stack.use(
    new PeerHttpServer({
      clock,
      ids,
      log,
      view,
      admit: (peer, options) => membership.admit(peer, options),
      serve: services.servePeer,
      version: VERSION,
    }),
  )
  stack.use(await listenHttp1(host, (peer, socket) => server.accept(peer, socket)))
}
