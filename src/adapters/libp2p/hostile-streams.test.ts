/** Peers that misuse streams: each is held to a bound in memory and time, and others do not notice. */
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import type { Stream } from '@libp2p/interface'
import { multiaddr } from '@multiformats/multiaddr'
import { type AttackerNode, startAttackerNode } from '../../../test/support/attacker-node.ts'
import { heldBytes } from '../../../test/support/heap.ts'
import { addressOf, startTestHost } from '../../../test/support/libp2p-hosts.ts'
import { openSide, requestOf, type Side, source, wholeOf } from '../../../test/support/mesh-pair.ts'
import { waitUntil } from '../../../test/support/wait-until.ts'
import { bodyOf } from '../../core/byte-channel.ts'
import { asNodeId } from '../../core/ids.ts'
import { limit } from '../../core/limits.ts'
import { MESH_PROTOCOL } from '../../core/mesh/session-options.ts'
import type { MessageRequest, MessageResponse } from '../../core/message.ts'
import type { Frame } from '../../core/wire/frames/frame.ts'
import { encodeFrame } from '../../core/wire/frames/frame-writer.ts'
import { MemoryClock } from '../memory/memory-clock.ts'
import type { Libp2pHost } from './host.ts'
import { Libp2pPeerStreams } from './libp2p-peer-streams.ts'
import { Libp2pPeerExchange } from './peer-exchange.ts'

const MEBIBYTE = 1024 * 1024
const QUESTIONS = '/heddle/test-questions/1'
/** The frame of yamux that opens a stream: a window update (type 1) with SYN (flag 1) and no credit. */
const openFrame = (stream: number): Buffer => {
  const frame = Buffer.alloc(12)
  frame[1] = 1
  frame[3] = 1
  frame.writeUInt32BE(stream, 4)
  return frame
}

const hello: Frame = { kind: 'hello', least: 1, most: 1, features: 0, windowBytes: 0x7fff_ffff, openRequests: 256 }
const open: Frame = {
  kind: 'open',
  stream: 1,
  isLast: true,
  id: 'req_hostile',
  service: 'llm',
  method: 'GET',
  path: '/endless',
  headers: {},
}

describe('a peer that misuses streams', () => {
  let victim: Libp2pHost
  let friend: Libp2pHost
  let attacker: AttackerNode
  let questions: Libp2pPeerExchange
  /** Time of the victim's sessions. */
  const clock = new MemoryClock()
  const sessions: Side[] = []
  /** Bytes of endless answers that were asked for. */
  let givenBytes = 0

  async function serve({ path, body }: MessageRequest): Promise<MessageResponse> {
    if (path !== '/endless') return { status: 200, headers: {}, body: bodyOf(await wholeOf(body)) }
    const endless = source(1024 * MEBIBYTE, 64 * 1024, () => {
      givenBytes += 64 * 1024
    })
    return { status: 200, headers: {}, body: endless }
  }

  before(async () => {
    victim = await startTestHost()
    friend = await startTestHost()
    const streams = new Libp2pPeerStreams(victim)
    streams.accept(MESH_PROTOCOL, (stream) =>
      sessions.push(openSide({ clock }, stream, { side: 'listener' }, serve, setImmediate)),
    )
    questions = new Libp2pPeerExchange({ streams }, { timeoutMs: 300 })
    questions.answer(QUESTIONS, async (_from, question) => question)
  })

  after(async () => {
    await victim[Symbol.asyncDispose]()
    await friend[Symbol.asyncDispose]()
  })

  /** A stream of a fresh attacker, spoken to without a session. */
  async function attack(protocol: string): Promise<Stream> {
    attacker = await startAttackerNode()
    const connection = await attacker.node.dial(multiaddr(addressOf(victim)))
    return connection.newStream(protocol, { maxOutboundStreams: 1_000 })
  }

  const frames = (...list: readonly Frame[]): Buffer => Buffer.concat(list.map(encodeFrame))

  /** Milliseconds that a small exchange of an honest peer takes, over the session that it keeps. */
  async function friendWaits(side: Side): Promise<number> {
    const startedAt = performance.now()
    const response = await side.session.request(requestOf('/echo', new Uint8Array(1_000)), {
      signal: AbortSignal.timeout(5_000),
    })
    assert.equal((await wholeOf(response.body)).length, 1_000)
    return performance.now() - startedAt
  }

  async function friendSession(): Promise<Side> {
    const addresses = [addressOf(victim)]
    const signal = AbortSignal.timeout(5_000)
    const stream = await new Libp2pPeerStreams(friend).open(victim.id, MESH_PROTOCOL, { addresses, signal })
    return openSide({ clock }, stream, { side: 'dialler' }, undefined, setImmediate)
  }

  async function pass(ms: number): Promise<void> {
    for (let passed = 0; passed < ms; passed += limit('meshTickMs')) {
      await clock.advance(limit('meshTickMs'))
      // Pings and pongs of the honest session travel in real time.
      await new Promise((done) => setImmediate(() => setTimeout(done, 5)))
    }
  }

  it('gets a bounded part of an answer that it does not read, and is given up after a while', async () => {
    const honest = await friendSession()
    await friendWaits(honest)
    const stream = await attack(MESH_PROTOCOL)
    stream.pause()
    const before = heldBytes()
    stream.send(frames(hello, open))
    await waitUntil(() => givenBytes > 0, 'the answer to begin')
    let last = -1
    await waitUntil(() => {
      const isStill = givenBytes === last
      last = givenBytes
      return isStill
    }, 'the answer to stand still')
    const most = limit('streamWindowBytes') + limit('streamUnsentBytes') + limit('meshWriteBytes') + MEBIBYTE
    assert.ok(givenBytes <= most, `${givenBytes} bytes were taken from the source`)
    assert.ok(heldBytes() - before < most + 2 * MEBIBYTE)
    assert.ok((await friendWaits(honest)) < 1_000)
    const side = sessions.at(-1)
    await pass(limit('drainTimeoutMs') + 2 * limit('meshTickMs'))
    assert.deepEqual(side?.ends, [{ kind: 'silent', what: 'drain' }])
    await pass(limit('meshCloseMs'))
    await waitUntil(() => stream.status !== 'open', 'the stream to be cut')
    assert.ok(givenBytes <= most, `${givenBytes} bytes were taken from the source`)
    await friendWaits(honest)
    honest.session.close()
    await attacker[Symbol.asyncDispose]()
  })

  it('that sends half a frame and stops is given up, and pins nothing of what it promised', async () => {
    const honest = await friendSession()
    await friendWaits(honest)
    const stream = await attack(MESH_PROTOCOL)
    const before = heldBytes()
    const whole = frames(
      hello,
      { ...open, isLast: false, path: '/echo' },
      {
        kind: 'body',
        stream: 1,
        bytes: new Uint8Array(limit('meshPayloadBytes')),
        isLast: true,
      },
    )
    stream.send(whole.subarray(0, whole.length - limit('meshPayloadBytes') + 3))
    const side = sessions.at(-1)
    await waitUntil(() => side?.session.version === 1, 'the hello')
    assert.ok(heldBytes() - before < MEBIBYTE)
    await pass((limit('meshMissedPings') + 2) * limit('meshPingMs'))
    assert.deepEqual(side?.ends, [{ kind: 'silent', what: 'ping' }])
    await friendWaits(honest)
    honest.session.close()
    await attacker[Symbol.asyncDispose]()
  })

  it('that opens 10,000 streams gets as many as one connection may have, and the next peer is served', async () => {
    const honest = await friendSession()
    await friendWaits(honest)
    const first = await attack(MESH_PROTOCOL)
    const before = heldBytes()
    const raw = attacker.raw[0]
    // The numbers after that of the stream that there is.
    for (let count = 1; count <= 10_000; count += 1) raw?.send(openFrame(Number(first.id) + 2 * count))
    const [own] = victim.node.getConnections(attacker.node.peerId)
    await waitUntil(() => (own?.streams.length ?? 0) >= limit('meshStreamsPerConnection'), 'the streams')
    const waits: number[] = []
    for (let count = 0; count < 20; count += 1) waits.push(await friendWaits(honest))
    assert.ok(Math.max(...waits) < 1_000, `an honest peer waited ${Math.max(...waits)} ms`)
    const inbound = own?.streams.filter(({ direction }) => direction === 'inbound').length ?? 0
    assert.ok(inbound <= limit('meshStreamsPerConnection'), `${inbound} streams`)
    assert.ok(heldBytes() - before < 16 * MEBIBYTE)
    await attacker[Symbol.asyncDispose]()
    await waitUntil(() => own?.streams.length === 0, 'the streams to be gone')
    honest.session.close()
  })

  it('that asks half a question, or one too long, is cut off, and others get their answers', async (t) => {
    for (const bytes of [[0], [0, 0, 0, 9, 1, 2], [0xff, 0xff, 0xff, 0xff]]) {
      const stream = await attack(QUESTIONS)
      stream.send(Uint8Array.from(bytes))
      await waitUntil(() => stream.status !== 'open', `the end of a question of ${bytes.length} bytes`, 3_000)
      await attacker[Symbol.asyncDispose]()
    }
    await friend.node.dial(multiaddr(addressOf(victim)))
    const asking = new Libp2pPeerExchange({ streams: new Libp2pPeerStreams(friend) })
    assert.deepEqual(await asking.ask(victim.id, QUESTIONS, Uint8Array.of(5), t), Uint8Array.of(5))
  })

  it('that takes a question and gives no answer, half of one, or far too much, costs its asker no more than its time', async (t) => {
    attacker = await startAttackerNode()
    const answers = [[], [0, 0, 0, 9, 1], [0xff, 0xff, 0xff, 0xff, 1]]
    await attacker.node.handle(QUESTIONS, (stream) => void stream.send(Uint8Array.from(answers.shift() ?? [])))
    await attacker.node.dial(multiaddr(addressOf(victim)))
    const peer = asNodeId(attacker.node.peerId.toString())
    await waitUntil(() => victim.node.getPeers().some((id) => id.equals(attacker.node.peerId)), 'the connection')
    while (answers.length > 0)
      await assert.rejects(questions.ask(peer, QUESTIONS, Uint8Array.of(1), t), { code: 'peer_unreachable' })
    await attacker[Symbol.asyncDispose]()
  })
})
