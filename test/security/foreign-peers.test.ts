/** Peers of another network, another version or another time: nothing is exchanged with them, and both sides are told why. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { MemoryClock } from '../../src/adapters/memory/memory-clock.ts'
import { MemoryGossipNetwork } from '../../src/adapters/memory/memory-gossip.ts'
import { asUnixMs, type NetworkId } from '../../src/core/ids.ts'
import {
  encodeAnswer,
  encodeQuestion,
  type Hello,
  parseAnswer,
  SYNC_PROTOCOL,
  SYNC_VERSION,
} from '../../src/core/registry/sync-messages.ts'
import { SimulatedNode } from '../simulation/simulated-node.ts'
import { nth, scheme, TEST_NETWORK, TestDevice } from '../support/registry-peer.ts'
import { seededChance } from '../support/seeded-chance.ts'

const SECOND = 1_000
const MINUTE = 60 * SECOND
const DEVICES = [0, 1, 2].map((number) => new TestDevice(5_300 + number))
const OTHER_NETWORK = 'cd'.repeat(32) as NetworkId
const { signal } = new AbortController()

function deps() {
  const clock = new MemoryClock()
  const chance = seededChance(17)
  const network = new MemoryGossipNetwork({ clock, chance })
  return { clock, chance, network, scheme, bootstrap: [nth(DEVICES, 0).peer] }
}

/** A node, and a peer that greets it with `said` in every hello. */
async function meet(said: Partial<Hello>) {
  const saying: { -readonly [Key in keyof Hello]?: Hello[Key] } = { ...said }
  const made = deps()
  const { clock, network } = made
  const node = new SimulatedNode(made, nth(DEVICES, 0))
  await node.start()
  const gossip = network.open(nth(DEVICES, 1).peer)
  const hello = (): Hello => ({
    kind: 'hello',
    version: SYNC_VERSION,
    network: TEST_NETWORK,
    now: clock.now(),
    sums: new Uint8Array(8),
    ...saying,
  })
  gossip.answer(SYNC_PROTOCOL, async () => encodeAnswer(hello()))
  await Promise.all([gossip.connect(`/memory/${node.peer}`, { signal }), clock.advance(10 * SECOND)])
  const ask = async (question: Parameters<typeof encodeQuestion>[0]): Promise<Uint8Array> => {
    const asking = gossip.ask(node.peer, SYNC_PROTOCOL, encodeQuestion(question), { signal })
    const settled = asking.catch(() => undefined)
    await Promise.all([settled, clock.advance(SECOND)])
    return asking
  }
  return { node, stranger: gossip.self, saying, hello, ask }
}

describe('a peer of another network or version', () => {
  const cases = [
    { said: { network: OTHER_NETWORK }, both: [OTHER_NETWORK, TEST_NETWORK] },
    { said: { version: 7 }, both: ['version 7', `this node ${SYNC_VERSION}`] },
  ] as const

  for (const { said, both } of cases) {
    it(`is refused with both numbers: ${Object.keys(said).join()}`, async () => {
      const { node, stranger, hello, ask } = await meet(said)
      const objection = node.membership.objectionToPeer(stranger) ?? ''
      for (const each of both) assert.ok(objection.includes(each), objection)
      const warnings = node.log.records.filter(
        ({ level, fields }) => level === 'warn' && fields['peer'] === stranger && 'found' in fields && 'ours' in fields,
      )
      assert.equal(warnings.length, 1)
      // The other side is told ours, and gets nothing else.
      const answer = parseAnswer(await ask(hello()))
      assert.ok(answer.kind === 'ok' && answer.value.kind === 'hello')
      assert.deepEqual([answer.value.network, answer.value.version], [TEST_NETWORK, SYNC_VERSION])
      await assert.rejects(ask({ kind: 'pull', buckets: [0], haves: [] }), { code: 'peer_unreachable' })
    })
  }

  it('is forgotten to be one when it comes back as one of ours', async () => {
    const { node, stranger, saying, hello, ask } = await meet({ network: OTHER_NETWORK })
    assert.notEqual(node.membership.objectionToPeer(stranger), undefined)
    saying.network = TEST_NETWORK
    await ask(hello())
    assert.equal(node.membership.objectionToPeer(stranger), undefined)
  })
})

describe('clocks ten minutes apart', () => {
  it('are named by both sides, and nobody is kept out', async () => {
    const made = deps()
    const skewMs = 10 * MINUTE
    const [first, late, third] = [0, skewMs, 0].map(
      (skew, index) => new SimulatedNode(made, nth(DEVICES, index), { skewMs: skew }),
    ) as [SimulatedNode, SimulatedNode, SimulatedNode]
    for (const node of [first, late, third]) await node.start()
    await made.clock.advance(30 * SECOND)
    for (const [node, other, sign] of [
      [first, late, 1],
      [late, first, -1],
    ] as const) {
      const said = node.log.records.filter(
        ({ level, fields }) => level === 'warn' && fields['peer'] === other.peer && 'skewMs' in fields,
      )
      assert.equal(said.length, 1)
      assert.ok(Math.abs(Number(nth(said, 0).fields['skewMs']) - sign * skewMs) < SECOND)
    }
    assert.ok(Math.abs((late.membership.view().clockSkewMs ?? 0) + skewMs) < SECOND)
    for (const node of [first, late, third])
      for (const other of [first, late, third])
        assert.equal(node.membership.registry.table.get(other.peer)?.status, 'live')
  })

  it('are worth a word, unlike those a few seconds apart', async () => {
    const made = deps()
    const nodes = [0, 5 * SECOND].map((skewMs, index) => new SimulatedNode(made, nth(DEVICES, index), { skewMs }))
    for (const node of nodes) await node.start()
    await made.clock.advance(30 * SECOND)
    for (const { log } of nodes) assert.equal(log.records.filter(({ level }) => level === 'warn').length, 0)
  })

  it('are refused with the reason when they are twenty', async () => {
    const { node, stranger } = await meet({ now: asUnixMs(Date.UTC(2026, 0, 1) + 20 * MINUTE) })
    assert.match(node.membership.objectionToPeer(stranger) ?? '', /20 min ahead/)
  })
})
