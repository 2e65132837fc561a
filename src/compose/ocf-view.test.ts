/** The node table of OCF, made from the registry and from what this node sees of its peers. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { arrival, TestDevice, testDescription, testRegistry, testService } from '../../test/support/registry-peer.ts'
import { MemoryClock } from '../adapters/memory/memory-clock.ts'
import type { NodeId } from '../core/ids.ts'
import { OcfTable } from '../core/wire/ocf.ts'
import type { PeerPath } from '../ports/peer-streams.ts'
import { ocfViewOf } from './ocf-view.ts'

const [SELF, NEAR, FAR, DOWN] = [999, 1, 2, 3].map((number) => new TestDevice(number)) as [
  TestDevice,
  TestDevice,
  TestDevice,
  TestDevice,
]
const GPU = testDescription().hardware

function world({ publicAddresses = [] as readonly string[], hasMesh = true } = {}) {
  const registry = testRegistry()
  const clock = new MemoryClock()
  const paths = new Map<NodeId, PeerPath>([
    [NEAR.peer, { kind: 'direct', transport: 'tcp', address: '/ip4/192.168.1.9/tcp/5' }],
    [FAR.peer, { kind: 'circuit', transport: 'tcp', address: '/ip4/203.0.113.1/tcp/1/p2p/r/p2p-circuit' }],
  ])
  const view = ocfViewOf({
    clock,
    self: SELF.peer,
    publicAddresses,
    own: () => ({ ...testDescription({ services: [testService({ load: load(2) })] }), addresses: [] }),
    mesh: () =>
      hasMesh
        ? {
            membership: { registry, liveness: { isUsable: (peer) => peer !== DOWN.peer } },
            connections: { peers: () => [...paths.keys()] },
            paths: (peer) => [paths.get(peer)].filter((path) => path !== undefined),
          }
        : undefined,
  })
  return { registry, clock, view }
}

const load = (inFlight: number) => ({ inFlight, queued: 0, inputRate: 0, outputRate: 0 })

describe('ocfViewOf', () => {
  it('shows nodes that can be asked, and this one', () => {
    const { registry, view } = world()
    registry.putOwn(SELF.record(1), arrival().at)
    for (const device of [NEAR, DOWN]) registry.receiveRecord(device.record(1).bytes, arrival())
    registry.receiveRecord(FAR.record(1).bytes, arrival(0, { source: 'disk' }))
    const table = OcfTable.parse(view.table())
    assert.deepEqual(Object.keys(table).toSorted(), [`/${SELF.peer}`, `/${NEAR.peer}`].toSorted())
    assert.equal(view.knows(DOWN.peer), true)
    assert.equal(view.knows(new TestDevice(77).peer), false)
    registry.receiveRecord(NEAR.record(2, { leaseMs: 0 }).bytes, arrival())
    assert.deepEqual(Object.keys(view.table()), [`/${SELF.peer}`])
  })

  it('tells of services by name, with the groups of instances that are ready, and never where they listen', () => {
    const { registry, view } = world()
    const services = [
      testService({ runtime: 'llama' }),
      testService({ runtime: 'openai-1a2b3c', groups: ['tier=fast'], load: load(3) }),
      testService({ runtime: 'broken', state: 'unhealthy', groups: ['tier=slow'] }),
      testService({ name: 'ocr', runtime: 'ocr', offers: [], groups: ['lang=*'], state: 'starting' }),
    ]
    registry.receiveRecord(NEAR.record(1, { services }).bytes, arrival())
    const peer = view.table()[`/${NEAR.peer}`]
    assert.deepEqual(peer?.service, [
      {
        name: 'llm',
        hardware: '',
        status: 'connected',
        host: 'localhost',
        port: '',
        identity_group: ['model=qwen3:8b', 'tier=fast'],
      },
      { name: 'ocr', hardware: '', status: 'starting', host: 'localhost', port: '', identity_group: [] },
    ])
    assert.deepEqual(peer?.load, [0, 3, 0, 0])
    assert.deepEqual(view.table()[`/${SELF.peer}`]?.load, [2])
    assert.deepEqual(peer?.hardware.gpus, [{ name: GPU?.accelerators[0]?.name, total_memory: 24_576, used_memory: 0 }])
    assert.equal(peer?.hardware.host_memory, 32_768)
  })

  it('says when a node was last heard of, in seconds', async () => {
    const { registry, clock, view } = world()
    await clock.advance(10_000)
    registry.receiveRecord(NEAR.record(1).bytes, arrival(0, { at: clock.monotonic() }))
    const heardAt = Math.floor(clock.now() / 1_000)
    await clock.advance(7_000)
    assert.equal(view.table()[`/${NEAR.peer}`]?.last_seen, heardAt)
    assert.equal(view.table()[`/${SELF.peer}`]?.last_seen, heardAt + 7)
  })

  it('tells how each peer is connected', () => {
    const { registry, view } = world()
    registry.receiveRecord(NEAR.record(1).bytes, arrival())
    registry.receiveRecord(DOWN.record(1).bytes, arrival())
    const statuses = Object.fromEntries(view.peersStatus().map(({ id, connectedness }) => [id, connectedness]))
    assert.deepEqual(statuses, { [NEAR.peer]: 'Connected', [DOWN.peer]: 'NotConnected', [FAR.peer]: 'Limited' })
    assert.deepEqual(view.peers(), [
      { ID: NEAR.peer, Addrs: ['/ip4/192.168.1.9/tcp/5', '/ip4/192.168.1.20/tcp/11441'] },
      { ID: FAR.peer, Addrs: ['/ip4/203.0.113.1/tcp/1/p2p/r/p2p-circuit'] },
    ])
  })

  it('lists bootstraps: itself where it is public, and others that are', () => {
    const { registry, view } = world({ publicAddresses: ['/dns4/head.example/tcp/11441'] })
    const addresses = ['/ip4/198.51.100.4/tcp/11441', `/ip4/198.51.100.4/tcp/11442/ws/p2p/${NEAR.peer}`]
    registry.receiveRecord(NEAR.record(1, { roles: ['provider', 'bootstrap'], addresses }).bytes, arrival())
    registry.receiveRecord(FAR.record(1).bytes, arrival())
    registry.receiveRecord(DOWN.record(1, { roles: ['bootstrap'], addresses }).bytes, arrival())
    assert.equal(view.isPublic, true)
    assert.deepEqual(view.bootstraps(), [
      `/dns4/head.example/tcp/11441/p2p/${SELF.peer}`,
      `/ip4/198.51.100.4/tcp/11441/p2p/${NEAR.peer}`,
      `/ip4/198.51.100.4/tcp/11442/ws/p2p/${NEAR.peer}`,
    ])
    const table = view.table()
    assert.equal(table[`/${SELF.peer}`]?.public_address, 'head.example')
    assert.deepEqual(table[`/${SELF.peer}`]?.role, ['worker', 'head', 'relay'])
    assert.equal(table[`/${NEAR.peer}`]?.public_address, '198.51.100.4')
    assert.equal(table[`/${FAR.peer}`]?.public_address, '')
  })

  it('knows this node alone where there is no mesh', () => {
    const { view } = world({ hasMesh: false })
    assert.deepEqual(Object.keys(view.table()), [`/${SELF.peer}`])
    assert.deepEqual([view.peers(), view.peersStatus(), view.bootstraps()], [[], [], []])
    assert.equal(view.knows(SELF.peer), true)
  })
})
