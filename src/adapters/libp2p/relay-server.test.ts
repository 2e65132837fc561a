/** Circuits over a third node: for members only, as long as they like, and without filling the relay's memory. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { Stream } from '@libp2p/interface'
import { peerIdFromString } from '@libp2p/peer-id'
import { multiaddr } from '@multiformats/multiaddr'
import { addressOf, startTestHost } from '../../../test/support/libp2p-hosts.ts'
import { waitUntil } from '../../../test/support/wait-until.ts'
import { limit } from '../../core/limits.ts'
import type { Libp2pHost } from './host.ts'
import { OPEN_GATE } from './host-options.ts'

const SINK = '/test/sink/1'
const HOP = '/libp2p/circuit/relay/0.2.0/hop'
const STOP = '/libp2p/circuit/relay/0.2.0/stop'
const MEBIBYTE = 1024 * 1024

const circuitOf = (host: Libp2pHost): string | undefined =>
  host.addresses().find((address) => address.includes('/p2p-circuit'))

/** A node that nobody can dial, with a place at `relay`. */
async function startHidden(relay: Libp2pHost): Promise<Libp2pHost> {
  const hidden = await startTestHost({ mode: 'node', listen: undefined })
  await hidden.node.dial(multiaddr(addressOf(relay)))
  await waitUntil(() => circuitOf(hidden) !== undefined, 'a place at the relay')
  return hidden
}

/** Opens a stream, writes `bytes` as fast as they go, and says how many the other side counted. */
async function upload(from: Libp2pHost, to: Libp2pHost, bytes: number): Promise<number> {
  const stream = await from.node.dialProtocol(multiaddr(circuitOf(to) ?? ''), SINK)
  const chunk = new Uint8Array(64 * 1024)
  for (let sent = 0; sent < bytes; sent += chunk.byteLength) {
    if (!stream.send(chunk)) await new Promise((drained) => stream.addEventListener('drain', drained, { once: true }))
  }
  await stream.close()
  const answer: Uint8Array[] = []
  for await (const part of stream) answer.push(part.subarray())
  return Number(Buffer.concat(answer).toString())
}

async function serveSink(host: Libp2pHost): Promise<void> {
  await host.node.handle(SINK, async (stream: Stream) => {
    let received = 0
    for await (const chunk of stream) received += chunk.byteLength
    stream.send(Buffer.from(String(received)))
    await stream.close()
  })
}

describe('a relay', () => {
  it('carries far more than libp2p’s default of 128 KiB, and is told of by the node behind it', async () => {
    await using relay = await startTestHost({ relayServer: true })
    await using hidden = await startHidden(relay)
    await using caller = await startTestHost({ mode: 'node' })
    await serveSink(hidden)
    assert.deepEqual(hidden.netFacts().relays, [relay.id])
    assert.equal(relay.netFacts().relayedNodes, 1)
    assert.equal(await upload(caller, hidden, 16 * MEBIBYTE), 16 * MEBIBYTE)
    assert.equal(caller.netFacts().connections.circuit, 1)
    const [connection] = caller.node.getConnections(peerIdFromString(hidden.id))
    assert.equal(connection?.limits, undefined)
  })

  it('tells listeners of the address that it gives', async () => {
    await using relay = await startTestHost({ relayServer: true })
    await using hidden = await startTestHost({ mode: 'node', listen: undefined })
    const told: (readonly string[])[] = []
    const stop = hidden.onAddresses((addresses) => told.push(addresses))
    await hidden.node.dial(multiaddr(addressOf(relay)))
    await waitUntil(() => told.length > 0, 'the listener to hear')
    assert.ok(told[0]?.every((address) => address.includes(`/p2p/${relay.id}/p2p-circuit/p2p/${hidden.id}`)))
    stop()
  })

  it('gives no place to those who may not be relayed', async () => {
    await using hidden = await startTestHost({ mode: 'node', listen: undefined })
    await using relay = await startTestHost({
      relayServer: true,
      gate: { ...OPEN_GATE, mayRelay: (peer) => peer !== hidden.id },
    })
    const connection = await hidden.node.dial(multiaddr(addressOf(relay)))
    const stream = await connection.newStream(HOP)
    stream.send(Uint8Array.of(2, 0x08, 0)) // type RESERVE
    const answer = await firstOf(stream)
    assert.deepEqual(Array.from(answer.subarray(1)), [0x08, 2, 0x28, 0xca, 1]) // type STATUS, status PERMISSION_DENIED (202)
    assert.equal(relay.netFacts().relayedNodes, 0)
    assert.equal(circuitOf(hidden), undefined)
  })

  it('connects nobody who may not be relayed', async () => {
    await using stranger = await startTestHost({ mode: 'node' })
    await using relay = await startTestHost({
      relayServer: true,
      gate: { ...OPEN_GATE, mayRelay: (peer) => peer !== stranger.id },
    })
    await using hidden = await startHidden(relay)
    await assert.rejects(stranger.node.dial(multiaddr(circuitOf(hidden) ?? '')), /PERMISSION_DENIED/)
  })

  it('holds back who sends faster than the other end reads', async () => {
    await using relay = await startTestHost({ relayServer: true })
    await using reader = await startTestHost({ mode: 'local', listen: undefined })
    await using sender = await startTestHost({ mode: 'local' })
    // A reader that takes a circuit and then none of its bytes, which no node of ours would.
    await reader.node.unhandle(STOP)
    let taken: Stream | undefined
    await reader.node.handle(STOP, (stream) => {
      taken = stream
      stream.pause()
      stream.send(Uint8Array.of(4, 0x08, 1, 0x20, 100)) // type STATUS, status OK
    })
    const place = await (await reader.node.dial(multiaddr(addressOf(relay)))).newStream(HOP)
    place.send(Uint8Array.of(2, 0x08, 0)) // type RESERVE
    await waitUntil(() => relay.netFacts().relayedNodes === 1, 'a place at the relay')

    const stream = await (await sender.node.dial(multiaddr(addressOf(relay)))).newStream(HOP)
    const id = peerIdFromString(reader.id).toMultihash().bytes
    stream.send(Uint8Array.of(6 + id.length, 0x08, 1, 0x12, id.length + 2, 0x0a, id.length, ...id)) // type CONNECT, peer
    await waitUntil(() => taken !== undefined && stream.readBufferLength > 0, 'the circuit')

    const sentBytes = await sendUntilHeldBack(stream, 64 * MEBIBYTE)
    // Windows of the two connections, what waits between them, and what the sender itself holds.
    assert.ok(
      sentBytes < 2 * limit('streamWindowBytes') + 4 * limit('relayBacklogBytes'),
      `${sentBytes} bytes left the sender`,
    )
    taken?.resume()
    await waitUntil(() => stream.writeBufferLength === 0, 'the circuit to run again')
  })
})

/** Bytes that left a stream before it came to a standstill, of `bytes` at most. */
async function sendUntilHeldBack(stream: Stream, bytes: number): Promise<number> {
  stream.send(new Uint8Array(bytes))
  let last = stream.writeBufferLength
  let quiet = 0
  while (quiet < 20 && last > 0) {
    await new Promise((later) => setTimeout(later, 10))
    quiet = stream.writeBufferLength === last ? quiet + 1 : 0
    last = stream.writeBufferLength
  }
  return bytes - last
}

async function firstOf(stream: Stream): Promise<Uint8Array> {
  for await (const chunk of stream) return chunk.subarray()
  throw new Error('no answer')
}
