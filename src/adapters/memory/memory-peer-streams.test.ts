/** Streams to peers in memory keep both contracts, and know circuits. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { duplexContract } from '../../../test/contracts/duplex.contract.ts'
import { type PeerStreamsNode, peerStreamsContract } from '../../../test/contracts/peer-streams.contract.ts'
import { asNodeId } from '../../core/ids.ts'
import type { PeerPath, PeerStream } from '../../ports/peer-streams.ts'
import { MemoryClock } from './memory-clock.ts'
import { MemoryNetwork } from './memory-network.ts'
import { MemoryPeerNetwork } from './memory-peer-streams.ts'

const PROTOCOL = '/heddle/test/1'
const calm = (): AbortSignal => new AbortController().signal

function network() {
  const clock = new MemoryClock()
  const peers = new MemoryPeerNetwork(new MemoryNetwork({ clock }, { seed: 3 }))
  const node = (name: string): PeerStreamsNode => {
    const self = asNodeId(name)
    return { self, streams: peers.open(self), addresses: [`/memory/${name}`] }
  }
  const until = async (condition: () => boolean): Promise<void> => {
    for (let turns = 0; !condition(); turns += 1) {
      if (turns > 10_000) throw new Error('it never came true')
      await clock.advance(1)
    }
  }
  const during = async <T>(promise: Promise<T>): Promise<T> => {
    let isSettled = false
    const settle = (): void => {
      isSettled = true
    }
    promise.then(settle, settle)
    await until(() => isSettled)
    return promise
  }
  return { clock, peers, node, until, during, [Symbol.asyncDispose]: async () => undefined }
}

async function pair() {
  const scope = network()
  const [a, b] = [scope.node('a'), scope.node('b')]
  const taken: PeerStream[] = []
  b.streams.accept(PROTOCOL, (stream) => void taken.push(stream))
  const open = (): Promise<PeerStream> =>
    scope.during(a.streams.open(b.self, PROTOCOL, { addresses: b.addresses, signal: calm() }))
  return { ...scope, a, b, taken, open }
}

peerStreamsContract('MemoryPeerStreams', async () => {
  const scope = network()
  return {
    ...scope,
    nodes: [scope.node('a'), scope.node('b'), scope.node('c')],
    absent: { peer: asNodeId('absent'), address: '/memory/absent' },
  }
})

duplexContract('a stream to a peer in memory', async () => {
  const { open, taken, until, ...scope } = await pair()
  const stream = await open()
  return { ...scope, until, ends: [stream, taken[0] as PeerStream] }
})

describe('ways in memory', () => {
  it('prefers a direct way to a circuit, and takes the circuit where there is no other', async () => {
    const { peers, a, b, taken, open } = await pair()
    peers.setWays(a.self, b.self, ['circuit'])
    assert.equal((await open()).path.kind, 'circuit')
    assert.equal(taken[0]?.path.kind, 'circuit')
    peers.setWays(a.self, b.self, ['circuit', 'direct'])
    assert.equal((await open()).path.kind, 'direct')
    assert.deepEqual(
      a.streams.paths(b.self).map(({ kind }) => kind),
      ['direct', 'circuit'],
    )
  })

  it('tells both ends of a way that appears while they are connected', async () => {
    const { peers, a, b, open } = await pair()
    peers.setWays(a.self, b.self, ['circuit'])
    await open()
    const heard: [string, PeerPath['kind']][] = []
    a.streams.onPath((peer, { kind }) => void heard.push([peer, kind]))
    b.streams.onPath((peer, { kind }) => void heard.push([peer, kind]))
    peers.setWays(a.self, b.self, ['direct', 'circuit'])
    assert.deepEqual(heard, [
      ['b', 'direct'],
      ['a', 'direct'],
    ])
  })

  it('breaks the streams of a way that is gone, and reaches nobody without one', async () => {
    const { peers, a, b, until, open } = await pair()
    const stream = await open()
    const ends: unknown[] = []
    stream.start({ received: () => undefined, drained: () => undefined, closed: (error) => void ends.push(error) })
    peers.setWays(a.self, b.self, [])
    await until(() => ends.length === 1)
    assert.ok(ends[0] instanceof Error)
    await assert.rejects(open(), { code: 'peer_unreachable' })
    assert.deepEqual(a.streams.paths(b.self), [])
  })
})
