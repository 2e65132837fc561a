/** Tests of the list of models as OpenAI’s clients read it. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { ListDirectory, testCandidate } from '../../test/support/candidates.ts'
import { fakeNode, ODD_MODEL_IDS } from '../../test/support/fake-app-deps.ts'
import { assertError, INFERENCE, openApp } from '../../test/support/open-app.ts'
import type { OpenAiModel } from '../core/wire/openai-models.ts'
import { Catalogue } from '../gateway/catalogue.ts'
import { JoinedDirectory } from '../gateway/joined-directory.ts'

describe('GET /v1/models', () => {
  it('lists models in the shape of OpenAI', async () => {
    const { app } = await openApp()
    for (const url of ['/v1/models', '/v1/models/', '//v1//models', '/v1//models/?x=1']) {
      const answer = await app.inject({ url, headers: INFERENCE })
      assert.equal(answer.statusCode, 200, url)
      const { object, data } = answer.json<{ object: string; data: { id: string }[] }>()
      assert.equal(object, 'list')
      assert.deepEqual(
        data.find(({ id }) => id === 'tiny'),
        {
          id: 'tiny',
          object: 'model',
          created: 1_700_000_000,
          owned_by: 'heddle',
          context_length: 2_048,
          heddle: {
            providers: [
              {
                node: 'node-1',
                node_name: 'studio-pc',
                runtime: 'script',
                connector: 'local',
                account: 'self',
                region: null,
                state: 'ready',
                in_flight: 0,
                capacity: 4,
                rtt_ms: null,
                context_length: 2_048,
                quantisation: null,
                parameters: null,
                size_bytes: null,
                digest: null,
              },
            ],
            provider_count: 1,
          },
        },
      )
      assert.equal(data.length, ODD_MODEL_IDS.length)
    }
  })

  for (const id of ODD_MODEL_IDS) {
    it(`finds ${JSON.stringify(id)}, encoded and as raw as a URL can be`, async () => {
      const { app } = await openApp()
      const raw = id.replaceAll('%', '%25').replaceAll(' ', '%20').replaceAll('?', '%3F').replaceAll('#', '%23')
      const urls = [
        `/v1/models/${encodeURIComponent(id)}`,
        `/v1/models/${raw.replace(/[^\0-\x7f]+/g, encodeURIComponent)}`,
      ]
      for (const url of urls) {
        const answer = await app.inject({ url, headers: INFERENCE })
        assert.equal(answer.statusCode, 200, `${url}: ${answer.payload}`)
        assert.equal(answer.json<{ id: string }>().id, id)
      }
    })
  }

  it('suggests near names for an unknown model', async () => {
    const { app } = await openApp()
    const error = assertError(
      await app.inject({ url: '/v1/models/qwen3:9b', headers: INFERENCE }),
      404,
      'model_not_found',
    )
    assert.equal(error.param, 'model')
    assert.match(error.message, /qwen3:8b/)
  })

  it('tells a model that is offline from one that never was', async () => {
    const { app } = await openApp()
    const answer = await app.inject({ url: '/v1/models/once-here', headers: INFERENCE })
    assertError(answer, 503, 'no_capacity')
    assert.ok(Number(answer.headers['retry-after']) >= 1)
  })

  it('refuses names longer than any model has', async () => {
    const { app } = await openApp()
    assertError(
      await app.inject({ url: `/v1/models/${'x'.repeat(5_000)}`, headers: INFERENCE }),
      404,
      'model_not_found',
    )
  })

  it('shows a limited key only what it may use, and its limits', async () => {
    const { app } = await openApp()
    const headers = { 'x-api-key': 'limited' }
    const answer = await app.inject({ url: '/v1/models', headers })
    assert.deepEqual(
      answer.json<{ data: { id: string }[] }>().data.map(({ id }) => id),
      ['org/name', 'org/name@q4_k_m'],
    )
    assert.equal(answer.headers['x-ratelimit-limit-requests'], '60')
    assertError(await app.inject({ url: '/v1/models/tiny', headers }), 404, 'model_not_found')
  })
})

describe('the models of a network', () => {
  const far = testCandidate({ node: 'far', offer: { id: 'shared' } })
  const lost = testCandidate({ node: 'lost', state: 'unhealthy', reason: 'it does not answer', offer: { id: 'away' } })
  const here = testCandidate({ offer: { id: 'shared' } })
  const stranger = testCandidate({ node: 'stranger', trust: 'any', offer: { id: 'odd' } })

  async function ask(url: string) {
    const node = fakeNode()
    const directory = new JoinedDirectory([new ListDirectory([here]), new ListDirectory([far, lost, stranger])])
    const catalogue = new Catalogue({ directory, seenModels: () => new Set() })
    const { app } = await openApp({ ...node, deps: { ...node.deps, catalogue } })
    return app.inject({ url, headers: INFERENCE })
  }
  const idsOf = async (url: string): Promise<readonly string[]> =>
    (await ask(url)).json<{ data: { id: string }[] }>().data.map(({ id }) => id)

  it('have one entry each, with every provider', async () => {
    const { data } = (await ask('/v1/models')).json<{ data: OpenAiModel[] }>()
    assert.deepEqual(
      data.map(({ id, heddle }) => [id, heddle.providers.map(({ node, account }) => [node, account])]),
      [
        [
          'shared',
          [
            ['here', 'self'],
            ['far', 'other'],
          ],
        ],
      ],
    )
  })

  it('leave out what cannot be served now unless everything is asked for', async () => {
    assert.deepEqual(await idsOf('/v1/models'), ['shared'])
    assert.deepEqual(await idsOf('/v1/models?all=true'), ['away', 'shared'])
    assertError(await ask('/v1/models/away'), 503, 'no_capacity')
    const { heddle } = (await ask('/v1/models/away?all=true')).json<OpenAiModel>()
    assert.deepEqual(
      heddle.providers.map(({ node, state }) => [node, state]),
      [['lost', 'unhealthy']],
    )
    assertError(await ask('/v1/models?all=perhaps'), 400, 'invalid_request')
  })

  it('show no model that the prompts of the key may not reach', async () => {
    assertError(await ask('/v1/models/odd'), 404, 'model_not_found')
    assertError(await ask('/v1/models/odd?all=true'), 404, 'model_not_found')
  })
})
