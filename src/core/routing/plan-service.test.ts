/** Tests of the order in which the instances of a service are asked. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { testInstance } from '../../../test/support/service-instances.ts'
import { planService, type ServiceWish } from './plan-service.ts'

const WISH: ServiceWish = {
  service: 'asr',
  fields: new Map([['model', 'a']]),
  strictness: 'exact',
  promptTrust: 'network',
  isDirect: false,
  needsGroups: true,
}

function planned(wish: Partial<ServiceWish>, ...instances: Parameters<typeof testInstance>[0][]): readonly string[] {
  return planService({ ...WISH, ...wish }, instances.map(testInstance)).map(({ node }) => node)
}

describe('planService', () => {
  it('puts this node first while it has room, then the least busy', () => {
    const busy = { node: 'busy', inFlight: 3, capacity: 4 }
    const idle = { node: 'idle', inFlight: 0, capacity: 4 }
    const here = { node: 'here', connector: 'local' as const, inFlight: 1, capacity: 4 }
    assert.deepEqual(planned({}, busy, idle, here), ['here', 'idle', 'busy'])
    assert.deepEqual(planned({}, busy, idle, { ...here, inFlight: 4 }), ['idle', 'busy', 'here'])
  })

  it('goes no further than the strictness, and strict matches come first', () => {
    const exact = { node: 'exact', groups: ['model=a'], inFlight: 60, capacity: 64 }
    const wildcard = { node: 'wildcard', groups: ['model=*'] }
    const any = { node: 'any', groups: ['all'] }
    const other = { node: 'other', groups: ['model=b'] }
    assert.deepEqual(planned({}, any, wildcard, exact, other), ['exact'])
    assert.deepEqual(planned({ strictness: 'wildcard' }, any, wildcard, exact, other), ['exact', 'wildcard'])
    assert.deepEqual(planned({ strictness: 'any' }, any, wildcard, exact, other), ['exact', 'wildcard', 'any'])
    assert.throws(() => planned({}, any, wildcard, other), {
      code: 'no_route',
      message: /"all", "model=\*", "model=b"/,
    })
  })

  it('takes instances without groups for any request, but no runtime without models', () => {
    assert.deepEqual(planned({}, { node: 'n', groups: [] }), ['n'])
    assert.throws(() => planned({ service: 'llm' }, { node: 'n', service: 'llm', groups: [] }), {
      code: 'model_not_found',
    })
  })

  it('asks the one node that was named whatever its groups, the matching instance first', () => {
    const wrong = { runtime: 'wrong', groups: ['model=b'] }
    const right = { runtime: 'right', groups: ['model=a'] }
    const ordered = planService({ ...WISH, isDirect: true }, [wrong, right].map(testInstance))
    assert.deepEqual(
      ordered.map(({ runtime }) => runtime),
      ['right', 'wrong'],
    )
  })

  it('says that nobody is ready, and whom it looked at', () => {
    const down = { state: 'unhealthy' as const, reason: 'it does not answer' }
    assert.throws(
      () => planned({}, down),
      (error: { code: string; details: { metadata: { excluded: unknown } } }) => {
        assert.equal(error.code, 'no_capacity')
        assert.deepEqual(error.details.metadata.excluded, [
          { node: 'far', runtime: 'main', reason: 'unhealthy: it does not answer' },
        ])
        return true
      },
    )
    assert.deepEqual(planned({}, down, { node: 'up' }), ['up'])
  })

  it('sends nothing outside the trust of the prompt', () => {
    assert.throws(() => planned({ promptTrust: 'self' }, { trust: 'network' }), { code: 'prompt_outside_trust' })
    assert.deepEqual(planned({ promptTrust: 'any' }, { trust: 'any' }), ['far'])
  })

  it('names the model that nobody serves', () => {
    const llm = { service: 'llm', groups: ['model=b'] }
    assert.throws(() => planned({ service: 'llm' }, llm), { code: 'model_not_found' })
    assert.throws(() => planned({ service: 'llm', fields: new Map() }, llm), { code: 'invalid_request' })
    assert.deepEqual(planned({ service: 'llm', fields: new Map(), needsGroups: false }, llm), ['far'])
  })
})
