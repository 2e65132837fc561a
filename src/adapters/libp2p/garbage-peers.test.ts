/** Peers that send nonsense, stop half way, or never read: the node keeps running, holds little, and serves the next one. */
import assert from 'node:assert/strict'
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { describe, it } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import type { Libp2p, MessageStream, Stream } from '@libp2p/interface'
import { noise } from '@libp2p/noise'
import { tcp } from '@libp2p/tcp'
import { tls } from '@libp2p/tls'
import { yamux } from '@libp2p/yamux'
import { multiaddr } from '@multiformats/multiaddr'
import { createLibp2p } from 'libp2p'
import { addressOf, startTestHost } from '../../../test/support/libp2p-hosts.ts'
import { seededBytes } from '../../../test/support/seeded-bytes.ts'
import { waitUntil } from '../../../test/support/wait-until.ts'
import { limit } from '../../core/limits.ts'
import type { Libp2pHost } from './host.ts'

const MEBIBYTE = 1024 * 1024

/** What a broken or hostile peer writes, by name. */
const GARBAGE: Readonly<Record<string, (round: number) => Uint8Array>> = {
  'random bytes': (round) => seededBytes(round, 3_000),
  zeros: () => new Uint8Array(3_000),
  'a length of gigabytes': () => Uint8Array.of(0xff, 0xff, 0xff, 0xff, 0x0f, 1, 2, 3),
  'a length that never ends': () => new Uint8Array(64).fill(0xff),
  'half a message': () => Uint8Array.of(100, 0x0a, 0x20, 1, 2, 3),
  'empty messages': () => new Uint8Array(1_000),
  'nested groups': () => Uint8Array.of(60, ...new Uint8Array(60).fill(0x0b)),
}

/** Whether somebody honest is still served. */
async function assertServes(host: Libp2pHost): Promise<void> {
  await using client = await startTestHost({ listen: undefined })
  await client.node.dial(multiaddr(addressOf(host)))
  const [connection] = client.node.getConnections()
  assert.ok(connection !== undefined)
  const rtt = await client.node.services.ping.ping(connection.remotePeer, { signal: AbortSignal.timeout(5_000) })
  assert.ok(rtt >= 0)
}

function portOf(address: string): number {
  return Number(/\/(?:tcp|udp)\/(\d+)/.exec(address)?.[1])
}

/** A libp2p node without any of our bounds, which hands out the connections below its streams. */
async function startAttacker(
  encrypt: 'tls' | 'noise',
): Promise<{ readonly node: Libp2p; readonly raw: MessageStream[] }> {
  const raw: MessageStream[] = []
  const muxers = yamux({ streamOptions: { maxStreamWindowSize: 16 * MEBIBYTE } })
  const node = await createLibp2p({
    transports: [tcp()],
    connectionEncrypters: [encrypt === 'tls' ? tls() : noise()],
    streamMuxers: [
      () => ({
        protocol: muxers().protocol,
        createStreamMuxer: (connection) => {
          raw.push(connection)
          return muxers().createStreamMuxer(connection)
        },
      }),
    ],
  })
  return { node, raw }
}

async function writeAndEnd(socket: Socket, bytes: Uint8Array, end: 'close' | 'reset' | 'hang'): Promise<void> {
  socket.on('error', () => undefined)
  // A node that has enough connections turns further ones away at once.
  const isConnected = await once(socket, 'connect').then(
    () => true,
    () => false,
  )
  if (!isConnected) return
  await new Promise<void>((written) => {
    socket.write(bytes, () => written())
  })
  await turn()
  if (end === 'reset') socket.resetAndDestroy()
  else if (end === 'close') socket.end()
}

describe('a node whose peers send garbage', () => {
  it('outlives it on its sockets', async () => {
    await using host = await startTestHost()
    const hello = Buffer.from('\x13/multistream/1.0.0\n')
    const sockets: Socket[] = []
    for (const transport of ['tcp', 'websocket'] as const) {
      for (const [at, garbage] of Object.values(GARBAGE).entries()) {
        for (const end of ['close', 'reset', 'hang'] as const) {
          const lead =
            transport === 'tcp'
              ? [Buffer.alloc(0), hello, Buffer.from('\x13/multistream/1.0.0\n\x0b/tls/1.0.0\n')]
              : [Buffer.from('GET / HTTP/1.1\r\nhost: x\r\n\r\n')]
          for (const first of lead) {
            const socket = connect(portOf(addressOf(host, transport)), '127.0.0.1')
            sockets.push(socket)
            await writeAndEnd(socket, Buffer.concat([first, garbage(at)]), end)
          }
        }
      }
    }
    const datagrams = createSocket('udp4')
    for (let round = 0; round < 200; round += 1) {
      datagrams.send(seededBytes(round, 1_200), portOf(addressOf(host, 'quic')), '127.0.0.1')
    }
    await turn()
    for (const socket of sockets) socket.destroy()
    datagrams.close()
    await waitUntil(() => host.node.getConnections().length === 0, 'connections to end')
    // The rate of one address counts the attack too, for a second.
    await waitUntil(
      () =>
        assertServes(host).then(
          () => true,
          () => false,
        ),
      'an honest peer to be served',
    )
  })

  for (const encrypt of ['tls', 'noise'] as const) {
    it(`outlives it on every protocol it speaks, over ${encrypt}`, async () => {
      await using host = await startTestHost({ relayServer: true, mode: 'local', topics: ['/test'] })
      const { node } = await startAttacker(encrypt)
      try {
        for (const protocol of host.node.getProtocols()) {
          for (const [at, garbage] of Object.values(GARBAGE).entries()) {
            for (const end of ['close', 'reset', 'hang'] as const) {
              const connection = await node.dial(multiaddr(addressOf(host)))
              const stream: Stream = await connection.newStream(protocol, { maxOutboundStreams: 1_000 })
              stream.addEventListener('close', () => undefined)
              if (stream.status === 'open') stream.send(garbage(at))
              if (end === 'close') void stream.close().catch(() => undefined)
              else if (end === 'reset') stream.abort(new Error('test'))
              if (at % 3 === 2) await connection.close()
            }
          }
        }
      } finally {
        await node.stop()
      }
      await assertServes(host)
    })

    it(`outlives it below the streams, over ${encrypt}`, async () => {
      await using host = await startTestHost()
      for (const frame of [
        seededBytes(1, 4_000),
        Uint8Array.of(9, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0), // another version
        Uint8Array.of(0, 7, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0), // an unknown type
        Uint8Array.of(0, 1, 0, 1, 0, 0, 0, 2, 0, 0, 0, 0), // opens a stream with the other side's number
        Uint8Array.of(0, 2, 0, 2, 0, 0, 0, 0, 0, 0, 0, 9), // answers a ping that nobody sent
        Uint8Array.of(0, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0, 7), // goes away for an unknown reason
        Uint8Array.of(0, 1, 0, 1, 0, 0, 0, 1, 0xff, 0xff, 0xff, 0xff), // a window beyond all bounds
      ]) {
        const { node, raw } = await startAttacker(encrypt)
        await node.dial(multiaddr(addressOf(host)))
        raw[0]?.send(frame)
        await turn()
        await node.stop()
      }
      await assertServes(host)
    })
  }

  it('takes no frame that is larger than what it granted', async () => {
    await using host = await startTestHost()
    const { node, raw } = await startAttacker('tls')
    await node.dial(multiaddr(addressOf(host)))
    raw[0]?.send(Uint8Array.of(0, 0, 0, 1, 0, 0, 0, 1, 0xff, 0xff, 0xff, 0xff)) // a frame of 4 GiB
    const chunk = new Uint8Array(64 * 1024)
    let sentBytes = 0
    while (raw[0]?.status === 'open' && sentBytes < 64 * MEBIBYTE) {
      raw[0].send(chunk)
      sentBytes += chunk.byteLength
      await turn()
    }
    await waitUntil(() => host.node.getConnections().length === 0, 'the connection to end')
    await node.stop()
    assert.ok(sentBytes < 64 * MEBIBYTE)
    await assertServes(host)
  })

  it('takes no more bytes on questions than questions have', async () => {
    await using host = await startTestHost({ mode: 'local' })
    const { node } = await startAttacker('tls')
    const connection = await node.dial(multiaddr(addressOf(host)))
    // The DHT is asked something that it waits with, and more comes behind it.
    for (let count = 0; count < limit('dhtStreams') && connection.status === 'open'; count += 1) {
      const stream = await connection.newStream('/heddle/lan/kad/1.0.0', { maxOutboundStreams: 100 })
      stream.send(Buffer.concat([Uint8Array.of(2, 0x08, 4), new Uint8Array(MEBIBYTE).fill(0xff)]))
    }
    await waitUntil(
      () =>
        host.node
          .getConnections()
          .every((open) => open.streams.every(({ readBufferLength }) => readBufferLength < MEBIBYTE)),
      'what was sent to be dropped',
    )
    await node.stop()
    await assertServes(host)
  })

  for (const transport of ['tcp', 'quic'] as const) {
    it(`resets a stream rather than hold what nobody reads, over ${transport}`, async () => {
      await using host = await startTestHost()
      const held: Stream[] = []
      await host.node.handle(
        '/test/never-reads',
        (stream) => {
          stream.pause()
          held.push(stream)
        },
        { maxInboundStreams: 100 },
      )
      await using peer = await startTestHost({ listen: undefined })
      const connection = await peer.node.dial(multiaddr(addressOf(host, transport)))
      for (let count = 0; count < 48; count += 1) {
        const stream = await connection.newStream('/test/never-reads', { maxOutboundStreams: 100 })
        stream.addEventListener('close', () => undefined)
        stream.send(new Uint8Array(256 * 1024))
        await turn()
      }
      await waitUntil(() => held.length === 48, 'all streams to be open')
      await waitUntil(() => held.some(({ status }) => status !== 'open'), 'one to be reset')
      const unread = held.reduce((sum, { readBufferLength }) => sum + readBufferLength, 0)
      assert.ok(unread <= limit('connectionUnreadBytes'), `${unread} bytes unread`)
      await assertServes(host)
    })
  }

  for (const encrypt of ['tls', 'noise'] as const) {
    it(`outlives peers that leave while much waits to be sent to them, over ${encrypt}`, async () => {
      await using host = await startTestHost()
      await host.node.handle('/test/pours', (stream) => {
        stream.addEventListener('close', () => undefined)
        stream.send(new Uint8Array(8 * MEBIBYTE))
      })
      for (let round = 0; round < 20; round += 1) {
        const { node, raw } = await startAttacker(encrypt)
        const connection = await node.dial(multiaddr(addressOf(host)))
        const stream = await connection.newStream('/test/pours')
        if (round % 2 === 0) stream.pause()
        for (let turns = 0; turns < round; turns += 1) await turn()
        if (round % 3 === 0) stream.abort(new Error('test'))
        if (round % 3 === 1) raw[0]?.abort(new Error('test'))
        await node.stop()
      }
      await assertServes(host)
    })
  }
})
