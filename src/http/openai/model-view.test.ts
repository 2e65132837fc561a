/** Tests of a model and its providers as `/v1/models` shows them. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { testCandidate } from '../../../test/support/candidates.ts'
import type { Candidate } from '../../core/routing/candidate.ts'
import { OpenAiModel } from '../../core/wire/openai-models.ts'
import { openAiModel } from './model-view.ts'

const modelOf = (candidates: readonly Candidate[]) => ({ id: 'm', createdSeconds: 7, ownedBy: 'someone', candidates })

describe('openAiModel', () => {
  it('keeps the four fields of OpenAI, and says who and where under heddle', () => {
    const far = testCandidate({
      node: 'far',
      rttMs: 2.71401,
      region: 'eu-central',
      inFlight: 1,
      offer: { contextTokens: 8_192, quantisation: 'Q4_K_M', digest: 'ab'.repeat(32) },
    })
    const view = OpenAiModel.parse(openAiModel(modelOf([far]), { mostProviders: 16 }))
    const { heddle, context_length, ...four } = view
    assert.deepEqual(four, { id: 'm', object: 'model', created: 7, owned_by: 'someone' })
    assert.equal(context_length, 8_192)
    assert.deepEqual(heddle, {
      providers: [
        {
          node: 'far',
          node_name: 'far',
          runtime: 'llama',
          connector: 'mesh',
          account: 'other',
          region: 'eu-central',
          state: 'ready',
          in_flight: 1,
          capacity: 4,
          rtt_ms: 2.71,
          context_length: 8_192,
          quantisation: 'Q4_K_M',
          parameters: null,
          size_bytes: null,
          digest: 'ab'.repeat(32),
        },
      ],
      provider_count: 1,
    })
  })

  it('names the best providers where there are many, and counts them all', () => {
    const many = Array.from({ length: 1_000 }, (_, index) =>
      testCandidate({ node: `n${index}`, inFlight: 4 - (index % 4), state: index % 2 === 0 ? 'ready' : 'unhealthy' }),
    )
    const { providers, provider_count } = openAiModel(modelOf([...many, testCandidate()]), { mostProviders: 5 }).heddle
    assert.equal(provider_count, 1_001)
    assert.deepEqual(
      providers.map(({ node, state, in_flight }) => [node, state, in_flight]),
      [
        ['here', 'ready', 0],
        ['n2', 'ready', 2],
        ['n6', 'ready', 2],
        ['n10', 'ready', 2],
        ['n14', 'ready', 2],
      ],
    )
  })
})
