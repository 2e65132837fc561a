/** What routing sees of other nodes stays right through every change, and a change costs only what it touches. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { RecordingLogger } from '../../test/support/recording-logger.ts'
import { arrival, nth, START, TestDevice, testRegistry, testService } from '../../test/support/registry-peer.ts'
import { MemoryClock } from '../adapters/memory/memory-clock.ts'
import { asMonotonicMs, asUnixMs } from '../core/ids.ts'
import type { Candidate } from '../core/routing/candidate.ts'
import { Liveness } from './liveness.ts'
import { MeshDirectory } from './mesh-directory.ts'

const DEVICES = [0, 1, 2, 3].map((number) => new TestDevice(700 + number))
const MODELS = ['a', 'b', 'c'] as const

function scope() {
  const registry = testRegistry({ self: nth(DEVICES, 3).peer })
  const liveness = new Liveness({ clock: new MemoryClock(), log: new RecordingLogger(), probe: async () => undefined })
  const directory = new MeshDirectory({ registry, liveness, trustOf: () => 'any' })
  return { registry, liveness, directory }
}

function servicesOf(models: readonly string[], runtime = 'llama') {
  return testService({ runtime, offers: models.map((id) => ({ ...nth(testService().offers, 0), id })) })
}

function plain(candidates: readonly Candidate[]) {
  return candidates.map(({ node, runtime, offer, state, reason, inFlight }) => [
    node,
    runtime,
    offer.id,
    state,
    reason,
    inFlight,
  ])
}

const step = fc.record({
  device: fc.nat(DEVICES.length - 1),
  what: fc.constantFrom('record', 'same', 'beat', 'farewell', 'fail', 'answer', 'sweep', 'ask'),
  models: fc.uniqueArray(fc.constantFrom(...MODELS), { maxLength: 3 }),
  runtime: fc.constantFrom('llama', 'ollama'),
})

describe('the directory of the mesh', () => {
  it('is after every change what a fresh one would be', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 30 }), (steps) => {
        const { registry, liveness, directory } = scope()
        let ms = 0
        for (const [index, { device: number, what, models, runtime }] of steps.entries()) {
          ms += what === 'sweep' ? 4_000 : 500
          const device = nth(DEVICES, number)
          const services = [servicesOf(models, runtime), servicesOf(models.slice(1), 'other')]
          const signedAt = asUnixMs(START + ms)
          const take = (changes: object): unknown =>
            registry.receiveRecord(device.record(index + 1, { signedAt, services, ...changes }).bytes, arrival(ms))
          if (what === 'record') take({})
          else if (what === 'same') take({ services: registry.table.get(device.peer)?.record.services ?? [] })
          else if (what === 'farewell') take({ leaseMs: 0 })
          else if (what === 'beat')
            registry.receiveBeat(device.beat(index + 1, { sentAt: signedAt }).bytes, arrival(ms))
          else if (what === 'fail') liveness.observed(device.peer, { kind: 'unreachable', reason: 'no' })
          else if (what === 'answer') liveness.observed(device.peer, { kind: 'answered', rttMs: 3 })
          else if (what === 'sweep') registry.sweep(signedAt, asMonotonicMs(ms))
          // Those not asked for yet are made later, from what is there then.
          for (const model of what === 'ask' ? MODELS : models) directory.candidatesFor(model)
          const fresh = new MeshDirectory({ registry, liveness, trustOf: () => 'any' })
          for (const model of MODELS)
            assert.deepEqual(plain(directory.candidatesFor(model)), plain(fresh.candidatesFor(model)))
          assert.deepEqual(plain(directory.all()), plain(fresh.all()))
        }
        liveness.stop()
      }),
      { numRuns: 100 },
    )
  })

  it('keeps a list as it was handed out', () => {
    const { registry, directory } = scope()
    registry.receiveRecord(nth(DEVICES, 0).record(1).bytes, arrival())
    const before = directory.candidatesFor('qwen3:8b')
    registry.receiveRecord(nth(DEVICES, 1).record(1).bytes, arrival())
    assert.equal(before.length, 1)
    assert.equal(directory.candidatesFor('qwen3:8b').length, 2)
  })

  it('keeps the lists of models that a change does not touch', () => {
    const { registry, liveness, directory } = scope()
    registry.receiveRecord(nth(DEVICES, 0).record(1, { services: [servicesOf(['a'])] }).bytes, arrival())
    registry.receiveRecord(nth(DEVICES, 1).record(1, { services: [servicesOf(['b'])] }).bytes, arrival())
    const [a, b] = [directory.candidatesFor('a'), directory.candidatesFor('b')]
    registry.receiveRecord(nth(DEVICES, 2).record(1, { services: [servicesOf(['b'])] }).bytes, arrival())
    liveness.observed(nth(DEVICES, 0).peer, { kind: 'unreachable', reason: 'refused' })
    assert.equal(directory.candidatesFor('a'), a)
    assert.equal(nth(a, 0).state, 'unhealthy')
    assert.equal(nth(a, 0).reason, 'refused')
    assert.notEqual(directory.candidatesFor('b'), b)
    liveness.stop()
  })

  it('asks again who is trusted when that was decided otherwise', () => {
    const { registry, liveness } = scope()
    let trust: 'self' | 'any' = 'any'
    const directory = new MeshDirectory({ registry, liveness, trustOf: () => trust })
    registry.receiveRecord(nth(DEVICES, 0).record(1).bytes, arrival())
    assert.equal(directory.candidatesFor('qwen3:8b')[0]?.trust, 'any')
    trust = 'self'
    directory.recheck()
    assert.equal(directory.candidatesFor('qwen3:8b')[0]?.trust, 'self')
  })

  it('remembers nothing of models that nobody has', () => {
    const { registry, directory } = scope()
    const empty = directory.candidatesFor('a')
    registry.receiveRecord(nth(DEVICES, 0).record(1, { services: [servicesOf(['a'])] }).bytes, arrival())
    assert.equal(empty.length, 0)
    assert.equal(directory.candidatesFor('a').length, 1)
  })

  it('knows a new certificate for a change', () => {
    const { registry, directory } = scope()
    registry.receiveRecord(nth(DEVICES, 0).record(1).bytes, arrival())
    const before = directory.version()
    registry.receiveRecord(nth(DEVICES, 0).record(2).bytes, arrival())
    assert.equal(directory.version(), before)
    registry.receiveRecord(nth(DEVICES, 0).record(3, { certificate: new Uint8Array(9) }).bytes, arrival())
    assert.notEqual(directory.version(), before)
  })
})
