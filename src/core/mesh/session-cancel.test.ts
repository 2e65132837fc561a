/** Cancelling requests on mesh sessions: in every state, it reaches the server one way later and frees its place. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import {
  answer,
  bytesOf,
  calm,
  openPair,
  openSide,
  openWire,
  RawPeer,
  readAll,
  requestOf,
  type Serve,
  source,
  wholeOf,
} from '../../../test/support/mesh-pair.ts'
import { bodyOf } from '../byte-channel.ts'
import { HeddleError } from '../errors.ts'
import { RESET_CODES } from '../wire/frames/frame.ts'

const ONE_WAY_MS = 50
const REASON = new Error('the client left')

/** Notes when each signal aborts and each source is stopped. */
function watched(now: () => number) {
  const aborts: number[] = []
  const stops: number[] = []
  const watch = (signal: AbortSignal): void =>
    signal.addEventListener('abort', () => {
      assert.ok(signal.reason instanceof HeddleError && signal.reason.code === 'client_closed')
      aborts.push(now())
    })
  const body = (generator: AsyncGenerator<Uint8Array>): AsyncGenerator<Uint8Array> => {
    const stop = generator.return.bind(generator)
    generator.return = (value) => {
      stops.push(now())
      return stop(value)
    }
    return generator
  }
  return { aborts, stops, watch, body }
}

const endless = (): AsyncGenerator<Uint8Array> => source(Infinity, 16 * 1024)

async function* silent(): AsyncGenerator<Uint8Array> {
  await new Promise(() => {})
  yield new Uint8Array(0)
}

/** Rejects when the signal aborts, as a well-behaved server does. */
const left = (signal: AbortSignal): Promise<never> =>
  new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason)))

describe('a cancelled request', () => {
  it('is not sent where the signal had aborted before', async () => {
    const wire = await openWire()
    const a = openSide(wire, wire.atA, { side: 'dialler' })
    const peer = new RawPeer(wire.atB)
    peer.hello()
    await wire.clock.advance(10)
    await assert.rejects(a.session.request(requestOf('/'), { signal: AbortSignal.abort(REASON) }), REASON)
    await wire.clock.advance(10)
    assert.deepEqual([peer.frames.map(({ kind }) => kind), a.session.inFlight], [['hello'], 0])
  })

  it('is not sent where it still waits for the hello', async () => {
    const wire = await openWire()
    const a = openSide(wire, wire.atA, { side: 'dialler' })
    const peer = new RawPeer(wire.atB)
    const abort = new AbortController()
    const responding = a.session.request(requestOf('/'), { signal: abort.signal })
    await wire.clock.advance(10)
    abort.abort(REASON)
    await assert.rejects(responding, REASON)
    peer.hello()
    await wire.clock.advance(10)
    assert.deepEqual([peer.frames.map(({ kind }) => kind), a.session.inFlight], [['hello'], 0])
  })

  it('ends while its body is on its way', async () => {
    const { a, b, clock } = await openPair({
      conditions: { delayMs: ONE_WAY_MS },
      serveB: async ({ body }, { signal }) => {
        seen.watch(signal)
        await assert.rejects(wholeOf(body), (error) => error instanceof HeddleError && error.code === 'client_closed')
        throw new Error('nobody hears this')
      },
    })
    const seen = watched(() => clock.monotonic())
    const abort = new AbortController()
    const responding = a.session.request(requestOf('/', seen.body(endless())), { signal: abort.signal })
    responding.catch(() => {})
    await clock.advance(1_000)
    assert.equal(b.session.serving, 1)
    const at = clock.monotonic()
    abort.abort(REASON)
    await assert.rejects(responding, REASON)
    await clock.advance(ONE_WAY_MS)
    assert.deepEqual([seen.aborts, seen.stops], [[at + ONE_WAY_MS], [at]])
    assert.deepEqual([a.session.inFlight, b.session.serving], [0, 0])
  })

  it('ends before the answer begins', async () => {
    const { a, b, clock } = await openPair({
      conditions: { delayMs: ONE_WAY_MS },
      serveB: async (_request, { signal }) => {
        seen.watch(signal)
        return left(signal)
      },
    })
    const seen = watched(() => clock.monotonic())
    const abort = new AbortController()
    const responding = a.session.request(requestOf('/', bytesOf('{}')), { signal: abort.signal })
    responding.catch(() => {})
    await clock.advance(1_000)
    const at = clock.monotonic()
    abort.abort(REASON)
    await assert.rejects(responding, REASON)
    await clock.advance(ONE_WAY_MS)
    assert.deepEqual(seen.aborts, [at + ONE_WAY_MS])
    assert.deepEqual([a.session.inFlight, b.session.serving], [0, 0])
  })

  for (const isWaiting of [true, false]) {
    it(`ends while the answer comes: ${isWaiting ? 'a read that waits fails' : 'the next read fails, whatever lies unread'}`, async () => {
      const { a, b, clock, during } = await openPair({
        conditions: { delayMs: ONE_WAY_MS },
        serveB: async (_request, { signal }) => {
          seen.watch(signal)
          return answer(seen.body(isWaiting ? silent() : endless()))
        },
      })
      const seen = watched(() => clock.monotonic())
      const abort = new AbortController()
      const response = await during(a.session.request(requestOf('/'), { signal: abort.signal }))
      const body = response.body[Symbol.asyncIterator]()
      if (!isWaiting) await clock.advance(1_000)
      const reading = body.next()
      if (!isWaiting) assert.equal((await reading).done, false)
      const at = clock.monotonic()
      abort.abort(REASON)
      await assert.rejects(isWaiting ? reading : body.next(), REASON)
      assert.deepEqual(await body.next(), { done: true, value: undefined })
      await clock.advance(ONE_WAY_MS)
      assert.deepEqual([seen.aborts, seen.stops], [[at + ONE_WAY_MS], [at + ONE_WAY_MS]])
      assert.deepEqual([a.session.inFlight, b.session.serving], [0, 0])
    })
  }

  it('is one whose reader stops early', async () => {
    const { a, b, clock, during } = await openPair({
      conditions: { delayMs: ONE_WAY_MS },
      serveB: async (_request, { signal }) => {
        seen.watch(signal)
        return answer(seen.body(endless()))
      },
    })
    const seen = watched(() => clock.monotonic())
    const response = await during(a.session.request(requestOf('/'), { signal: calm() }))
    let at = 0
    await during(
      (async () => {
        for await (const chunk of response.body) if (chunk.length > 0) break
        at = clock.monotonic()
      })(),
    )
    await clock.advance(ONE_WAY_MS)
    assert.deepEqual(seen.aborts, [at + ONE_WAY_MS])
    assert.deepEqual([a.session.inFlight, b.session.serving], [0, 0])
  })

  it('is nothing any more after the answer has come', async () => {
    const wire = await openWire()
    const a = openSide(wire, wire.atA, { side: 'dialler' })
    const peer = new RawPeer(wire.atB)
    peer.hello()
    await wire.clock.advance(10)
    const abort = new AbortController()
    const responding = a.session.request(requestOf('/'), { signal: abort.signal })
    await wire.clock.advance(10)
    peer.send(
      { kind: 'head', stream: 1, isLast: false, status: 200, headers: {} },
      { kind: 'body', stream: 1, isLast: true, bytes: bytesOf('all of it') },
    )
    await wire.clock.advance(10)
    abort.abort(REASON)
    assert.equal(Buffer.from(await readAll((await responding).body)).toString(), 'all of it')
    await wire.clock.advance(10)
    assert.deepEqual(
      peer.frames.map(({ kind }) => kind).filter((kind) => kind !== 'ping'),
      ['hello', 'open'],
    )
  })

  it('holds its place until its server has let go, so that cancelling is no way around the limit', async () => {
    const gates: PromiseWithResolvers<void>[] = []
    const stubborn: Serve = async () => {
      const gate = Promise.withResolvers<void>()
      gates.push(gate)
      await gate.promise
      return answer(bodyOf(bytesOf('late')))
    }
    const { a, b, clock, during } = await openPair({ serveB: stubborn, b: { openRequests: 2 } })
    await during(a.session.ping({ signal: calm() }))
    for (let count = 0; count < 2; count += 1) {
      const abort = new AbortController()
      const responding = a.session.request(requestOf('/'), { signal: abort.signal })
      await clock.advance(10)
      abort.abort(REASON)
      await assert.rejects(responding, REASON)
    }
    await clock.advance(10)
    assert.deepEqual([a.session.inFlight, b.session.serving], [0, 2])
    await assert.rejects(during(a.session.request(requestOf('/'), { signal: calm() })), /takes no more requests/)
    for (const gate of gates) gate.resolve()
    await clock.advance(10)
    assert.equal(b.session.serving, 0)
  })

  it('leaves other requests alone', async () => {
    const { a, during, clock } = await openPair({ serveB: async () => answer(source(1024 * 1024, 5_000)) })
    const abort = new AbortController()
    const cancelled = await during(a.session.request(requestOf('/'), { signal: abort.signal }))
    const other = await during(a.session.request(requestOf('/'), { signal: calm() }))
    await clock.advance(20)
    abort.abort(REASON)
    await assert.rejects(during(readAll(cancelled.body)), REASON)
    assert.equal((await during(readAll(other.body))).length, 1024 * 1024)
  })

  it('is told apart from what the server does: a reset by the peer is no abort of ours', async () => {
    const wire = await openWire()
    const a = openSide(wire, wire.atA, { side: 'dialler' })
    const peer = new RawPeer(wire.atB)
    peer.hello()
    await wire.clock.advance(10)
    const failures = (['refused', 'stalled', 'cancel'] as const).map(async (name, index) => {
      const responding = a.session.request(requestOf('/'), { signal: calm() })
      peer.send({ kind: 'reset', stream: 1 + 2 * index, code: RESET_CODES[name] })
      await assert.rejects(responding, (error) => error instanceof HeddleError && error.code === 'upstream_failed')
    })
    await wire.during(Promise.all(failures))
    assert.equal(a.session.inFlight, 0)
  })
})
