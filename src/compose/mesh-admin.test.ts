/** Tests of what a node tells of the network around it, over real membership and sessions on virtual time. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { NODE } from '../../test/support/fake-mesh-admin.ts'
import { answer, bytesOf, calm } from '../../test/support/mesh-pair.ts'
import { type Member, type MemberChanges, MemberNetwork } from '../../test/support/mesh-parts.ts'
import { testService } from '../../test/support/registry-peer.ts'
import { bodyOf } from '../core/byte-channel.ts'
import { asRequestId, asUnixMs } from '../core/ids.ts'
import type { NodeView } from '../core/wire/admin.ts'
import { Netcheck, NodeDetail, NodeList, PeerList, PingReply } from '../core/wire/admin-mesh.ts'
import type { MeshAdmin } from '../http/admin/deps.ts'
import { meshAdminOf } from './mesh-admin.ts'
import { meshHealth } from './mesh-health.ts'

const SECOND = 1_000
const SELF: NodeView = {
  ...NODE,
  id: 'self',
  name: 'here',
  connector: 'local',
  account: 'self',
  path: null,
  rttMs: null,
}
const SELF_DETAIL = {
  ...SELF,
  schema: 'heddle.node/v1',
  fingerprint: 'ab'.repeat(32),
  accountId: null,
  roles: [],
  addresses: [],
  directUrl: null,
  country: null,
  hardware: null,
  protocol: null,
  services: [],
  record: null,
  paths: [],
} satisfies NodeDetail

function adminOf(member: Member | undefined): MeshAdmin {
  return meshAdminOf({
    self: () => (member === undefined ? SELF : { ...SELF, id: member.node.peer }),
    selfDetail: () => SELF_DETAIL,
    mode: member?.parts.mode ?? 'standalone',
    mesh: () => member?.parts,
    requestId: () => asRequestId('req_ping'),
  })
}

interface Joined {
  readonly network: MemberNetwork
  readonly here: Member
  readonly far: Member
  readonly admin: MeshAdmin
}

async function joined(changes: MemberChanges = {}, ofFar: MemberChanges = {}): Promise<Joined> {
  const network = new MemberNetwork()
  const here = network.member(1, changes)
  const far = network.member(2, ofFar)
  await network.join()
  return { network, here, far, admin: adminOf(here) }
}

describe('nodes', () => {
  it('lists this node, then the others as this one sees them', async () => {
    const { admin, far, here } = await joined({ trustOf: () => 'self' })
    const { nodes, mode } = NodeList.parse(admin.nodes())
    assert.equal(mode, 'node')
    assert.deepEqual(
      nodes.map(({ id, connector, state, account, path }) => [id, connector, state, account, path]),
      [
        [here.node.peer, 'local', 'online', 'self', null],
        [far.node.peer, 'mesh', 'online', 'self', 'direct'],
      ],
    )
    assert.deepEqual(nodes[1]?.models, ['qwen3:8b'])
  })

  it('shows one in full, by its name, id, fingerprint or a beginning of them', async () => {
    const { admin, far } = await joined()
    const detail = NodeDetail.parse(admin.node(far.node.peer))
    assert.equal(detail.services[0]?.models[0]?.digest, '0123456789abcdef'.repeat(4))
    assert.deepEqual(detail.hardware?.cores, 8)
    assert.ok((detail.record?.leaseLeftMs ?? 0) > 0)
    for (const which of [detail.name, detail.fingerprint, detail.fingerprint.slice(0, 8), far.node.peer.slice(0, 20)])
      assert.equal(admin.node(which).id, far.node.peer)
    assert.throws(() => admin.node('nobody'), { code: 'not_found' })
    assert.throws(() => admin.node('node '), { code: 'invalid_request', message: /may be any of 2 nodes/ })
  })

  it('says why one gets no requests', async () => {
    const { admin, far, here, network } = await joined()
    const seen = (): unknown =>
      admin
        .nodes()
        .nodes.slice(1)
        .map(({ state, reason }) => [state, reason])
    far.node.change({ services: [testService({ state: 'unhealthy' })] })
    await network.fabric.clock.advance(SECOND)
    assert.deepEqual(seen(), [['degraded', 'its node says unhealthy']])
    far.node.change({ services: [testService({ state: 'starting' })] })
    await network.fabric.clock.advance(2 * SECOND)
    assert.deepEqual(seen(), [['starting', 'its runtimes are starting']])
    here.parts.membership.liveness.observed(far.node.peer, { kind: 'unreachable', reason: 'connection refused' })
    assert.deepEqual(seen(), [['degraded', 'connection refused']])
    far.node.change({ services: [] })
    here.parts.membership.liveness.observed(far.node.peer, { kind: 'answered' })
    await network.fabric.clock.advance(2 * SECOND)
    assert.deepEqual(seen(), [['online', '']])
  })
})

describe('a node that is only remembered', () => {
  it('was seen when it last said something, not when this one started', async () => {
    const { admin, far, here, network } = await joined()
    const { signedAt } = here.parts.membership.registry.table.get(far.node.peer)?.record ?? {}
    await here.node.leave()
    await far.node.kill()
    await network.fabric.clock.advance(5 * SECOND)
    await here.node.start()
    const [, remembered] = NodeList.parse(admin.nodes()).nodes
    assert.deepEqual([remembered?.id, remembered?.state], [far.node.peer, 'offline'])
    assert.equal(Date.parse(remembered?.lastSeen ?? ''), signedAt)
  })
})

describe('peers', () => {
  it('lists who is connected, and connects to others', async () => {
    const { admin, far, here, network } = await joined()
    const { peers } = PeerList.parse(admin.peers())
    assert.deepEqual(
      peers.map(({ id, paths }) => [id, paths[0]?.kind]),
      [[far.node.peer, 'direct']],
    )
    network.gossip.disconnect(here.node.peer, far.node.peer)
    assert.deepEqual(admin.peers().peers, [])
    const peer = await network.fabric.during(admin.connect(`/memory/${far.node.peer}`, { signal: calm() }))
    assert.equal(peer.id, far.node.peer)
  })

  it('refuses what is no multiaddr, and says where nobody answers', async () => {
    const { admin, network } = await joined()
    for (const address of ['attic', 'http://attic', ''])
      await assert.rejects(admin.connect(address, { signal: calm() }), { code: 'invalid_request' })
    await assert.rejects(network.fabric.during(admin.connect('/memory/nobody', { signal: calm() })), {
      code: 'peer_unreachable',
    })
  })
})

describe('ping', () => {
  const models = JSON.stringify({ object: 'list', data: [] })

  it('measures a frame, a request and a token, and tells routing of it', async () => {
    const asked: string[] = []
    const { admin, far, here, network } = await joined(
      {},
      {
        serve: async (_from, { method, path, headers }) => {
          asked.push(`${method} ${path} ${headers['heddle-runtime']}`)
          return answer(bodyOf(bytesOf(models)))
        },
      },
    )
    const ping = async (layer: 'path' | 'http' | 'inference'): Promise<PingReply> =>
      PingReply.parse(await network.fabric.during(admin.ping({ node: far.node.peer, layer }, { signal: calm() })))
    const plain = await ping('path')
    assert.deepEqual([plain.path?.kind, plain.http, plain.inference], ['direct', null, null])
    assert.equal(here.parts.membership.liveness.view(far.node.peer).rttMs, plain.rttMs)
    assert.deepEqual((await ping('http')).http?.status, 200)
    const { inference } = await ping('inference')
    assert.deepEqual([inference?.model, inference?.runtime, inference?.status], ['qwen3:8b', 'llama', 200])
    assert.deepEqual(asked, ['GET /v1/models llama', 'POST /v1/chat/completions llama'])
  })

  it('says that a node cannot be reached, and keeps requests from it', async () => {
    const { admin, far, here, network } = await joined()
    network.fabric.network.host(far.node.peer).crash(false)
    const asked = admin.ping({ node: far.node.peer, layer: 'path' }, { signal: calm() })
    await assert.rejects(network.fabric.during(asked), { code: 'peer_unreachable' })
    assert.equal(here.parts.membership.liveness.isUsable(far.node.peer), false)
  })

  it('names the node rather than its id where it cannot be reached', async () => {
    const { admin, far, network } = await joined()
    network.fabric.network.host(far.node.peer).crash(false)
    const asked = admin.ping({ node: far.node.peer, layer: 'path' }, { signal: calm() })
    const name = `node ${far.node.peer.slice(-4)}`
    await assert.rejects(network.fabric.during(asked), ({ message }: Error) => {
      assert.ok(message.includes(name) && !message.includes(far.node.peer), message)
      return true
    })
    const [, view] = admin.nodes().nodes
    assert.ok(view?.reason !== '' && view?.reason.includes(far.node.peer) === false, view?.reason)
  })

  it('asks neither itself nor a node without models for a token', async () => {
    const { admin, far, here, network } = await joined()
    await assert.rejects(admin.ping({ node: here.node.peer, layer: 'path' }, { signal: calm() }), {
      code: 'invalid_request',
    })
    far.node.change({ services: [] })
    await network.fabric.clock.advance(SECOND)
    const asked = admin.ping({ node: far.node.peer, layer: 'inference' }, { signal: calm() })
    await assert.rejects(network.fabric.during(asked), { code: 'model_not_found' })
  })
})

describe('a node without a mesh', () => {
  it('knows itself, and says how to have peers', async () => {
    const admin = adminOf(undefined)
    assert.deepEqual(NodeList.parse(admin.nodes()), { schema: 'heddle.nodes/v1', mode: 'standalone', nodes: [SELF] })
    assert.equal(admin.node('here').id, 'self')
    assert.throws(() => admin.node('attic'), { code: 'not_found' })
    for (const call of [
      async () => admin.peers(),
      () => admin.connect('/ip4/127.0.0.1/tcp/1', { signal: calm() }),
      () => admin.ping({ node: 'attic', layer: 'path' }, { signal: calm() }),
    ])
      await assert.rejects(call, (error: { code?: string; details?: { fix?: string } }) => {
        assert.equal(error.code, 'conflict')
        assert.match(error.details?.fix ?? '', /^heddle config set mode local\n/)
        return true
      })
    const { findings, verdict } = Netcheck.parse(admin.netcheck())
    assert.match(verdict, /^the mesh is off \(mode standalone\)/)
    assert.deepEqual(
      findings.map(({ code, fix }) => [code, fix]),
      [['mesh_off', 'heddle config set mode local']],
    )
  })
})

describe('netcheck', () => {
  it('tells what is known, with nothing to mend where all is well', async () => {
    const { admin } = await joined({ facts: { reachability: 'public', observedAddresses: ['/ip4/127.0.0.1/tcp/5'] } })
    const net = Netcheck.parse(admin.netcheck())
    assert.deepEqual([net.findings, net.nat, net.peers], [[], 'none', { direct: 1, circuit: 0 }])
    assert.equal(net.verdict, 'nodes anywhere can reach this one directly')
  })

  it('says what a node behind a router misses, and what mends it', async () => {
    const { admin } = await joined({
      facts: { reachability: 'private', observedAddresses: ['/ip4/192.0.2.7/tcp/5'], quicOff: 'not installed' },
    })
    const net = admin.netcheck()
    assert.equal(net.nat, 'present')
    assert.deepEqual(
      net.findings.map(({ code, severity }) => [code, severity]),
      [
        ['not_reachable', 'warning'],
        ['no_quic', 'info'],
      ],
    )
    assert.match(net.findings[0]?.fix ?? '', /^heddle config set mesh\.public_addr /)
  })

  it('names the relays through which it is reached', async () => {
    const network = new MemberNetwork()
    const relay = network.member(2)
    const here = network.member(1, { facts: { reachability: 'private', relays: [relay.node.peer] } })
    await network.join()
    const { relays, findings, verdict } = adminOf(here).netcheck()
    assert.deepEqual(
      relays.map(({ id, name }) => [id, name]),
      [[relay.node.peer, `node ${relay.node.peer.slice(-4)}`]],
    )
    assert.deepEqual([findings, /through a relay/.test(verdict)], [[], true])
  })
})

describe('the health of the mesh', () => {
  const codesOf = ({ parts }: Member): readonly string[] => meshHealth(parts).map(({ code }) => code)

  it('is well in a network that works', async () => {
    const { here } = await joined()
    assert.deepEqual(codesOf(here), [])
  })

  it('tells that no bootstrap answers, and that it goes on trying', async () => {
    const network = new MemberNetwork()
    const absent = network.member(1)
    const here = network.member(2)
    await here.node.start()
    await network.fabric.clock.advance(90 * SECOND)
    assert.equal(absent.node.isUp, false)
    const [item] = meshHealth(here.parts)
    assert.deepEqual([item?.code, item?.severity, item?.fix], ['bootstrap_unreachable', 'warning', 'heddle netcheck'])
    assert.match(item?.message ?? '', /^no bootstrap answers \(1 address, tried \d+ times\).*it goes on trying$/)
  })

  it('tells a clock that is off, with the command that sets it', async () => {
    for (const [minutes, severity, effect] of [
      [10, 'warning', 'believe it late'],
      [20, 'error', 'refuse its records'],
    ] as const) {
      const { far } = await joined({}, { skewMs: -minutes * 60 * SECOND })
      const [item] = meshHealth(far.parts)
      assert.deepEqual([item?.code, item?.severity], ['clock_off', severity])
      const sentence = `^the clock of this machine is ${minutes} min behind those of its peers, which therefore ${effect}$`
      assert.match(item?.message ?? '', new RegExp(sentence))
      assert.match(item?.fix ?? '', /^sudo /)
    }
  })

  it('tells of a peer that belongs to another network, with both names', async () => {
    const { here, far } = await joined()
    const { self, registry, liveness } = here.parts.membership
    const membership = {
      self,
      registry,
      liveness,
      view: () => here.parts.membership.view(),
      objectionToPeer: (peer: string) => `${peer} belongs to network b, this node to a`,
    }
    const [item] = meshHealth({ ...here.parts, membership, connections: here.parts.connections })
    assert.deepEqual([item?.code, item?.fix], ['peer_refused', 'heddle peers ls'])
    assert.match(item?.message ?? '', new RegExp(`${far.node.peer} belongs to network b, this node to a$`))
  })

  it('tells why others refuse this node', async () => {
    const { here } = await joined({ objection: 'its certificate has expired' })
    const [item] = meshHealth(here.parts)
    assert.deepEqual(
      [item?.code, item?.message],
      ['record_refused', 'other nodes refuse this one: its certificate has expired'],
    )
  })

  it('tells of what could not be renewed, and more loudly once it has ended', async () => {
    for (const [endsAt, severity] of [
      [asUnixMs(Date.UTC(2027, 0, 1)), 'warning'],
      [asUnixMs(Date.UTC(2025, 0, 1)), 'error'],
    ] as const) {
      const problem = { credential: 'certificate' as const, reason: 'the key is elsewhere', fix: undefined, endsAt }
      const { here } = await joined({ problems: [problem] })
      const [item] = meshHealth(here.parts)
      assert.deepEqual(item, {
        code: 'certificate_ending',
        severity,
        message: 'the key is elsewhere',
        fix: 'heddle identity show',
      })
    }
  })

  it('tells of models that do not fit into the record', async () => {
    const { here, network } = await joined()
    const [offer] = testService().offers
    const offers = Array.from({ length: 200 }, (_, index) => ({ ...offer, id: `model-${index}` })) as never
    here.node.change({ services: [testService({ offers })] })
    await network.fabric.clock.advance(2 * SECOND)
    const [item] = meshHealth(here.parts)
    assert.equal(item?.code, 'models_omitted')
    assert.match(item?.message ?? '', /^\d+ models do not fit into what this node tells others/)
  })
})
