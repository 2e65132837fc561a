/** How mesh sessions begin and end: hello, versions, draining, silence, broken streams; and what each means for open requests. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import {
  A,
  answer,
  B,
  bytesOf,
  calm,
  openPair,
  openSide,
  openWire,
  RawPeer,
  readAll,
  requestOf,
  source,
  textOf,
} from '../../../test/support/mesh-pair.ts'
import { bodyOf } from '../byte-channel.ts'
import { type ErrorCode, HeddleError } from '../errors.ts'
import { LIMITS } from '../limits.ts'
import { GO_AWAY_CODES, RESET_CODES } from '../wire/frames/frame.ts'
import { sessionEndText } from './session-error.ts'

const failsWith =
  (code: ErrorCode, text: RegExp = /./) =>
  (error: unknown): boolean =>
    error instanceof HeddleError && error.code === code && text.test(error.message)

const small = async () => answer(bodyOf(bytesOf('small')))

describe('versions of the mesh protocol', () => {
  it('are agreed on: the newest that both speak', async () => {
    const { a, b, during } = await openPair({
      serveB: small,
      a: { versions: { least: 1, most: 3 } },
      b: { versions: { least: 2, most: 5 } },
    })
    await during(a.session.request(requestOf('/'), { signal: calm() }))
    assert.deepEqual([a.session.version, b.session.version], [3, 3])
  })

  it('that do not meet are refused on both sides, with both numbers', async () => {
    const { a, b, clock } = await openPair({
      serveB: small,
      a: { versions: { least: 1, most: 2 } },
      b: { versions: { least: 4, most: 4 } },
    })
    const responding = a.session.request(requestOf('/'), { signal: calm() })
    const failing = assert.rejects(
      responding,
      failsWith('upstream_failed', /^the peer speaks version 4 of the mesh protocol and this node 1 to 2$/),
    )
    await clock.advance(10)
    await failing
    const [older, newer] = [
      { least: 1, most: 2 },
      { least: 4, most: 4 },
    ]
    assert.deepEqual(a.ends, [{ kind: 'version', ours: older, theirs: newer }])
    assert.deepEqual(b.ends, [{ kind: 'version', ours: newer, theirs: older }])
  })

  it('may differ in frames: unknown ones are skipped, and known ones may have grown', async () => {
    const wire = await openWire()
    const b = openSide(wire, wire.atB, { side: 'listener' }, small)
    const peer = new RawPeer(wire.atA)
    // A hello of 27 bytes: five more than this version knows.
    peer.bytes(
      1,
      0,
      0,
      27,
      0,
      0,
      0,
      0,
      ...bytesOf('heddle'),
      0,
      1,
      0,
      9,
      0,
      0,
      0,
      0,
      0,
      4,
      0,
      0,
      0,
      0,
      1,
      0,
      ...bytesOf('extra'),
    )
    peer.bytes(0x7f, 0xff, 0, 3, 0xff, 0xff, 0xff, 0xff, 1, 2, 3)
    peer.bytes(0x0b, 0, 0xff, 0xff, 0, 0, 0, 0)
    for (let part = 0; part < 0xffff; part += 0xfff)
      peer.bytes(...new Uint8Array(Math.min(0xfff, 0xffff - part)).fill(6))
    peer.open(1)
    await wire.clock.advance(10)
    assert.equal(textOf(peer.ofKind('body')[0]?.bytes ?? new Uint8Array(0)), 'small')
    assert.deepEqual([b.ends, b.session.version], [[], 1])
  })
})

describe('a session that drains', () => {
  it('finishes what runs, takes nothing new, and ends', async () => {
    const { a, b, clock, during } = await openPair({ serveB: async () => answer(source(300_000, 1_000)) })
    const response = await during(a.session.request(requestOf('/'), { signal: calm() }))
    const draining = b.session.drain({ signal: calm() })
    await clock.advance(10)
    assert.deepEqual([a.session.takesRequests, a.ends, b.ends], [false, [], []])
    await assert.rejects(a.session.request(requestOf('/'), { signal: calm() }), failsWith('upstream_failed'))
    assert.equal((await during(readAll(response.body))).length, 300_000)
    await during(draining)
    await clock.advance(10)
    assert.deepEqual([a.ends, b.ends], [[{ kind: 'closed' }], [{ kind: 'closed' }]])
  })

  it('says that a request on its way was not begun', async () => {
    let served = 0
    const { a, b, clock, during } = await openPair({
      conditions: { delayMs: 50 },
      serveB: async () => {
        served += 1
        return answer(source(1_000_000, 10_000))
      },
    })
    const first = await during(a.session.request(requestOf('/'), { signal: calm() }))
    void b.session.drain({ signal: calm() })
    await clock.advance(20)
    const late = a.session.request(requestOf('/'), { signal: calm() })
    await assert.rejects(during(late), failsWith('upstream_failed', /takes no more requests/))
    assert.equal(served, 1)
    assert.equal((await during(readAll(first.body))).length, 1_000_000)
  })

  it('fails what its peer says it has not begun, and waits for the rest', async () => {
    const wire = await openWire()
    const a = openSide(wire, wire.atA, { side: 'dialler' })
    const peer = new RawPeer(wire.atB)
    peer.hello()
    await wire.clock.advance(10)
    const begun = a.session.request(requestOf('/'), { signal: calm() })
    const late = a.session.request(requestOf('/'), { signal: calm() })
    peer.send({ kind: 'goAway', code: GO_AWAY_CODES.draining, lastStream: 1 })
    await assert.rejects(wire.during(late), failsWith('upstream_failed', /takes no more requests/))
    assert.deepEqual([a.session.inFlight, a.ends], [1, []])
    peer.send({ kind: 'head', stream: 1, isLast: true, status: 204, headers: {} })
    assert.equal((await wire.during(begun)).status, 204)
    await wire.clock.advance(10)
    assert.deepEqual(a.ends, [{ kind: 'closed' }])
  })

  it('ends at once where nothing runs, or where its signal aborts', async () => {
    const idle = await openPair()
    await idle.during(idle.a.session.drain({ signal: calm() }))
    assert.deepEqual(idle.a.ends, [{ kind: 'closed' }])
    const busy = await openPair({ serveB: async () => answer(source(Infinity, 1_000)) })
    const response = await busy.during(busy.a.session.request(requestOf('/'), { signal: calm() }))
    await busy.during(busy.b.session.drain({ signal: AbortSignal.abort() }))
    assert.deepEqual([busy.b.ends, busy.b.session.serving], [[{ kind: 'closed' }], 0])
    await assert.rejects(busy.during(readAll(response.body)), failsWith('upstream_interrupted'))
  })
})

describe('a session that dies', () => {
  it('fails requests without an answer as not served, and answers that had begun as interrupted', async () => {
    const aborted: unknown[] = []
    const { a, b, network, during, clock } = await openPair({
      serveB: async ({ path }, { signal }) => {
        signal.addEventListener('abort', () => aborted.push(signal.reason))
        if (path === '/begun') return answer(source(Infinity, 1_000))
        return new Promise(() => {})
      },
    })
    const begun = await during(a.session.request(requestOf('/begun'), { signal: calm() }))
    const waiting = a.session.request(requestOf('/waiting'), { signal: calm() })
    const unread = begun.body[Symbol.asyncIterator]()
    await clock.advance(10)
    network.crash(B)
    const failing = assert.rejects(waiting, failsWith('upstream_failed', /connection to the peer broke/))
    await clock.advance(10)
    await failing
    let bytes = 0
    await assert.rejects(async () => {
      for (let result = await unread.next(); result.done !== true; result = await unread.next())
        bytes += result.value.length
    }, failsWith('upstream_interrupted'))
    assert.ok(bytes >= LIMITS.meshWindowBytes.value, `${bytes} bytes that came before are still there`)
    assert.equal(a.ends[0]?.kind, 'lost')
    assert.equal(a.session.inFlight, 0)
    await assert.rejects(a.session.request(requestOf('/'), { signal: calm() }), failsWith('upstream_failed'))
    assert.deepEqual([b.ends, aborted], [[], []])
  })

  it('stops the servers of the peer that is gone', async () => {
    const aborted: unknown[] = []
    const { a, b, network, clock } = await openPair({
      serveB: (_request, { signal }) =>
        new Promise((_, reject) =>
          signal.addEventListener('abort', () => {
            aborted.push(signal.reason)
            reject(signal.reason)
          }),
        ),
    })
    a.session.request(requestOf('/'), { signal: calm() }).catch(() => {})
    await clock.advance(10)
    assert.equal(b.session.serving, 1)
    network.crash(A)
    await clock.advance(10)
    assert.ok(failsWith('client_closed')(aborted[0]))
    assert.equal(b.session.serving, 0)
  })

  it('is one whose peer answers no ping while nothing runs: within three intervals', async () => {
    const { a, network, clock, during } = await openPair({ serveB: small })
    await during(a.session.request(requestOf('/'), { signal: calm() }))
    network.crash(B, { silent: true })
    const from = clock.monotonic()
    while (a.ends.length === 0) await clock.advance(1_000)
    assert.deepEqual(a.ends, [{ kind: 'silent', what: 'ping' }])
    const seconds = (clock.monotonic() - from) / 1_000
    assert.ok(seconds > 30 && seconds <= 50, `${seconds} s`)
  })

  it('is one whose peer never says hello', async () => {
    const wire = await openWire()
    const a = openSide(wire, wire.atA, { side: 'dialler' })
    const peer = new RawPeer(wire.atB)
    const failing = assert.rejects(
      a.session.request(requestOf('/'), { signal: calm() }),
      failsWith('upstream_failed', /hello/),
    )
    await wire.clock.advance(LIMITS.meshHelloMs.value + LIMITS.meshTickMs.value)
    await failing
    assert.deepEqual(a.ends, [{ kind: 'silent', what: 'hello' }])
    assert.deepEqual(peer.ofKind('goAway'), [{ kind: 'goAway', code: GO_AWAY_CODES.silent, lastStream: 0 }])
  })

  it('cuts a transport that does not end by itself', async () => {
    const wire = await openWire()
    const aborts: unknown[] = []
    const stuck = { start() {}, send: () => true, close() {}, abort: (error: unknown) => void aborts.push(error) }
    const a = openSide(wire, { ...stuck, peer: B }, { side: 'dialler' })
    a.session.close()
    await wire.clock.advance(LIMITS.meshCloseMs.value)
    assert.equal(aborts.length, 1)
    assert.deepEqual([a.ends, wire.clock.pending], [[{ kind: 'closed' }], 0])
  })

  it('leaves no timer behind', async () => {
    const { a, clock } = await openPair()
    a.session.close()
    await clock.advance(LIMITS.meshCloseMs.value)
    assert.equal(clock.pending, 0)
  })

  it('tells in words why, and never in words of the peer', async () => {
    const wire = await openWire()
    const b = openSide(wire, wire.atB, { side: 'listener' })
    const peer = new RawPeer(wire.atA)
    peer.hello()
    peer.send({ kind: 'goAway', code: GO_AWAY_CODES.flood, lastStream: 0 })
    await wire.clock.advance(10)
    assert.deepEqual(b.ends, [{ kind: 'sent-away', why: 'flood' }])
    assert.equal(sessionEndText({ kind: 'sent-away', why: 'flood' }), 'the peer ended the session (flood)')
  })
})

describe('a ping', () => {
  it('takes one way there and one way back', async () => {
    const { a, during } = await openPair({ conditions: { delayMs: 35 } })
    assert.equal(await during(a.session.ping({ signal: calm() })), 70)
    assert.equal(a.session.rttMs, 70)
  })

  it('ends with its signal, and with its session', async () => {
    const { a, clock } = await openPair()
    const reason = new Error('enough')
    const abort = new AbortController()
    const cancelled = assert.rejects(a.session.ping({ signal: abort.signal }), reason)
    abort.abort(reason)
    await cancelled
    const pinging = assert.rejects(a.session.ping({ signal: calm() }), failsWith('upstream_failed'))
    a.session.close()
    await pinging
    await assert.rejects(a.session.ping({ signal: calm() }), failsWith('upstream_failed'))
    await clock.advance(10)
  })
})

describe('a reset of an answer', () => {
  it('with a code of a later version is a failure like any other', async () => {
    const wire = await openWire()
    const a = openSide(wire, wire.atA, { side: 'dialler' })
    const peer = new RawPeer(wire.atB)
    peer.hello()
    await wire.clock.advance(10)
    const failing = assert.rejects(a.session.request(requestOf('/'), { signal: calm() }), failsWith('upstream_failed'))
    peer.send({ kind: 'reset', stream: 1, code: 60_000 })
    await wire.clock.advance(10)
    await failing
    assert.ok(!Object.values(RESET_CODES).includes(60_000 as never))
  })
})
