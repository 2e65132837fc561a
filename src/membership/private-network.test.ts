/** A private network: its members find each other, and nobody else is listed or told who they are. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { SimulatedNode } from '../../test/simulation/simulated-node.ts'
import { NOW, signerNamed } from '../../test/support/identity.ts'
import { nth, scheme, TEST_NETWORK, TestDevice } from '../../test/support/registry-peer.ts'
import { seededChance } from '../../test/support/seeded-chance.ts'
import { MemoryClock } from '../adapters/memory/memory-clock.ts'
import { MemoryGossipNetwork } from '../adapters/memory/memory-gossip.ts'
import { ALL_ROLES, roleMaskOf } from '../core/identity/roles.ts'
import { asUnixMs, type NodeId } from '../core/ids.ts'
import { limit } from '../core/limits.ts'
import { issueMembership } from '../core/network/membership-certificate.ts'
import { privateNetwork } from '../core/network/network-membership.ts'
import { encodeQuestion, parseAnswer, SYNC_PROTOCOL, type SyncQuestion } from '../core/registry/sync-messages.ts'

const SECOND = 1_000
const { signal } = new AbortController()
const networkKey = signerNamed('network').publicKey
const genesis = { name: 'home', createdAt: NOW, nonce: new Uint8Array(16), networkKey, extensions: new Map() }

function membershipOf(device: NodeId, { by = 'network', expiresAt = NOW + limit('certificateMs') } = {}): Uint8Array {
  return issueMembership(signerNamed(by), {
    network: TEST_NETWORK,
    device,
    roles: roleMaskOf(ALL_ROLES),
    notBefore: NOW,
    expiresAt: asUnixMs(expiresAt),
    serial: 1,
    extensions: new Map(),
  })
}

/** Nodes with the memberships given, the first of which all others dial. */
async function running(memberships: readonly ((device: NodeId) => Uint8Array | undefined)[]) {
  const clock = new MemoryClock()
  const chance = seededChance(5)
  const network = new MemoryGossipNetwork({ clock, chance })
  const devices = memberships.map((_, index) => new TestDevice(800 + index))
  const bootstrap = [nth(devices, 0).peer]
  const nodes = devices.map((device, index) => {
    const home = privateNetwork(scheme, {
      id: TEST_NETWORK,
      genesis,
      presharedKey: undefined,
      bootstrapAddresses: [],
      memberships: () => undefined,
    })
    const node = new SimulatedNode({ clock, network, chance, scheme, bootstrap }, device, {
      membersOnly: true,
      objectionTo: (record, now) => home.objectionTo(record, now),
    })
    node.change({ membership: memberships[index]?.(device.peer) })
    return node
  })
  for (const node of nodes) await node.start()
  await clock.advance(20 * SECOND)
  return { clock, network, nodes }
}

const lists = (node: SimulatedNode, other: SimulatedNode): boolean =>
  node.membership.registry.table.get(other.peer) !== undefined

describe('a private network', () => {
  it('is found by its members through one of them', async () => {
    const { nodes } = await running([membershipOf, membershipOf, membershipOf, membershipOf])
    for (const node of nodes) for (const other of nodes) assert.ok(lists(node, other))
    for (const node of nodes) assert.equal(node.membership.view().state, 'joined')
  })

  it('lists nobody without a membership that counts, and tells them of nobody', async () => {
    const forged = (device: NodeId): Uint8Array => membershipOf(device, { by: 'mallory' })
    const ended = (device: NodeId): Uint8Array => membershipOf(device, { expiresAt: NOW + 1 })
    const borrowed = (): Uint8Array => membershipOf(new TestDevice(800).peer)
    const { clock, nodes } = await running([membershipOf, membershipOf, () => undefined, forged, borrowed, ended])
    const [first, second] = [nth(nodes, 0), nth(nodes, 1)]
    await clock.advance(limit('clockToleranceMs') + 60 * SECOND)
    for (const member of [first, second]) {
      member.membership.recheck()
      for (const other of nodes) assert.equal(lists(member, other), other === first || other === second)
      for (const stranger of nodes.slice(2)) {
        const admitting = member.membership.admit(stranger.peer, { signal })
        await clock.advance(limit('admissionWaitMs') + SECOND)
        assert.equal(await admitting, false)
      }
    }
  })

  it('answers a stranger with no more than a hello', async () => {
    const { clock, network, nodes } = await running([membershipOf, membershipOf])
    const stranger = network.open(new TestDevice(900).peer)
    const member = nth(nodes, 0)
    const connecting = stranger.connect(`/memory/${member.peer}`, { signal })
    await clock.advance(SECOND)
    await connecting
    const ask = async (question: SyncQuestion): Promise<string> => {
      const asking = stranger
        .ask(member.peer, SYNC_PROTOCOL, encodeQuestion(question), { signal })
        .then((bytes) => parseAnswer(bytes))
        .then((answer) => (answer.kind === 'ok' ? answer.value.kind : answer.kind))
        .catch((error: { readonly code: string }) => error.code)
      await clock.advance(SECOND)
      return await asking
    }
    const buckets = Array.from({ length: 4_096 }, (_, bucket) => bucket)
    assert.equal(await ask({ kind: 'pull', buckets, haves: [] }), 'peer_unreachable')
    assert.equal(await ask({ kind: 'buckets', groups: [0] }), 'peer_unreachable')
    const hello = {
      kind: 'hello' as const,
      version: 1,
      network: TEST_NETWORK,
      now: clock.now(),
      sums: new Uint8Array(8),
    }
    assert.equal(await ask(hello), 'hello')
    const record = new TestDevice(900).record(1, { signedAt: clock.now() }).bytes
    assert.equal(await ask({ kind: 'push', items: [{ kind: 'record', record, beat: undefined, idleMs: 0 }] }), 'push')
    assert.equal(await ask({ kind: 'pull', buckets, haves: [] }), 'peer_unreachable')
  })

  it('lets a node in as soon as it shows a membership, and out when that ends', async () => {
    const { clock, nodes } = await running([membershipOf, () => undefined])
    const [member, guest] = [nth(nodes, 0), nth(nodes, 1)]
    assert.ok(!lists(member, guest))
    guest.change({ membership: membershipOf(guest.peer, { expiresAt: clock.now() + 60 * SECOND }) })
    await clock.advance(30 * SECOND)
    assert.ok(lists(member, guest))
    assert.ok(lists(guest, member))
    await clock.advance(60 * SECOND + limit('clockToleranceMs'))
    member.membership.recheck()
    assert.ok(!lists(member, guest))
    await clock.advance(60 * SECOND)
    assert.ok(!lists(member, guest), 'and it does not come back by what others pass on')
  })
})
