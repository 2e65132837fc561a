/** Messages cost one write each, and credit comes back all the same. */
import assert from 'node:assert/strict'
import { describe, it, type TestContext } from 'node:test'
import type { Libp2p, StreamMuxerFactory } from '@libp2p/interface'
import { tcp } from '@libp2p/tcp'
import { tls } from '@libp2p/tls'
import { yamux } from '@libp2p/yamux'
import { createLibp2p } from 'libp2p'
import { waitUntil } from '../../../test/support/wait-until.ts'
import { asNodeId } from '../../core/ids.ts'
import type { Duplex } from '../../ports/duplex.ts'
import { leanMuxer } from './lean-muxer.ts'
import { Libp2pPeerStreams } from './libp2p-peer-streams.ts'

const PROTOCOL = '/heddle/test-lean/1'
const MESSAGES = 200
const MESSAGE_BYTES = 1_000

class End {
  bytes = 0
  drains = 0
  readonly closed: unknown[] = []
  readonly duplex: Duplex
  constructor(duplex: Duplex) {
    this.duplex = duplex
    duplex.start({
      received: (chunk) => {
        this.bytes += chunk.length
      },
      drained: () => {
        this.drains += 1
      },
      closed: (error) => this.closed.push(error),
    })
  }
}

class Writes {
  readonly sizes: number[] = []

  /** Sees what the muxer writes to a connection. */
  counted(muxer: StreamMuxerFactory): StreamMuxerFactory {
    return {
      protocol: muxer.protocol,
      createStreamMuxer: (connection) => {
        const send = connection.send.bind(connection)
        connection.send = (data) => {
          this.sizes.push(data instanceof Uint8Array ? data.length : Number.NaN)
          return send(data)
        }
        return muxer.createStreamMuxer(connection)
      },
    }
  }
}

async function startNode(t: TestContext, writes: Writes): Promise<Libp2p> {
  const node = await createLibp2p({
    addresses: { listen: ['/ip4/127.0.0.1/tcp/0'] },
    transports: [tcp()],
    connectionEncrypters: [tls()],
    streamMuxers: [() => writes.counted(leanMuxer(yamux()()))],
    connectionMonitor: { enabled: false },
  })
  t.after(() => node.stop())
  return node
}

async function openEnds(t: TestContext): Promise<{ near: End; far: End; nearWrites: Writes; farWrites: Writes }> {
  const [nearWrites, farWrites] = [new Writes(), new Writes()]
  const [near, far] = await Promise.all([startNode(t, nearWrites), startNode(t, farWrites)])
  const accepted = Promise.withResolvers<Duplex>()
  new Libp2pPeerStreams({ node: far }).accept(PROTOCOL, accepted.resolve)
  const opened = await new Libp2pPeerStreams({ node: near }).open(asNodeId(far.peerId.toString()), PROTOCOL, {
    addresses: far.getMultiaddrs().map(String),
    signal: t.signal,
  })
  return { near: new End(opened), far: new End(await accepted.promise), nearWrites, farWrites }
}

describe('leanMuxer', () => {
  it('writes each message once, and answers none of them with a window update', async (t) => {
    const { near, far, nearWrites, farWrites } = await openEnds(t)
    for (const writes of [nearWrites, farWrites]) writes.sizes.length = 0
    for (let message = 1; message <= MESSAGES; message += 1) {
      near.duplex.send([new Uint8Array(MESSAGE_BYTES)])
      await waitUntil(() => far.bytes === message * MESSAGE_BYTES, 'a message')
    }
    assert.deepEqual(new Set(nearWrites.sizes), new Set([MESSAGE_BYTES + 12]))
    assert.equal(nearWrites.sizes.length, MESSAGES)
    // Half of the first window of 256 KiB has passed once.
    assert.ok(farWrites.sizes.length <= 2, `${farWrites.sizes.length} writes`)
  })

  it('gives credit back for as long as bytes come', async (t) => {
    const { near, far } = await openEnds(t)
    const chunk = new Uint8Array(64 * 1024)
    for (let sent = 0; sent < 16 * 1024 * 1024; ) {
      const drains = near.drains
      sent += chunk.length
      if (!near.duplex.send([chunk])) await waitUntil(() => near.drains > drains, 'room')
    }
    near.duplex.close()
    await waitUntil(() => far.closed.length === 1, 'the end')
    assert.deepEqual([far.bytes, far.closed, near.closed], [16 * 1024 * 1024, [undefined], [undefined]])
  })
})
