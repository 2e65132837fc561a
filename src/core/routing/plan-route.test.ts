/** Tests of the order of candidates, of who is left out, and of what a client is told of it. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { type CandidateChanges, testCandidate, testRequest } from '../../../test/support/candidates.ts'
import { describeExclusion } from './exclude.ts'
import { planRoute, type RoutePlan } from './plan-route.ts'
import type { PromptTrust } from './prompt-trust.ts'
import { refusalOf } from './route-refusal.ts'

const request = testRequest()

function planOf(candidates: readonly CandidateChanges[], promptTrust: PromptTrust = 'network'): RoutePlan {
  return planRoute(request, candidates.map(testCandidate), { promptTrust })
}

const namesOf = ({ ordered }: RoutePlan): readonly string[] => ordered.map(({ node }) => node)

describe('planRoute', () => {
  it('takes what is here first, while it has room', () => {
    const idle = planOf([{ node: 'far', rttMs: 1 }, { inFlight: 3 }])
    assert.deepEqual([namesOf(idle), idle.reason], [['here', 'far'], 'local'])
    const full = planOf([{ node: 'far', rttMs: 1 }, { inFlight: 4 }])
    assert.deepEqual([namesOf(full), full.reason], [['far', 'here'], 'least-busy'])
  })

  it('takes who has least in flight for its capacity, then the nearest, then the order it was given', () => {
    const busy = planOf([
      { node: 'small', inFlight: 1, capacity: 1 },
      { node: 'big', inFlight: 2, capacity: 8 },
      { node: 'idle', rttMs: 90 },
      { node: 'near', rttMs: 3 },
      { node: 'unknown' },
      { node: 'unknown-too' },
    ])
    assert.deepEqual(namesOf(busy), ['near', 'idle', 'unknown', 'unknown-too', 'big', 'small'])
    assert.equal(busy.reason, 'nearest')
    assert.equal(planOf([{ node: 'a', inFlight: 1 }, { node: 'b' }]).reason, 'least-busy')
    assert.equal(planOf([{ node: 'a' }, { node: 'b' }]).reason, 'least-busy')
    assert.equal(planOf([{ node: 'a' }]).reason, 'only')
    assert.equal(planOf([]).reason, 'none')
  })

  it('counts a capacity of nothing as one', () => {
    assert.deepEqual(
      namesOf(
        planOf([
          { node: 'a', capacity: 0, inFlight: 1 },
          { node: 'b', inFlight: 3 },
        ]),
      ),
      ['b', 'a'],
    )
  })

  it('leaves out peers that cannot be reached, with the reason', () => {
    const plan = planOf([{ node: 'gone', state: 'unhealthy', reason: 'it does not answer' }, { node: 'far' }])
    assert.deepEqual(namesOf(plan), ['far'])
    assert.deepEqual(
      plan.excluded.map(({ exclusion }) => describeExclusion(exclusion)),
      ['unhealthy: it does not answer'],
    )
  })

  it('reads a load once, so that one which changes meanwhile cannot confuse the order', () => {
    let reads = 0
    const moving = { ...testCandidate({ node: 'moving' }) }
    Object.defineProperty(moving, 'inFlight', { get: () => (reads += 1) })
    planRoute(request, [moving, ...['b', 'c', 'd'].map((node) => testCandidate({ node }))], { promptTrust: 'any' })
    assert.equal(reads, 1)
  })
})

describe('the trust of a prompt', () => {
  const mixed: readonly CandidateChanges[] = [
    { node: 'mine', trust: 'self' },
    { node: 'friend', trust: 'network' },
    { node: 'stranger', trust: 'any' },
  ]

  for (const [scope, expected] of [
    ['self', ['mine']],
    ['network', ['mine', 'friend']],
    ['any', ['mine', 'friend', 'stranger']],
  ] as const) {
    it(`"${scope}" reaches ${expected.join(', ')} only`, () => {
      const plan = planOf(mixed, scope)
      assert.deepEqual(namesOf(plan), expected)
      for (const { candidate, exclusion } of plan.excluded) {
        assert.deepEqual(exclusion, { kind: 'trust', scope, needed: candidate.trust })
      }
    })
  }

  it('is enforced before anything else is looked at, and said with its scope and the way out', () => {
    const plan = planOf([{ node: 'friend', state: 'unhealthy', reason: 'gone' }, { node: 'other' }], 'self')
    assert.deepEqual(namesOf(plan), [])
    const error = refusalOf(plan, request)
    assert.deepEqual([error.code, error.status], ['prompt_outside_trust', 403])
    assert.match(error.message, /"m" is served only outside the prompt trust of this key, which is "self"/)
    assert.equal(error.details.fix, 'heddle keys create <name> --prompt-trust network')
    assert.equal(error.details.metadata?.['promptTrust'], 'self')
  })

  it('is not blamed where a node inside it would serve later or could serve another request', () => {
    const waiting = planOf([{ node: 'friend' }, { state: 'starting', reason: 'loading' }], 'self')
    assert.equal(refusalOf(waiting, request).code, 'no_capacity')
    const embedder = planOf([{ node: 'friend' }, { offer: { endpoints: ['embeddings'] } }], 'self')
    assert.match(refusalOf(embedder, request).message, /does not serve chat/)
  })
})

describe('refusalOf', () => {
  it('names some of those that were left out, however many they are', () => {
    const many = Array.from({ length: 500 }, (_, index) => ({ node: `n${index}`, state: 'unhealthy' as const }))
    const named = refusalOf(planOf(many), request).details.metadata?.['excluded']
    assert.ok(Array.isArray(named))
    assert.equal(named.length, 20)
  })
})
