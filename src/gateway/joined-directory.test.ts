/** Tests of the union of directories, and of the catalogue and plans over it at ten thousand candidates. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { ListDirectory, testCandidate, testRequest } from '../../test/support/candidates.ts'
import { ListServiceDirectory } from '../../test/support/list-service-directory.ts'
import { asNodeId, asRuntimeId } from '../core/ids.ts'
import type { Candidate } from '../core/routing/candidate.ts'
import { planRoute } from '../core/routing/plan-route.ts'
import type { ServiceCandidate } from '../core/routing/service-candidate.ts'
import { Catalogue } from './catalogue.ts'
import { JoinedDirectory } from './joined-directory.ts'
import { JoinedServiceDirectory } from './joined-service-directory.ts'

const nodesOf = (candidates: readonly { readonly node: string }[]): readonly string[] =>
  candidates.map(({ node }) => node)

describe('JoinedDirectory', () => {
  it('lists the candidates of all, its own first, and follows every change', () => {
    const local = new ListDirectory([testCandidate()])
    const mesh = new ListDirectory([testCandidate({ node: 'far' }), testCandidate({ node: 'far', offer: { id: 'x' } })])
    const joined = new JoinedDirectory([local, mesh])
    assert.deepEqual(nodesOf(joined.candidatesFor('m')), ['here', 'far'])
    assert.deepEqual(nodesOf(joined.candidatesFor('x')), ['far'])
    assert.deepEqual(joined.candidatesFor('nothing'), [])
    assert.deepEqual(nodesOf(joined.all()), ['here', 'far', 'far'])
    const before = joined.version()
    mesh.set([])
    assert.ok(joined.version() > before)
    assert.deepEqual(nodesOf(joined.all()), ['here'])
    assert.deepEqual(nodesOf(joined.candidatesFor('m')), ['here'])
  })

  it('makes the whole list once for each version', () => {
    const local = new ListDirectory([testCandidate()])
    const joined = new JoinedDirectory([local])
    assert.equal(joined.all(), joined.all())
    assert.deepEqual(local.asked, ['all'])
  })

  it('scans nobody for a request: of ten thousand candidates only the three of the model are looked at', () => {
    const others = Array.from({ length: 10_000 }, (_, index) => untouchable(`n${index}`))
    const three = ['a', 'b', 'c'].map((node) => testCandidate({ node }))
    const byModel = new Map<string, readonly Candidate[]>([['m', three]])
    const mesh = {
      version: () => 1,
      candidatesFor: (model: string) => byModel.get(model) ?? [],
      all: () => others,
    }
    const directory = new JoinedDirectory([new ListDirectory([]), mesh])
    const catalogue = new Catalogue({ directory, seenModels: () => new Set() })
    const plan = planRoute(testRequest(), catalogue.candidatesFor('m'), { promptTrust: 'network' })
    assert.deepEqual(nodesOf(plan.ordered), ['a', 'b', 'c'])
    assert.deepEqual(nodesOf(catalogue.model('m').candidates), ['a', 'b', 'c'])
  })
})

describe('the catalogue of a network', () => {
  const far = testCandidate({ node: 'far' })
  const lost = testCandidate({ node: 'lost', state: 'unhealthy', reason: 'it does not answer', offer: { id: 'x' } })
  const catalogue = new Catalogue({
    directory: new JoinedDirectory([new ListDirectory([testCandidate()]), new ListDirectory([lost, far])]),
    seenModels: () => new Set(),
  })

  it('has one entry for each model, of those that can be asked now', () => {
    assert.deepEqual(
      catalogue.models().map(({ id, candidates }) => [id, nodesOf(candidates)]),
      [['m', ['here', 'far']]],
    )
    assert.throws(() => catalogue.model('x'), { code: 'no_capacity' })
  })

  it('has the others where somebody asks for everything', () => {
    assert.deepEqual(
      catalogue.known().map(({ id, candidates }) => [id, nodesOf(candidates)]),
      [
        ['m', ['here', 'far']],
        ['x', ['lost']],
      ],
    )
  })
})

describe('JoinedServiceDirectory', () => {
  it('lists the instances of all, its own first', () => {
    const instance = (node: string, service: string): ServiceCandidate => ({
      node: asNodeId(node),
      nodeName: node,
      connector: node === 'here' ? 'local' : 'mesh',
      runtime: asRuntimeId(service),
      service,
      groups: [],
      state: 'ready',
      reason: '',
      inFlight: 0,
      capacity: 1,
      trust: 'network',
    })
    const joined = new JoinedServiceDirectory([
      new ListServiceDirectory([instance('here', 'whisper')]),
      new ListServiceDirectory([instance('far', 'llm'), instance('far', 'whisper')]),
    ])
    assert.deepEqual(nodesOf(joined.instancesOf('whisper')), ['here', 'far'])
    assert.equal(joined.allInstances().length, 3)
    assert.equal(joined.instancesAt(asNodeId('far')).length, 2)
    assert.deepEqual(joined.instancesInGroup('whisper', 'model=x'), [])
  })
})

/** A candidate that fails the test when anybody reads what is in it. */
function untouchable(node: string): Candidate {
  return new Proxy(testCandidate({ node }), {
    get: (_, property) => assert.fail(`${String(property)} of ${node} was read`),
  })
}
