/** Sessions with peers: made once for all who want them, kept to one per peer, and given up when they are of no more use. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { Fabric, slowAnswer } from '../../test/support/mesh-fabric.ts'
import { calm, RawPeer } from '../../test/support/mesh-pair.ts'
import { HeddleError } from '../core/errors.ts'
import { limit } from '../core/limits.ts'
import { MESH_PROTOCOL } from '../core/mesh/session-options.ts'

const codeOf = (code: string) => (error: unknown) => error instanceof HeddleError && error.code === code

function pair(conditions = {}) {
  const fabric = new Fabric({ conditions })
  return { fabric, a: fabric.node('a'), b: fabric.node('b') }
}

describe('sessions with peers', () => {
  it('are made when they are first wanted, once for all who wait', async () => {
    const { fabric, a, b } = pair()
    const answers = await fabric.during(Promise.all(['one', 'two', 'three'].map((text) => a.ask(b.self, text))))
    assert.deepEqual(answers, ['200 a said one', '200 a said two', '200 a said three'])
    assert.deepEqual([a.sessions.view().length, b.sessions.view().length], [1, 1])
    assert.equal(await fabric.during(b.ask(a.self, 'back')), '200 b said back')
    assert.deepEqual([a.sessions.view().length, b.sessions.view().length], [1, 1])
  })

  it('keep one of two when both ends dial at once, and what runs on the other finishes', async () => {
    for (const delayMs of [1, 3, 20]) {
      const fabric = new Fabric({ conditions: { delayMs, jitterMs: delayMs } })
      const serve = slowAnswer(fabric.clock, 10, 30)
      const [a, b] = [fabric.node('a', { serve }), fabric.node('b', { serve })]
      const texts = await fabric.during(
        Promise.all([a.ask(b.self, ''), b.ask(a.self, ''), a.ask(b.self, ''), b.ask(a.self, '')]),
      )
      assert.deepEqual(new Set(texts), new Set(['200 0;1;2;3;4;5;6;7;8;9;']))
      await fabric.clock.advance(10 * delayMs)
      assert.deepEqual(
        [a, b].map((node) => node.sessions.view().map(({ side }) => side)),
        [['dialler'], ['listener']],
        `with a delay of ${delayMs} ms`,
      )
      assert.equal(a.dispatched, a.ended)
    }
  })

  it('remember a failed dial for a moment, except for probes', async () => {
    const { fabric, a, b } = pair()
    fabric.network.crash(b.self)
    await assert.rejects(fabric.during(a.ask(b.self, '')), codeOf('peer_unreachable'))
    const before = fabric.clock.monotonic()
    await assert.rejects(fabric.during(a.ask(b.self, '')), codeOf('peer_unreachable'))
    assert.ok(fabric.clock.monotonic() - before <= 1)
    fabric.network.restart(b.self)
    fabric.node('b')
    await assert.rejects(fabric.during(a.ask(b.self, '')), codeOf('peer_unreachable'))
    await fabric.during(a.sessions.probe(b.self, { signal: calm() }))
    assert.equal(await fabric.during(a.ask(b.self, 'again')), '200 a said again')
  })

  it('go on being made for the others when one who waits leaves', async () => {
    const { fabric, a, b } = pair({ delayMs: 50 })
    const leaving = new AbortController()
    const [first, second] = [a.ask(b.self, '', leaving.signal), a.ask(b.self, 'still here')]
    await fabric.clock.advance(20)
    const reason = new Error('gone')
    leaving.abort(reason)
    await assert.rejects(first, reason)
    assert.equal(await fabric.during(second), '200 a said still here')
  })

  it('give up on a peer that takes the stream and says nothing', async () => {
    const fabric = new Fabric()
    const a = fabric.node('a')
    const silent = fabric.peers.open('b' as typeof a.self)
    silent.accept(MESH_PROTOCOL, (stream) => void new RawPeer(stream))
    const startedAt = fabric.clock.monotonic()
    await assert.rejects(fabric.during(a.ask(silent.self, '')), codeOf('peer_unreachable'))
    assert.ok(fabric.clock.monotonic() - startedAt <= limit('meshDialWaitMs') + 10)
    const probing = a.sessions.probe(silent.self, { signal: calm() })
    await assert.rejects(fabric.during(probing), codeOf('peer_unreachable'))
    assert.ok(fabric.clock.monotonic() - startedAt <= limit('meshDialMs') + 10)
    assert.deepEqual(a.sessions.view(), [])
  })

  it('are made on when a request could not wait for them, for the next one', async () => {
    const { fabric, a, b } = pair({ delayMs: 1_500 })
    await assert.rejects(fabric.during(a.ask(b.self, '')), /did not answer in time/)
    assert.deepEqual(a.outcomes.at(-1)?.[1].kind, 'unreachable')
    await fabric.until(() => a.sessions.current(b.self) !== undefined)
    assert.equal(await fabric.during(a.ask(b.self, 'again')), '200 a said again')
  })

  it('are told to be lost when they break and when they fall silent, and not when they end as meant', async () => {
    for (const silent of [false, true]) {
      const { fabric, a, b } = pair()
      await fabric.during(a.ask(b.self, ''))
      fabric.network.crash(b.self, { silent })
      await fabric.clock.advance(silent ? 60_000 : 100)
      assert.deepEqual(a.lost, [[b.self, silent ? 'silent' : 'broken']])
    }
    const { fabric, a, b } = pair()
    await fabric.during(a.ask(b.self, ''))
    await fabric.during(b.sessions.leave({ signal: calm() }))
    await fabric.clock.advance(100)
    assert.deepEqual([a.lost, b.lost], [[], []])
  })

  it('take the way with them on which they fell silent', async () => {
    const { fabric, a, b } = pair()
    await fabric.during(a.ask(b.self, ''))
    fabric.network.partition([a.self], [b.self])
    const failing = assert.rejects(a.ask(b.self, ''), /silent/)
    await fabric.clock.advance(limit('meshSilentMs') + 2 * limit('meshLookMs') + 10)
    await failing
    assert.deepEqual(a.streams.paths(b.self), [])
    fabric.network.heal()
    assert.equal(await fabric.during(a.ask(b.self, 'back')), '200 a said back')
  })

  it('tell of a peer of another version with both numbers', async () => {
    const fabric = new Fabric()
    const a = fabric.node('a')
    const other = fabric.peers.open('b' as typeof a.self)
    other.accept(MESH_PROTOCOL, (stream) => new RawPeer(stream).hello({ least: 2, most: 3 }))
    await assert.rejects(fabric.during(a.ask(other.self, '')), /version 2 to 3 of the mesh protocol and this node 1/)
    const [[, outcome] = []] = a.outcomes
    assert.match(outcome?.kind === 'unreachable' ? outcome.reason : '', /2 to 3 .* 1/)
  })

  it('move to a direct way when one appears, and what runs over the circuit finishes there', async () => {
    const fabric = new Fabric()
    const [a, b] = [fabric.node('a'), fabric.node('b', { serve: slowAnswer(fabric.clock, 20, 50) })]
    fabric.peers.setWays(a.self, b.self, ['circuit'])
    const first = a.ask(b.self, '')
    await fabric.clock.advance(200)
    assert.equal(a.sessions.current(b.self)?.path.kind, 'circuit')
    fabric.peers.setWays(a.self, b.self, ['direct', 'circuit'])
    await fabric.clock.advance(100)
    assert.equal(a.sessions.current(b.self)?.path.kind, 'direct')
    assert.equal(b.sessions.current(a.self)?.path.kind, 'direct')
    const second = a.ask(b.self, '')
    await fabric.clock.advance(10)
    assert.deepEqual(
      a.sessions.view().map(({ path, state, inFlight }) => [path.kind, state, inFlight]),
      [
        ['circuit', 'ending', 1],
        ['direct', 'open', 1],
      ],
    )
    assert.deepEqual(new Set(await fabric.during(Promise.all([first, second]))).size, 1)
    await fabric.clock.advance(10)
    assert.deepEqual(
      [a, b].map((node) => node.sessions.view().length),
      [1, 1],
    )
  })

  it('look for a direct way that appeared while the circuit was being dialled', async () => {
    for (let afterMs = 0; afterMs < 120; afterMs += 5) {
      const fabric = new Fabric({ conditions: { delayMs: 20 } })
      const [a, b] = [fabric.node('a'), fabric.node('b')]
      fabric.peers.setWays(a.self, b.self, ['circuit'])
      const asked = a.ask(b.self, '')
      await fabric.clock.advance(afterMs)
      fabric.peers.setWays(a.self, b.self, ['circuit', 'direct'])
      await fabric.during(asked)
      await fabric.clock.advance(500)
      assert.deepEqual(
        a.sessions.view().map(({ path }) => path.kind),
        ['direct'],
        `${afterMs} ms later`,
      )
    }
  })

  it('are closed when nobody used them for a while, and made again', async () => {
    const { fabric, a, b } = pair()
    await fabric.during(a.ask(b.self, ''))
    await fabric.clock.advance(limit('meshIdleMs') - 1_000)
    assert.equal(a.sessions.view().length, 1)
    await fabric.clock.advance(limit('meshSweepMs') + 2_000)
    assert.deepEqual([a.sessions.view(), b.sessions.view()], [[], []])
    assert.equal(await fabric.during(a.ask(b.self, 'again')), '200 a said again')
  })

  it('are not closed while something runs', async () => {
    const fabric = new Fabric()
    const [a, b] = [
      fabric.node('a'),
      fabric.node('b', { serve: slowAnswer(fabric.clock, 20, limit('meshIdleMs') / 10) }),
    ]
    const asked = a.ask(b.self, '')
    await fabric.clock.advance(2 * limit('meshIdleMs') - 1_000)
    assert.equal(a.sessions.view()[0]?.inFlight, 1)
    await fabric.clock.advance(2_000)
    assert.match(await asked, /;19;$/)
  })

  it('find a peer again that lost its power and came back, though the old session still seems to live', async () => {
    const { fabric, a, b } = pair()
    await fabric.during(a.ask(b.self, ''))
    fabric.network.crash(b.self, { silent: true })
    await fabric.clock.advance(100)
    fabric.network.restart(b.self)
    const again = fabric.node('b')
    assert.equal(await fabric.during(again.ask(a.self, 'I am back')), '200 b said I am back')
    await fabric.clock.advance(limit('meshConfirmMs') + 1_000)
    assert.equal(await fabric.during(a.ask(b.self, 'so you are')), '200 a said so you are')
  })
})

describe('members and others', () => {
  it('turn a stranger away, who is told why', async () => {
    const fabric = new Fabric()
    let served = 0
    const [a, b] = [
      fabric.node('a'),
      fabric.node('b', {
        admit: async () => false,
        serve: async () => {
          served += 1
          throw new Error('never')
        },
      }),
    ]
    await assert.rejects(fabric.during(a.ask(b.self, 'secret')), /it is no member of the peer’s network/)
    assert.equal(served, 0)
    await fabric.clock.advance(limit('meshCloseMs') + 10)
    assert.deepEqual([a.sessions.view(), b.sessions.view()], [[], []])
  })

  it('ask before they serve a peer whose session they dialled themselves', async () => {
    const fabric = new Fabric()
    const [a, b] = [fabric.node('a', { admit: async () => false }), fabric.node('b')]
    assert.equal(await fabric.during(a.ask(b.self, 'hello')), '200 a said hello')
    await assert.rejects(fabric.during(b.ask(a.self, 'and now me')), HeddleError)
  })

  it('do not wait for ever for the word on a peer', async () => {
    const fabric = new Fabric()
    const [a, b] = [fabric.node('a'), fabric.node('b', { admit: () => new Promise(() => undefined) })]
    await assert.rejects(fabric.during(a.ask(b.self, '')), codeOf('peer_unreachable'))
    await fabric.clock.advance(limit('meshHelloMs') + limit('meshCloseMs'))
    assert.deepEqual(b.sessions.view(), [])
  })

  it('part when a member is one no more', async () => {
    const fabric = new Fabric()
    let isMember = true
    const [a, b] = [fabric.node('a'), fabric.node('b', { admit: async () => isMember })]
    await fabric.during(a.ask(b.self, ''))
    await fabric.during(b.sessions.recheck())
    assert.equal(b.sessions.view().length, 1)
    isMember = false
    await fabric.during(b.sessions.recheck())
    await fabric.clock.advance(10)
    assert.deepEqual([a.sessions.view(), b.sessions.view()], [[], []])
    await assert.rejects(fabric.during(a.ask(b.self, '')), /no member/)
  })
})

describe('leaving', () => {
  it('finishes what runs, takes nothing new, and the peer goes elsewhere at once', async () => {
    const fabric = new Fabric()
    const [a, b] = [fabric.node('a'), fabric.node('b', { serve: slowAnswer(fabric.clock, 10, 100) })]
    const running = a.ask(b.self, '')
    await fabric.clock.advance(200)
    const leaving = b.sessions.leave({ signal: calm() })
    await fabric.clock.advance(20)
    await assert.rejects(fabric.during(a.ask(b.self, '')), codeOf('peer_unreachable'))
    assert.match(await fabric.during(running), /;9;$/)
    await fabric.during(leaving)
    await fabric.clock.advance(10)
    assert.deepEqual([a.sessions.view(), b.sessions.view()], [[], []])
    await assert.rejects(b.ask(a.self, ''), HeddleError)
  })

  it('ends what runs when there is no more time', async () => {
    const fabric = new Fabric()
    const [a, b] = [fabric.node('a'), fabric.node('b', { serve: slowAnswer(fabric.clock, 1_000, 100) })]
    const cut = assert.rejects(a.ask(b.self, ''), codeOf('upstream_interrupted'))
    await fabric.clock.advance(200)
    const late = new AbortController()
    const leaving = b.sessions.leave(late)
    await fabric.clock.advance(1_000)
    late.abort()
    await fabric.during(leaving)
    await fabric.during(cut)
  })

  it('leaves no timer behind', async () => {
    const { fabric, a, b } = pair()
    await fabric.during(a.ask(b.self, ''))
    await Promise.all([a, b].map((node) => node[Symbol.asyncDispose]()))
    await fabric.clock.advance(limit('meshCloseMs') + 10)
    assert.equal(fabric.clock.pending, 0)
  })
})
