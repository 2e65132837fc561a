/** What accounts say reaches every node, stays in force over restarts, and costs strangers nothing to send and us little to refuse. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { CertifiedNode, revocationOf } from '../../test/simulation/certified-node.ts'
import { accountNamed, accountRotationOf, certificateOf } from '../../test/support/identity.ts'
import { nth, TEST_NETWORK, TestDevice, withFlippedByte } from '../../test/support/registry-peer.ts'
import { seededChance } from '../../test/support/seeded-chance.ts'
import { MemoryClock } from '../adapters/memory/memory-clock.ts'
import { MemoryGossipNetwork } from '../adapters/memory/memory-gossip.ts'
import {
  encodeStatementBatch,
  encodeStatementsQuestion,
  parseStatementsAnswer,
  STATEMENTS_PROTOCOL,
  statementsTopic,
} from '../core/identity/statement-messages.ts'
import { limit } from '../core/limits.ts'

const SECOND = 1_000
const MINUTE = 60 * SECOND
const { signal } = new AbortController()

/** Nodes of the accounts, the first of which everybody dials first. */
async function running(
  accounts: readonly string[],
  { isUp = accounts.length, knownAccounts = limit('knownAccounts') } = {},
) {
  const clock = new MemoryClock()
  const chance = seededChance(11)
  const network = new MemoryGossipNetwork({ clock, chance })
  const deps = { clock, network, chance, bootstrap: [new TestDevice(700).peer], knownAccounts }
  const nodes = accounts.map((account, index) => new CertifiedNode(deps, 700 + index, account))
  for (const node of nodes.slice(0, isUp)) await node.start()
  await clock.advance(20 * SECOND)
  return { clock, network, nodes, chance }
}

describe('a revocation', () => {
  it('takes a device off every table within seconds, and keeps it off over restarts', async () => {
    const { clock, nodes } = await running(['ada', 'ada', 'bob', 'cyd', 'dee', 'ada'])
    const [owner, stolen] = [nth(nodes, 0), nth(nodes, 1)]
    for (const node of nodes) assert.ok(node.lists(stolen))
    owner.revoke(stolen)
    await clock.advance(5 * SECOND)
    const others = nodes.filter((node) => node !== stolen)
    for (const node of others) assert.ok(!node.lists(stolen), node.account)
    // It goes on saying that it is there.
    for (const node of others.slice(1)) {
      await node.kill()
      await node.start()
    }
    stolen.node.changeModel('bait')
    await clock.advance(5 * MINUTE)
    for (const node of others) assert.ok(!node.lists(stolen), `${node.account} after a restart`)
    for (const node of others) for (const other of others) assert.ok(node.lists(other))
  })

  it('reaches a node that was down, even when the account’s own nodes are down by then', async () => {
    const { clock, nodes } = await running(['bob', 'ada', 'ada', 'cyd'], { isUp: 3 })
    const [bob, owner, stolen, late] = [nth(nodes, 0), nth(nodes, 1), nth(nodes, 2), nth(nodes, 3)]
    owner.revoke(stolen)
    await clock.advance(5 * SECOND)
    await owner.kill()
    await bob.kill()
    await bob.start()
    await late.start()
    await clock.advance(2 * MINUTE)
    assert.ok(bob.lists(late))
    assert.ok(!bob.lists(stolen))
    assert.ok(!late.lists(stolen))
  })

  it('crosses a network that loses a third of all messages', async () => {
    const { clock, network, nodes } = await running(['ada', 'ada', 'bob', 'cyd', 'dee', 'eve', 'fox', 'gus'])
    network.faults = { delayMs: [10, 500], loss: 0.3, duplication: 0.2 }
    nth(nodes, 0).revoke(nth(nodes, 1))
    await clock.advance(3 * MINUTE)
    for (const node of nodes.filter((_, index) => index !== 1)) assert.ok(!node.lists(nth(nodes, 1)), node.account)
  })
})

describe('a new account key', () => {
  it('is known everywhere, so that certificates of the old one end and those of the new one count', async () => {
    const { clock, nodes } = await running(['bob', 'ada', 'ada'])
    const [bob, first, second] = [nth(nodes, 0), nth(nodes, 1), nth(nodes, 2)]
    const renewed = certificateOf('ada', 'unused', { by: 'ada 2', device: first.peer, serial: 2 })
    const rotation = accountRotationOf('ada', 1, 'ada', 'ada 2')
    first.book.add(rotation)
    first.statements.announce([rotation])
    first.node.change({ certificate: renewed })
    await clock.advance(30 * SECOND)
    assert.equal(bob.book.rotationsOf(accountNamed('ada')), 1)
    assert.ok(bob.lists(first), 'its new certificate counts')
    assert.ok(!bob.lists(second), 'it has a certificate of the old key only')
  })
})

describe('statements of strangers', () => {
  /** Somebody without a record who talks to the first node. */
  async function stranger() {
    const made = await running(['ada', 'bob'])
    const gossip = made.network.open(new TestDevice(900).peer)
    const connecting = gossip.connect(`/memory/${nth(made.nodes, 0).peer}`, { signal })
    await made.clock.advance(SECOND)
    await connecting
    const say = async (statements: readonly Uint8Array[]): Promise<void> => {
      await gossip.publish(statementsTopic(TEST_NETWORK), encodeStatementBatch(statements), { signal })
      await made.clock.advance(SECOND)
    }
    const verdicts = () => ({ ...made.network.node(nth(made.nodes, 0).peer)?.verdicts })
    return { ...made, gossip, say, verdicts }
  }

  it('are held against whoever brings them where they are forged or broken', async () => {
    const { nodes, say, verdicts } = await stranger()
    const sound = revocationOf('bob', nth(nodes, 1).peer)
    const before = verdicts()
    await say([withFlippedByte(sound, -1)])
    await say([new Uint8Array(90).fill(4)])
    assert.equal((verdicts().reject ?? 0) - (before.reject ?? 0), 2)
    assert.ok(nth(nodes, 0).lists(nth(nodes, 1)))
    assert.equal(nth(nodes, 0).book.size, 0)
  })

  it('count, since they sign themselves, whoever brings them', async () => {
    const { nodes, say } = await stranger()
    await say([revocationOf('bob', nth(nodes, 1).peer)])
    assert.ok(!nth(nodes, 0).lists(nth(nodes, 1)))
  })

  it('are checked only so fast', async () => {
    const { nodes, clock, gossip } = await stranger()
    const statements = Array.from({ length: 40 }, (_, index) => revocationOf(`flood ${index}`, new TestDevice(1).peer))
    const flood = Array.from({ length: limit('statementsBurst') / 40 + 50 }, () => statements)
    for (const batch of flood) {
      const rotated = [...batch.slice(1), nth(batch, 0)]
      await gossip.publish(statementsTopic(TEST_NETWORK), encodeStatementBatch(rotated), { signal })
    }
    await clock.advance(25)
    const late = revocationOf('late', new TestDevice(1).peer)
    const topic = statementsTopic(TEST_NETWORK)
    await gossip.publish(topic, encodeStatementBatch([...statements, late]), { signal })
    await clock.advance(25)
    assert.equal(nth(nodes, 0).book.size, 40)
    await clock.advance(MINUTE)
    await gossip.publish(topic, encodeStatementBatch([...statements, late]), { signal })
    await clock.advance(25)
    assert.equal(nth(nodes, 0).book.endsOf(accountNamed('late')).length, 1)
  })

  it('are no questions that can be answered where they are none', async () => {
    const { nodes, clock, gossip } = await stranger()
    const ask = async (bytes: Uint8Array): Promise<unknown> => {
      const asking = gossip.ask(nth(nodes, 0).peer, STATEMENTS_PROTOCOL, bytes, { signal }).catch((e) => e.code)
      await clock.advance(SECOND)
      return await asking
    }
    assert.equal(await ask(new Uint8Array(9)), 'peer_unreachable')
    const question = encodeStatementsQuestion({ kind: 'exchange', accounts: [accountNamed('nobody')], statements: [] })
    const answer = parseStatementsAnswer((await ask(question)) as Uint8Array)
    assert.deepEqual(answer, { kind: 'ok', value: { kind: 'exchange', statements: [], covered: 1 } })
  })
})

describe('what is kept', () => {
  it('makes room for accounts that are here, and for no others', async () => {
    const { clock, network, nodes } = await running(['ada', 'bob'], { knownAccounts: 50 })
    const [node, other] = [nth(nodes, 0), nth(nodes, 1)]
    const full = 50
    for (let count = 0; count < full; count += 1) {
      const added = node.book.add(revocationOf(`stranger ${count}`, other.peer))
      assert.equal(added.kind, 'added')
    }
    const tell = async (statement: Uint8Array): Promise<void> => {
      const exchange = encodeStatementsQuestion({ kind: 'exchange', accounts: [], statements: [statement] })
      const asking = network.node(other.peer)?.ask(node.peer, STATEMENTS_PROTOCOL, exchange, { signal })
      await clock.advance(2 * SECOND)
      await asking
    }
    await tell(revocationOf('one more', other.peer))
    assert.equal(node.book.endsOf(accountNamed('one more')).length, 0)
    await tell(revocationOf('bob', new TestDevice(5).peer))
    assert.equal(node.book.endsOf(accountNamed('bob')).length, 1)
    assert.equal(node.book.size, full)
    assert.equal(node.book.endsOf(accountNamed('stranger 0')).length, 0)
  })
})
