/** A libp2p node without any of our bounds, which hands out the connections below its streams. */
import type { Libp2p, MessageStream } from '@libp2p/interface'
import { tcp } from '@libp2p/tcp'
import { tls } from '@libp2p/tls'
import { yamux } from '@libp2p/yamux'
import { createLibp2p } from 'libp2p'

const MANY = 1_000_000

export interface AttackerNode extends AsyncDisposable {
  readonly node: Libp2p
  /** Each connection under its muxer: what is sent there are frames of yamux. */
  readonly raw: readonly MessageStream[]
}

export async function startAttackerNode(): Promise<AttackerNode> {
  const raw: MessageStream[] = []
  const openMuxer = yamux({ maxInboundStreams: MANY, maxOutboundStreams: MANY })
  const node = await createLibp2p({
    transports: [tcp()],
    connectionEncrypters: [tls()],
    streamMuxers: [
      () => {
        const muxer = openMuxer()
        return {
          protocol: muxer.protocol,
          createStreamMuxer: (connection) => {
            raw.push(connection)
            return muxer.createStreamMuxer(connection)
          },
        }
      },
    ],
  })
  return { node, raw, [Symbol.asyncDispose]: async () => node.stop() }
}
