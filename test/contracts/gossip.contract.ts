/** What every PubSub, PeerExchange and Connections promise. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { HeddleError } from '../../src/core/errors.ts'
import type { NodeId } from '../../src/core/ids.ts'
import { limit } from '../../src/core/limits.ts'
import type { ConnectionChange, Connections, GossipMessage, PeerExchange, PubSub } from '../../src/ports/gossip.ts'

export interface GossipNode extends PubSub, PeerExchange, Connections {
  readonly self: NodeId
}

export interface GossipScope extends AsyncDisposable {
  readonly nodes: readonly GossipNode[]
  /** An address at which a node of the scope is reached. */
  readonly addressOf: (node: GossipNode) => string
  /** Runs `task` while time passes, and then until what is on its way has arrived. */
  readonly settle: <T>(task: () => Promise<T>) => Promise<T>
  /** Breaks a connection as a lost link does. */
  readonly cut: (a: GossipNode, b: GossipNode) => Promise<void>
}

const TOPIC = '/heddle/test/1'
const PROTOCOL = '/heddle/test-questions/1'
const isUnreachable = (error: unknown): boolean => error instanceof HeddleError && error.code === 'peer_unreachable'

/** `open` gives that many nodes without connections. */
export function gossipContract(name: string, open: (count: number) => Promise<GossipScope>): void {
  async function chain(count: number): Promise<GossipScope> {
    const scope = await open(count)
    for (const [index, node] of scope.nodes.entries()) {
      const next = scope.nodes[index + 1]
      if (next !== undefined) {
        await scope.settle(() => node.connect(scope.addressOf(next), { signal: AbortSignal.timeout(10_000) }))
      }
    }
    return scope
  }

  function listen(node: GossipNode, verdict: 'accept' | 'ignore' | 'reject' = 'accept'): GossipMessage[] {
    const heard: GossipMessage[] = []
    node.subscribe(TOPIC, (message) => {
      heard.push(message)
      return verdict
    })
    return heard
  }

  describe(`${name} as gossip`, () => {
    it('brings a message to every other subscriber once, over the nodes between', async (t) => {
      await using scope = await chain(4)
      const heard = scope.nodes.map((node) => listen(node))
      await scope.settle(async () => undefined)
      const [first] = scope.nodes
      await scope.settle(async () => first?.publish(TOPIC, Uint8Array.of(1, 2, 3), { signal: t.signal }))
      assert.deepEqual(
        heard.map((messages) => messages.map(({ data }) => [...data])),
        [[], [[1, 2, 3]], [[1, 2, 3]], [[1, 2, 3]]],
      )
      assert.deepEqual(
        heard.map(([message]) => message?.from),
        [undefined, ...scope.nodes.slice(0, 3).map(({ self }) => self)],
      )
    })

    it('passes on only what was accepted', async (t) => {
      await using scope = await chain(3)
      const [first, second, third] = scope.nodes as [GossipNode, GossipNode, GossipNode]
      listen(first)
      const [heard, later] = [listen(second, 'ignore'), listen(third)]
      await scope.settle(async () => undefined)
      await scope.settle(() => first.publish(TOPIC, Uint8Array.of(1), { signal: t.signal }))
      assert.deepEqual([heard.length, later.length], [1, 0])
    })

    it('says nothing after the end of a subscription', async (t) => {
      await using scope = await chain(2)
      const [first, second] = scope.nodes as [GossipNode, GossipNode]
      let heard = 0
      const stop = second.subscribe(TOPIC, () => {
        heard += 1
        return 'accept'
      })
      stop()
      await scope.settle(() => first.publish(TOPIC, Uint8Array.of(1), { signal: t.signal }))
      assert.equal(heard, 0)
    })

    it('refuses messages that are too long', async (t) => {
      await using scope = await open(1)
      const [node] = scope.nodes as [GossipNode]
      await assert.rejects(
        node.publish(TOPIC, new Uint8Array(limit('gossipMessageBytes') + 1), { signal: t.signal }),
        (error) => error instanceof HeddleError && error.code === 'payload_too_large',
      )
    })
  })

  describe(`${name} as a PeerExchange`, () => {
    it('answers questions, and says from whom they are', async (t) => {
      await using scope = await chain(2)
      const [first, second] = scope.nodes as [GossipNode, GossipNode]
      let asker: NodeId | undefined
      second.answer(PROTOCOL, async (from, question) => {
        asker = from
        return question.toReversed()
      })
      const question = Uint8Array.from({ length: 100_000 }, (_, index) => index % 251)
      const answer = await scope.settle(() => first.ask(second.self, PROTOCOL, question, { signal: t.signal }))
      assert.deepEqual(answer, question.toReversed())
      assert.equal(asker, first.self)
    })

    it('fails where the peer is not connected, does not speak the protocol, or its answerer throws', async (t) => {
      await using scope = await chain(3)
      const [first, second, third] = scope.nodes as [GossipNode, GossipNode, GossipNode]
      third.answer(PROTOCOL, async () => Uint8Array.of(1))
      const ask = (node: GossipNode): Promise<Uint8Array> =>
        scope.settle(() => first.ask(node.self, PROTOCOL, Uint8Array.of(1), { signal: t.signal }))
      await assert.rejects(ask(third), isUnreachable)
      await assert.rejects(ask(second), isUnreachable)
      second.answer(PROTOCOL, () => Promise.reject(new Error('broken')))
      await assert.rejects(ask(second), isUnreachable)
      assert.deepEqual(first.peers(), [second.self])
    })

    it('stops waiting when the signal aborts', async () => {
      await using scope = await chain(2)
      const [first, second] = scope.nodes as [GossipNode, GossipNode]
      second.answer(
        PROTOCOL,
        (_from, _question, { signal }) =>
          new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason))),
      )
      const leaving = new AbortController()
      const asking = scope.settle(() => first.ask(second.self, PROTOCOL, Uint8Array.of(1), { signal: leaving.signal }))
      const reason = new Error('no longer wanted')
      leaving.abort(reason)
      await assert.rejects(asking, reason)
    })

    it('refuses questions and answers that are too long', async (t) => {
      await using scope = await chain(2)
      const [first, second] = scope.nodes as [GossipNode, GossipNode]
      const tooLong = new Uint8Array(limit('syncMessageBytes') + 1)
      second.answer(PROTOCOL, async () => tooLong)
      for (const question of [tooLong, Uint8Array.of(1)]) {
        await assert.rejects(
          scope.settle(() => first.ask(second.self, PROTOCOL, question, { signal: t.signal })),
          HeddleError,
        )
      }
    })
  })

  describe(`${name} as Connections`, () => {
    it('tells both sides of a connection and of its end', async (t) => {
      await using scope = await open(2)
      const [first, second] = scope.nodes as [GossipNode, GossipNode]
      const changes: ConnectionChange[][] = [[], []]
      for (const [index, node] of scope.nodes.entries()) node.onChange((change) => changes[index]?.push(change))
      assert.equal(await scope.settle(() => first.connect(scope.addressOf(second), { signal: t.signal })), second.self)
      assert.equal(await scope.settle(() => first.connect(scope.addressOf(second), { signal: t.signal })), second.self)
      assert.deepEqual([first.peers(), second.peers()], [[second.self], [first.self]])
      await scope.cut(first, second)
      assert.deepEqual([first.peers(), second.peers()], [[], []])
      assert.deepEqual(changes, [
        [
          { peer: second.self, isConnected: true },
          { peer: second.self, isConnected: false },
        ],
        [
          { peer: first.self, isConnected: true },
          { peer: first.self, isConnected: false },
        ],
      ])
    })

    it('rejects an address where nobody answers', async (t) => {
      await using scope = await open(2)
      const [first, second] = scope.nodes as [GossipNode, GossipNode]
      const address = scope.addressOf(second).replace(/.$/, (last) => (last === '1' ? '2' : '1'))
      await assert.rejects(
        scope.settle(() => first.connect(address, { signal: t.signal })),
        isUnreachable,
      )
    })
  })
}
