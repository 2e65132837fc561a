/** Peers that vanish without a word while an answer is waited for, and peers that only take long: told apart in seconds. */
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
  type Pair,
  RawPeer,
  readAll,
  requestOf,
  source,
  textOf,
  wholeOf,
} from '../../../test/support/mesh-pair.ts'
import { bodyOf } from '../byte-channel.ts'
import { type ErrorCode, HeddleError } from '../errors.ts'
import { LIMITS } from '../limits.ts'

const SILENT_MS = LIMITS.meshSilentMs.value
const LOOK_MS = LIMITS.meshLookMs.value
const KIB = 1_024

const failsWith =
  (code: ErrorCode, text: RegExp) =>
  (error: unknown): boolean =>
    error instanceof HeddleError && error.code === code && text.test(error.message)

const small = async () => answer(bodyOf(bytesOf('small')))

/** Answers with a word every `everyMs`, after `firstMs`. */
const slowly =
  (pair: () => Pair, { firstMs, everyMs, words }: { firstMs: number; everyMs: number; words: number }) =>
  async () => {
    const { clock } = pair()
    await clock.sleep(firstMs, { signal: calm() })
    async function* body(): AsyncGenerator<Uint8Array> {
      for (let word = 0; word < words; word += 1) {
        yield bytesOf(`${word};`)
        await clock.sleep(everyMs, { signal: calm() })
      }
    }
    return answer(body())
  }

async function untilEnded({ a, clock }: Pair): Promise<number> {
  const from = clock.monotonic()
  while (a.ends.length === 0) await clock.advance(100)
  return clock.monotonic() - from
}

describe('a peer that falls silent', () => {
  it('is given up in seconds when a request is sent to it on a session that was quiet', async () => {
    const pair = await openPair({ serveB: small })
    const { a, network, clock, during } = pair
    await during(a.session.request(requestOf('/'), { signal: calm() }))
    await clock.advance(5 * 60_000)
    network.crash(B, { silent: true })
    const responding = a.session.request(requestOf('/'), { signal: calm() })
    const failing = assert.rejects(responding, failsWith('upstream_failed', /silent/))
    const tookMs = await untilEnded(pair)
    await failing
    assert.deepEqual(a.ends, [{ kind: 'silent', what: 'ping' }])
    assert.ok(tookMs >= SILENT_MS && tookMs <= SILENT_MS + LOOK_MS, `${tookMs} ms`)
  })

  it('is given up while its answer is waited for, and in the middle of an answer', async () => {
    for (const cutAfterMs of [7_300, 20_300]) {
      let pair: Pair | undefined
      const serveB = slowly(() => pair as Pair, { firstMs: 10_000, everyMs: 700, words: 100 })
      pair = await openPair({ serveB })
      const { a, network, clock } = pair
      const reading = a.session.request(requestOf('/'), { signal: calm() }).then(({ body }) => readAll(body))
      const hadHead = cutAfterMs > 10_000
      const failing = assert.rejects(reading, failsWith(hadHead ? 'upstream_interrupted' : 'upstream_failed', /silent/))
      await clock.advance(cutAfterMs)
      network.crash(B, { silent: true })
      const tookMs = await untilEnded(pair)
      await failing
      assert.ok(tookMs >= SILENT_MS && tookMs <= SILENT_MS + 2 * LOOK_MS, `${tookMs} ms`)
    }
  })

  it('is given up in the middle of a request, as soon as a slow line must have carried it', async () => {
    const pair = await openPair({
      serveB: async (request) => {
        await wholeOf(request.body)
        return answer(bodyOf(bytesOf('read')))
      },
      conditions: { bytesPerMs: 40 },
    })
    const { a, network, clock } = pair
    const failing = assert.rejects(
      a.session.request(requestOf('/', source(2_048 * KIB, 16 * KIB)), { signal: calm() }),
      failsWith('upstream_failed', /silent/),
    )
    await clock.advance(12_000)
    assert.deepEqual(a.ends, [])
    network.crash(B, { silent: true })
    const tookMs = await untilEnded(pair)
    await failing
    assert.ok(tookMs <= 20_000, `${tookMs} ms`)
  })
})

describe('a peer that takes long', () => {
  it('is waited for as long as it answers pings', async () => {
    let pair: Pair | undefined
    const serveB = slowly(() => pair as Pair, { firstMs: 30_000, everyMs: 12_000, words: 5 })
    pair = await openPair({ serveB })
    const { a, during } = pair
    const { body } = await during(a.session.request(requestOf('/'), { signal: calm() }))
    assert.equal(textOf(await during(readAll(body))), '0;1;2;3;4;')
    assert.deepEqual(a.ends, [])
  })

  it('is waited for over a way that takes three seconds', async () => {
    const { a, during } = await openPair({ serveB: small, conditions: { delayMs: 1_500 } })
    for (const path of ['/1', '/2']) {
      const { body } = await during(a.session.request(requestOf(path), { signal: calm() }))
      assert.equal(textOf(await during(readAll(body))), 'small')
    }
    assert.deepEqual(a.ends, [])
  })

  it('is waited for when the way to it is blocked for less than the time', async () => {
    const { a, clock, network, during } = await openPair({ serveB: small })
    await clock.advance(16_000)
    network.partition([A], [B])
    const responding = a.session.request(requestOf('/'), { signal: calm() })
    await clock.advance(SILENT_MS - 500)
    network.heal()
    assert.equal(textOf(await during(readAll((await during(responding)).body))), 'small')
    assert.deepEqual(a.ends, [])
  })

  it('is waited for when a slow line carries a large request first', async () => {
    const bytes = 1_024 * KIB
    const { a, during } = await openPair({
      serveB: async (request) => answer(bodyOf(bytesOf(`${(await wholeOf(request.body)).length}`))),
      conditions: { bytesPerMs: 33, delayMs: 150 },
    })
    const requests = ['/1', '/2'].map((path) =>
      a.session.request(requestOf(path, source(bytes / 2, 16 * KIB)), { signal: calm() }),
    )
    for (const responding of requests) {
      const { body } = await during(responding)
      assert.equal(textOf(await during(readAll(body))), `${bytes / 2}`)
    }
    assert.deepEqual(a.ends, [])
  })
})

describe('a ping', () => {
  it('goes with a request after a quiet time, with none of many, and rarely while nothing is waited for', async () => {
    const wire = await openWire()
    const a = openSide(wire, wire.atA, { side: 'dialler' })
    const peer = new RawPeer(wire.atB)
    const { clock } = wire
    const pings = (): number => peer.ofKind('ping').length
    const pong = (): void => peer.send({ kind: 'pong', token: pings() })
    peer.hello()
    await clock.advance(LOOK_MS)
    const answered = async (stream: number): Promise<void> => {
      const responding = a.session.request(requestOf('/'), { signal: calm() })
      await clock.advance(20)
      peer.send({ kind: 'head', stream, isLast: true, status: 204, headers: {} })
      await wire.during(responding)
    }
    await answered(1)
    assert.equal(pings(), 1)
    pong()
    for (let request = 1; request < 100; request += 1) await answered(1 + 2 * request)
    assert.equal(pings(), 1)
    for (let seconds = 0; seconds < 60; seconds += 1) {
      await clock.advance(1_000)
      pong()
    }
    assert.ok(pings() <= 6, `${pings()} pings`)
    await answered(201)
    assert.ok(pings() <= 7)
    assert.deepEqual(a.ends, [])
  })
})
