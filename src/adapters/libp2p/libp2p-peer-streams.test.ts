/** Streams between real hosts keep the contract, over every transport and over circuits. */
import assert from 'node:assert/strict'
import { describe, it, type TestContext } from 'node:test'
import { multiaddr } from '@multiformats/multiaddr'
import { type PeerStreamsNode, peerStreamsContract } from '../../../test/contracts/peer-streams.contract.ts'
import { addressOf, type HostTransport, startTestHost, startTestHosts } from '../../../test/support/libp2p-hosts.ts'
import { waitUntil } from '../../../test/support/wait-until.ts'
import { asNodeId } from '../../core/ids.ts'
import type { PeerPath, PeerStream } from '../../ports/peer-streams.ts'
import type { Libp2pHost } from './host.ts'
import { Libp2pPeerStreams } from './libp2p-peer-streams.ts'

const PROTOCOL = '/heddle/test-streams/1'
/** Nobody listens on this port: it is reserved (IANA, tcpmux). */
const DEAF_ADDRESS = '/ip4/127.0.0.1/tcp/1'
/** The id of a key that no test has. */
const ABSENT = asNodeId('12D3KooWEyoppNCUx8Yx66oV9fJnriXwCcXwDDUA2kj6vnc6iDEp')

for (const transport of ['tcp', 'websocket', 'quic'] as const) {
  peerStreamsContract(`Libp2pPeerStreams over ${transport}`, async () => {
    const started = await startTestHosts(3)
    const nodes = started.hosts.map((host) => nodeOf(host, transport))
    return {
      nodes: nodes as [PeerStreamsNode, PeerStreamsNode, PeerStreamsNode],
      absent: { peer: ABSENT, address: `${DEAF_ADDRESS}/p2p/${ABSENT}` },
      during: (promise) => promise,
      until: async (condition) => void (await waitUntil(condition, 'a condition of the contract')),
      [Symbol.asyncDispose]: () => started[Symbol.asyncDispose](),
    }
  })
}

function nodeOf(host: Libp2pHost, transport: HostTransport): PeerStreamsNode {
  return { self: host.id, streams: new Libp2pPeerStreams(host), addresses: [addressOf(host, transport)] }
}

/** A host that nobody can dial, at a relay, and one that reaches it over the relay only. */
async function overRelay(t: TestContext) {
  const relay = await startTestHost({ relayServer: true })
  const hidden = await startTestHost({ mode: 'node', listen: undefined })
  const dialler = await startTestHost()
  for (const host of [relay, hidden, dialler]) t.after(() => host[Symbol.asyncDispose]())
  await hidden.node.dial(multiaddr(addressOf(relay)))
  const circuitOf = (): string | undefined => hidden.addresses().find((address) => address.includes('/p2p-circuit'))
  await waitUntil(() => circuitOf() !== undefined, 'a place at the relay')
  const taken: PeerStream[] = []
  const streams = new Libp2pPeerStreams(dialler)
  new Libp2pPeerStreams(hidden).accept(PROTOCOL, (stream) => taken.push(stream))
  const open = (): Promise<PeerStream> =>
    streams.open(hidden.id, PROTOCOL, { addresses: [circuitOf() ?? ''], signal: t.signal })
  return { relay, hidden, dialler, streams, taken, open }
}

describe('the ways of Libp2pPeerStreams', () => {
  it('takes a circuit where there is no other way, and tells both ends so', async (t) => {
    const { relay, taken, open } = await overRelay(t)
    const { path } = await open()
    assert.deepEqual([path.kind, path.transport], ['circuit', 'tcp'])
    assert.match(path.address, new RegExp(`/p2p/${relay.id}/p2p-circuit/p2p/`))
    await waitUntil(() => taken.length === 1, 'the stream')
    assert.equal(taken[0]?.path.kind, 'circuit')
  })

  it('changes over to a direct way that appears, and says that it appeared', async (t) => {
    const { hidden, dialler, streams, open } = await overRelay(t)
    await open()
    const heard: PeerPath['kind'][] = []
    streams.onPath((peer, { kind }) => peer === hidden.id && heard.push(kind))
    await hidden.node.dial(multiaddr(addressOf(dialler)), { force: true })
    await waitUntil(() => heard.length === 1, 'the direct way')
    assert.deepEqual(heard, ['direct'])
    assert.deepEqual(
      streams.paths(hidden.id).map(({ kind }) => kind),
      ['direct', 'circuit'],
    )
    assert.equal((await open()).path.kind, 'direct')
  })

  it('prefers TCP to WebSocket where a peer is connected over both', async (t) => {
    await using started = await startTestHosts(2)
    const [first, second] = started.hosts
    const streams = new Libp2pPeerStreams(first)
    new Libp2pPeerStreams(second).accept(PROTOCOL, () => undefined)
    const open = async (transport: HostTransport): Promise<string> => {
      const addresses = [addressOf(second, transport)]
      return (await streams.open(second.id, PROTOCOL, { addresses, signal: t.signal })).path.transport
    }
    assert.equal(await open('websocket'), 'websocket')
    await first.node.dial(multiaddr(addressOf(second)), { force: true })
    assert.equal(await open('websocket'), 'tcp')
  })

  it('takes one acceptor for each protocol', async () => {
    await using host = await startTestHost()
    const streams = new Libp2pPeerStreams(host)
    const stop = streams.accept(PROTOCOL, () => undefined)
    assert.throws(() => streams.accept(PROTOCOL, () => undefined), { code: 'internal' })
    stop()
    streams.accept(PROTOCOL, () => undefined)
  })
})
