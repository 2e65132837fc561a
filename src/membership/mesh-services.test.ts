/** Tests of the services of other nodes as routing sees them. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { arrival, TestDevice, testRegistry, testService } from '../../test/support/registry-peer.ts'
import type { NodeService } from '../core/registry/node-record.ts'
import type { Registry } from '../core/registry/registry.ts'
import type { CandidateSources } from './mesh-candidate.ts'
import { MeshServices } from './mesh-services.ts'

const whisper = testService({
  name: 'whisper',
  runtime: 'main',
  groups: ['model=large', 'language=*'],
  offers: [],
  capacity: 2,
})

function scope({ usable = () => true }: { readonly usable?: (node: string) => boolean } = {}) {
  const registry = testRegistry()
  const counted: unknown[] = []
  const sources: CandidateSources = {
    isUsable: usable,
    peerOf: () => ({ state: 'up', reason: 'it fell silent', since: arrival().at, failures: 0, rttMs: 7 }),
    inFlightOf: (...place) => {
      counted.push(place)
      return 3
    },
  }
  const services = new MeshServices({ registry, sources, trustOf: () => 'network' })
  return { registry, services, counted }
}

function list(registry: Registry, number: number, ...services: readonly NodeService[]): TestDevice {
  const device = new TestDevice(number)
  const { bytes } = device.record(1, { name: `node ${number}`, services })
  assert.equal(registry.receiveRecord(bytes, arrival()).kind, 'listed')
  return device
}

describe('MeshServices', () => {
  it('finds instances by service, group and node, sorted by node', () => {
    const { registry, services } = scope()
    const both = [list(registry, 1, testService(), whisper), list(registry, 2, whisper)]
    const nodes = both.map(({ peer }) => peer).sort()
    const nodesOf = (found: readonly { readonly node: string }[]) => found.map(({ node }) => node)
    assert.deepEqual(nodesOf(services.instancesOf('whisper')), nodes)
    assert.deepEqual(nodesOf(services.instancesInGroup('whisper', 'language=*')), nodes)
    assert.deepEqual(nodesOf(services.instancesInGroup('llm', 'model=qwen3:8b')), [both[0]?.peer])
    assert.deepEqual(services.instancesInGroup('whisper', 'model=qwen3:8b'), [])
    assert.deepEqual(services.instancesOf('nothing'), [])
    assert.equal(services.allInstances().length, 3)
    assert.deepEqual(
      services.instancesAt(both[0]?.peer ?? ('' as never)).map(({ service }) => service),
      ['llm', 'whisper'],
    )
    assert.deepEqual(services.instancesAt(new TestDevice(9).peer), [])
  })

  it('shows what the record says, with the loads and the distance of now', () => {
    const { registry, services, counted } = scope()
    const { peer } = list(registry, 1, testService(), whisper)
    const [llm, other] = services.instancesAt(peer)
    assert.deepEqual(llm?.groups, ['model=qwen3:8b'])
    assert.deepEqual(
      [other?.nodeName, other?.connector, other?.runtime, other?.capacity, other?.trust, other?.state, other?.rttMs],
      ['node 1', 'mesh', 'main', 2, 'network', 'ready', 7],
    )
    assert.equal(other?.inFlight, 3)
    assert.deepEqual(counted, [[peer, 'main', 1]])
  })

  it('trusts what it sees of a node before what that says of itself', () => {
    const { registry, services } = scope({ usable: () => false })
    list(registry, 1, whisper)
    const [lost] = services.instancesOf('whisper')
    assert.deepEqual([lost?.state, lost?.reason], ['unhealthy', 'it fell silent'])
    const seen = scope()
    list(seen.registry, 1, { ...whisper, state: 'starting' })
    const [starting] = seen.services.instancesOf('whisper')
    assert.deepEqual([starting?.state, starting?.reason], ['starting', 'its node says starting'])
  })

  it('leaves this node out', () => {
    const { registry, services } = scope()
    const { peer } = new TestDevice(999)
    assert.equal(registry.self, peer)
    registry.putOwn(new TestDevice(999).record(1, { services: [whisper] }), arrival().at)
    assert.deepEqual(services.instancesOf('whisper'), [])
    assert.deepEqual(services.instancesAt(peer), [])
  })
})
