/** Tests of the explanation of a route. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { type CandidateChanges, ListDirectory, testCandidate } from '../../test/support/candidates.ts'
import type { PromptTrust } from '../core/routing/prompt-trust.ts'
import { Catalogue } from './catalogue.ts'
import { explainRoute, type RouteExplanation } from './explain.ts'

function explained(candidates: readonly CandidateChanges[], promptTrust: PromptTrust = 'network'): RouteExplanation {
  const directory = new ListDirectory(candidates.map(testCandidate))
  const catalogue = new Catalogue({ directory, seenModels: () => new Set() })
  return explainRoute({ catalogue }, { model: 'm', endpoint: 'chat', promptTrust })
}

const told = (list: RouteExplanation['ordered']): readonly (readonly [string, string])[] =>
  list.map(({ candidate, why }) => [candidate.node, why])

describe('explainRoute', () => {
  it('tells the order and what put each before the next', () => {
    const { reason, ordered, excluded, refusal } = explained([
      { node: 'busy', inFlight: 3 },
      { node: 'near', inFlight: 1, rttMs: 2.4 },
      { node: 'far', inFlight: 1, rttMs: 80 },
      { node: 'here', inFlight: 1 },
    ])
    assert.deepEqual(told(ordered), [
      ['here', 'this node, and it has room: 1 of 4 in flight'],
      ['near', 'as busy as the next but nearer: 1 of 4 in flight, 2 ms'],
      ['far', 'less busy: 1 of 4 in flight'],
      ['busy', '3 of 4 in flight'],
    ])
    assert.deepEqual([reason, excluded, refusal], ['local', [], undefined])
    assert.deepEqual(told(explained([{ node: 'a' }, { node: 'b' }]).ordered)[0], [
      'a',
      'like the next: 0 of 4 in flight',
    ])
  })

  it('tells who is left out and why, and what a client would hear', () => {
    const { ordered, excluded, refusal, reason } = explained(
      [
        { node: 'gone', trust: 'self', state: 'unhealthy', reason: 'it does not answer' },
        { node: 'friend' },
        { node: 'embedder', trust: 'self', offer: { endpoints: ['embeddings'] } },
      ],
      'self',
    )
    assert.deepEqual([ordered, reason, refusal?.code], [[], 'none', 'no_capacity'])
    assert.deepEqual(told(excluded), [
      ['gone', 'unhealthy: it does not answer'],
      ['friend', 'outside the prompt trust "self"'],
      ['embedder', 'does not serve chat'],
    ])
  })

  it('names the model that was probably meant where nobody offers this one', () => {
    assert.throws(() => explained([{ offer: { id: 'mm' } }]), { code: 'model_not_found', message: /did you mean "mm"/ })
  })
})
