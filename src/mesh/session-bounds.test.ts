/** How many sessions there may be, with whom, and what they may take. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { Fabric, type FabricNode, GIB, slowAnswer } from '../../test/support/mesh-fabric.ts'
import { calm, RawPeer } from '../../test/support/mesh-pair.ts'
import { HeddleError } from '../core/errors.ts'
import { limit } from '../core/limits.ts'
import { MESH_PROTOCOL } from '../core/mesh/session-options.ts'

const codeOf = (code: string) => (error: unknown) => error instanceof HeddleError && error.code === code

describe('the bounds of sessions', () => {
  it('make room for a new one by closing the one idle longest, and refuse where all are busy', async () => {
    const fabric = new Fabric()
    const serve = slowAnswer(fabric.clock, 2, 1_000)
    const bounds = { sessions: 2, openRequests: 8, windowBytes: 65_536 }
    const a = fabric.node('a', { options: { bounds } })
    const others = ['b', 'c', 'd'].map((name) => fabric.node(name, { serve }))
    const [b, c, d] = others as [FabricNode, FabricNode, FabricNode]
    await fabric.during(a.ask(b.self, ''))
    await fabric.during(a.ask(c.self, ''))
    await fabric.during(a.ask(d.self, ''))
    assert.deepEqual(
      a.sessions.view().map(({ peer }) => peer),
      ['c', 'd'],
    )
    const busy = [a.ask(c.self, ''), a.ask(d.self, '')]
    await fabric.clock.advance(100)
    const outcomes = a.outcomes.length
    await assert.rejects(fabric.during(a.ask(b.self, '')), codeOf('upstream_failed'))
    // That is this node's own matter and says nothing about the peer.
    assert.equal(a.outcomes.length, outcomes)
    // Nor is a peer's stream taken then.
    await assert.rejects(fabric.during(b.ask(a.self, '')), HeddleError)
    await fabric.during(Promise.all(busy))
    await fabric.clock.advance(limit('meshDialPauseMs'))
    assert.equal(await fabric.during(b.ask(a.self, 'now')), '200 b said now')
  })

  it('fit into the memory given, or the node does not start', async () => {
    const fabric = new Fabric()
    const bounds = { sessions: 128, openRequests: 256, windowBytes: 262_144 }
    assert.throws(
      () => fabric.node('a', { options: { memoryBytes: GIB, bounds } }),
      (error) =>
        error instanceof HeddleError && error.code === 'config_invalid' && /8192 MiB.*1024 MiB/.test(error.message),
    )
    assert.deepEqual(fabric.node('a', { options: { memoryBytes: 8 * GIB } }).sessions.bounds, bounds)
    assert.deepEqual(fabric.node('a', { options: { memoryBytes: GIB } }).sessions.bounds, {
      sessions: 32,
      openRequests: 256,
      windowBytes: 131_072,
    })
    for (const memoryBytes of [4 * GIB, GIB, GIB / 4, GIB / 16, GIB / 32]) {
      const fitted = fabric.node('a', { options: { memoryBytes } }).sessions.bounds
      assert.ok(fitted.sessions * fitted.openRequests * fitted.windowBytes <= memoryBytes)
    }
    assert.throws(() => fabric.node('a', { options: { memoryBytes: GIB / 64 } }), codeOf('config_invalid'))
  })

  it('take only so many streams of one peer', async () => {
    const fabric = new Fabric()
    const a = fabric.node('a')
    const greedy = fabric.peers.open('b' as typeof a.self)
    const raw: RawPeer[] = []
    for (let index = 0; index < 20; index += 1) {
      const opening = greedy.open(a.self, MESH_PROTOCOL, { addresses: [`/memory/${a.self}`], signal: calm() })
      raw.push(new RawPeer(await fabric.during(opening)))
    }
    assert.ok(a.sessions.view().length <= limit('meshStreamsPerPeer'))
    await fabric.clock.advance(limit('meshDialMs') + limit('meshTickMs') + limit('meshCloseMs'))
    assert.deepEqual(a.sessions.view(), [])
    assert.ok(raw.every(({ ends }) => ends.length === 1))
  })
})
