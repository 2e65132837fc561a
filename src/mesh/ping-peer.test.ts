/** Pings of peers: over the session there is, over a new one, and past one that is dead. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { Fabric } from '../../test/support/mesh-fabric.ts'
import { calm } from '../../test/support/mesh-pair.ts'
import { HeddleError } from '../core/errors.ts'
import { limit } from '../core/limits.ts'
import { pingPeer } from './ping-peer.ts'

function pair(delayMs = 5) {
  const fabric = new Fabric({ conditions: { delayMs } })
  const [a, b] = [fabric.node('a'), fabric.node('b')]
  const ping = (signal = calm()) =>
    fabric.during(pingPeer({ sessions: a.sessions, clock: fabric.clock }, b.self, { signal }))
  return { fabric, a, b, ping }
}

describe('a ping of a peer', () => {
  it('dials where need be, and says the way, the time and the version', async () => {
    const { ping } = pair()
    const path = { kind: 'direct', transport: 'memory', address: '/memory/b' }
    assert.deepEqual(await ping(), { path, rttMs: 10, version: 1, isNew: true })
    assert.deepEqual(await ping(), { path, rttMs: 10, version: 1, isNew: false })
  })

  it('tells why there is no answer', async () => {
    const { fabric, b, ping } = pair()
    fabric.network.crash(b.self)
    await assert.rejects(ping(), (error) => error instanceof HeddleError && error.code === 'peer_unreachable')
  })

  it('gives up a session that is dead and finds the peer over a new one, within the time of a probe', async () => {
    const { fabric, a, b, ping } = pair()
    await ping()
    // What is sent on that stream now stays on its way; streams opened a second later are quick again.
    fabric.network.setWay(a.self, b.self, { delayMs: 1_000_000 })
    fabric.clock.after(1_000, () => fabric.network.setWay(a.self, b.self, { delayMs: 5 }))
    const startedAt = fabric.clock.monotonic()
    assert.equal((await ping()).isNew, true)
    assert.ok(fabric.clock.monotonic() - startedAt < limit('peerProbeTimeoutMs'))
    assert.equal(a.sessions.view().filter(({ state }) => state === 'open').length, 1)
  })

  it('ends with its signal', async () => {
    const { fabric, b, ping } = pair()
    fabric.network.crash(b.self, { silent: true })
    const leaving = new AbortController()
    const reason = new Error('enough')
    fabric.clock.after(50, () => leaving.abort(reason))
    await assert.rejects(ping(leaving.signal), reason)
    assert.ok(fabric.clock.monotonic() < 100)
  })
})
