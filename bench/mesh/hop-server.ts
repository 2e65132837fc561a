/** The far end of a hop, a process of its own: the same service over plain HTTP, over mesh sessions and over fresh streams. */
import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { Libp2pPeerStreams } from '../../src/adapters/libp2p/libp2p-peer-streams.ts'
import { MESH_PROTOCOL } from '../../src/core/mesh/session-options.ts'
import type { Duplex } from '../../src/ports/duplex.ts'
import { sessionOn, startHopHost } from './hop-host.ts'
import { EXCHANGE_BYTES, FRESH_PROTOCOL, type HopAddresses } from './hop-job.ts'
import { serveHop } from './hop-service.ts'

async function answerHttp(incoming: IncomingMessage, outgoing: ServerResponse): Promise<void> {
  const { status, headers, body } = await serveHop({ path: incoming.url ?? '/', body: incoming })
  outgoing.writeHead(status, headers)
  for await (const chunk of body) if (!outgoing.write(chunk)) await once(outgoing, 'drain')
  outgoing.end()
}

/** Answers the first kilobyte with another. */
function answerFresh(stream: Duplex): void {
  let bytes = 0
  stream.start({
    received: (chunk) => {
      bytes += chunk.length
      if (bytes === EXCHANGE_BYTES) stream.send([new Uint8Array(EXCHANGE_BYTES).fill(120)])
    },
    drained: () => undefined,
    closed: () => undefined,
  })
}

async function main(): Promise<void> {
  const http = createServer((incoming, outgoing) => {
    answerHttp(incoming, outgoing).catch((error: Error) => outgoing.destroy(error))
  })
  http.listen(0, '127.0.0.1')
  await once(http, 'listening')
  const host = await startHopHost({ listens: true })
  const streams = new Libp2pPeerStreams(host)
  streams.accept(MESH_PROTOCOL, (stream) => void sessionOn(stream, 'listener', serveHop))
  streams.accept(FRESH_PROTOCOL, answerFresh)
  const addressWith = (part: RegExp): string => host.addresses().find((address) => part.test(address)) ?? ''
  const address = http.address()
  const addresses: HopAddresses = {
    httpPort: typeof address === 'object' && address !== null ? address.port : 0,
    node: host.id,
    tcp: addressWith(/\/tcp\/\d+\/p2p\//),
    websocket: addressWith(/\/ws\/p2p\//),
    quic: addressWith(/\/quic-v1\/p2p\//),
  }
  process.on('message', () => process.send?.(addresses))
  process.once('SIGTERM', () => process.exit(0))
}

await main()
