/** Failures take a peer out at once, probes bring it back, and there are never many probes. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { RecordingLogger } from '../../test/support/recording-logger.ts'
import { MemoryClock } from '../adapters/memory/memory-clock.ts'
import { asNodeId, type NodeId } from '../core/ids.ts'
import { limit } from '../core/limits.ts'
import { Liveness } from './liveness.ts'

const PEER = asNodeId('peer')

function scope(probe: (peer: NodeId, clock: MemoryClock, signal: AbortSignal) => Promise<void>) {
  const clock = new MemoryClock()
  const probed: number[] = []
  const liveness = new Liveness({
    clock,
    log: new RecordingLogger(),
    probe: (peer, { signal }) => {
      probed.push(clock.monotonic())
      return probe(peer, clock, signal)
    },
  })
  return { clock, liveness, probed }
}

describe('liveness', () => {
  it('believes a lease until something was tried', () => {
    const { liveness } = scope(async () => undefined)
    assert.deepEqual([liveness.view(PEER).state, liveness.isUsable(PEER)], ['unproven', true])
  })

  it('is lost with one failure, and found again by the first probe that is answered', async () => {
    const { clock, liveness, probed } = scope(async () => undefined)
    liveness.observed(PEER, { kind: 'unreachable', reason: 'connection reset' })
    assert.deepEqual([liveness.view(PEER).state, liveness.view(PEER).reason], ['suspect', 'connection reset'])
    assert.equal(liveness.isUsable(PEER), false)
    await clock.advance(limit('peerProbeMinMs'))
    assert.deepEqual([liveness.view(PEER).state, probed.length], ['up', 1])
    await clock.advance(600_000)
    assert.equal(probed.length, 1)
  })

  it('is probed ever less often while it stays away', async () => {
    const { clock, liveness, probed } = scope(() => Promise.reject(new Error('no')))
    liveness.observed(PEER, { kind: 'unreachable', reason: 'no' })
    await clock.advance(600_000)
    const gaps = probed.slice(1).map((at, index) => at - (probed[index] ?? 0))
    assert.deepEqual(gaps.slice(0, 4), [2_000, 4_000, 8_000, 16_000])
    assert.equal(Math.max(...gaps), limit('peerProbeMaxMs'))
    assert.equal(liveness.view(PEER).state, 'down')
  })

  it('does not wait for a probe that is not answered', async () => {
    const { clock, liveness } = scope((_peer, memory, signal) => memory.sleep(10 ** 9, { signal }))
    liveness.observed(PEER, { kind: 'unreachable', reason: 'no' })
    await clock.advance(limit('peerProbeMinMs') + limit('peerProbeTimeoutMs'))
    assert.deepEqual([liveness.view(PEER).failures, liveness.view(PEER).reason], [2, 'no answer to a probe'])
  })

  it('counts an answer to a request as much as one to a probe', async () => {
    const { clock, liveness, probed } = scope(async () => undefined)
    liveness.observed(PEER, { kind: 'unreachable', reason: 'no' })
    liveness.observed(PEER, { kind: 'answered', rttMs: 12 })
    assert.deepEqual([liveness.view(PEER).state, liveness.view(PEER).rttMs], ['up', 12])
    await clock.advance(600_000)
    assert.equal(probed.length, 0)
  })

  it('takes what fails together for one failure', async () => {
    const { clock, liveness } = scope(() => Promise.reject(new Error('no')))
    for (let request = 0; request < 20; request += 1)
      liveness.observed(PEER, { kind: 'unreachable', reason: 'the connection broke' })
    liveness.lost(PEER, 'silent')
    assert.deepEqual([liveness.view(PEER).state, liveness.view(PEER).failures], ['suspect', 1])
    await clock.advance(limit('peerProbeMinMs'))
    assert.equal(liveness.view(PEER).failures, 2)
  })

  it('probes at once a peer whose session broke, and it stays in use until the probe fails', async () => {
    let isThere = true
    const { clock, liveness, probed } = scope(() => (isThere ? Promise.resolve() : Promise.reject(new Error('no'))))
    liveness.lost(PEER, 'broken')
    assert.equal(liveness.isUsable(PEER), true)
    await clock.advance(1)
    assert.deepEqual([liveness.view(PEER).state, probed.length], ['up', 1])
    isThere = false
    liveness.lost(PEER, 'broken')
    liveness.lost(PEER, 'broken')
    await clock.advance(1)
    assert.deepEqual([liveness.view(PEER).state, probed.length], ['suspect', 2])
  })

  it('probes a few at a time when many break at once, and finds out about all', async () => {
    let [running, most] = [0, 0]
    const { clock, liveness, probed } = scope(async (peer, memory, signal) => {
      running += 1
      most = Math.max(most, running)
      await memory.sleep(100, { signal })
      running -= 1
      if (Number(peer) % 2 === 1) throw new Error('no')
    })
    for (let peer = 0; peer < 100; peer += 1) liveness.lost(asNodeId(`${peer}`), 'broken')
    // Of some is heard meanwhile.
    for (let peer = 8; peer < 20; peer += 1) liveness.observed(asNodeId(`${peer}`), { kind: 'answered' })
    await clock.advance(900 + (100 / limit('peerProbes')) * 100)
    assert.equal(most, limit('peerProbes'))
    assert.ok(probed.length >= 88, `${probed.length} probes`)
    for (let peer = 20; peer < 100; peer += 1)
      assert.equal(liveness.isUsable(asNodeId(`${peer}`)), peer % 2 === 0, `peer ${peer}`)
  })

  it('runs few probes at once, and forgets peers that are gone', async () => {
    let [running, most] = [0, 0]
    const { clock, liveness, probed } = scope(async (_peer, memory, signal) => {
      running += 1
      most = Math.max(most, running)
      await memory.sleep(100, { signal })
      running -= 1
    })
    for (let peer = 0; peer < 40; peer += 1)
      liveness.observed(asNodeId(`peer-${peer}`), { kind: 'unreachable', reason: 'no' })
    liveness.retain((peer) => peer !== 'peer-39')
    await clock.advance(10_000)
    assert.deepEqual([most, probed.length, liveness.size], [limit('peerProbes'), 39, 39])
  })
})
