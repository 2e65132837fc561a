/** Requests over a mesh session: what one side sends is what the other gets, in both directions. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import {
  answer,
  bytesOf,
  calm,
  openPair,
  openSide,
  openWire,
  type Pair,
  type PairOptions,
  readAll,
  requestOf,
  type Serve,
  source,
  textOf,
  wholeOf,
} from '../../../test/support/mesh-pair.ts'
import { bodyOf } from '../byte-channel.ts'
import { type ErrorCode, HeddleError } from '../errors.ts'
import { asRequestId } from '../ids.ts'
import type { MessageRequest } from '../message.ts'

/** Answers with what it got. */
const echo: Serve = async ({ body }) =>
  answer(body === undefined || body instanceof Uint8Array ? bodyOf(body ?? new Uint8Array(0)) : body)

const failsWith =
  (code: ErrorCode) =>
  (error: unknown): boolean =>
    error instanceof HeddleError && error.code === code

async function failureOf(promise: Promise<unknown>): Promise<unknown> {
  try {
    await promise
  } catch (error) {
    return error
  }
  throw new Error('it did not fail')
}

describe('a request over a mesh session', () => {
  it('arrives as it was sent, and so does its answer', async () => {
    const seen: MessageRequest[] = []
    const { a, during } = await openPair({
      serveB: async (request) => {
        seen.push(request)
        return {
          status: 418,
          headers: { 'content-type': 'text/plain', 'x-own': 'é' },
          body: bodyOf(bytesOf('short and stout')),
        }
      },
    })
    const request = requestOf('/v1/chat/completions?x=1', bytesOf('{"model":"tiny"}'), {
      id: asRequestId('req_01'),
      service: 'files',
      method: 'PUT',
      headers: { accept: 'text/event-stream', 'x-other': 'a, b' },
    })
    const response = await during(a.session.request(request, { signal: calm() }))
    assert.deepEqual(seen, [request])
    assert.deepEqual([response.status, response.headers], [418, { 'content-type': 'text/plain', 'x-own': 'é' }])
    assert.equal(textOf(await during(readAll(response.body))), 'short and stout')
    assert.deepEqual([a.session.inFlight, a.session.version], [0, 1])
  })

  it('gives the server a short body whole and a long one as a stream', async () => {
    const kinds: string[] = []
    const { a, during } = await openPair({
      serveB: async ({ body }) => {
        kinds.push(body === undefined ? 'none' : body instanceof Uint8Array ? 'whole' : 'stream')
        return answer(bodyOf(bytesOf(String((await wholeOf(body)).length))))
      },
    })
    const lengths: string[] = []
    for (const body of [
      undefined,
      new Uint8Array(0),
      new Uint8Array(1_000),
      new Uint8Array(3_000_000),
      source(500_000, 1_000),
    ]) {
      const response = await during(a.session.request(requestOf('/', body), { signal: calm() }))
      lengths.push(textOf(await during(readAll(response.body))))
    }
    assert.deepEqual(kinds, ['none', 'none', 'whole', 'stream', 'stream'])
    assert.deepEqual(lengths, ['0', '0', '1000', '3000000', '500000'])
  })

  it('streams its answer as it is made', async () => {
    const gates = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
    const { a, clock, during } = await openPair({
      serveB: async () =>
        answer(
          (async function* () {
            for (const [index, gate] of gates.entries()) {
              yield bytesOf(`event ${index}`)
              await gate.promise
            }
          })(),
        ),
    })
    const response = await during(a.session.request(requestOf('/'), { signal: calm() }))
    const body = response.body[Symbol.asyncIterator]()
    const texts: string[] = []
    for (const gate of gates) {
      const { value } = await during(body.next())
      texts.push(textOf(value as Uint8Array))
      await clock.advance(50)
      gate.resolve()
    }
    assert.deepEqual(texts, ['event 0', 'event 1'])
    assert.deepEqual(await during(body.next()), { done: true, value: undefined })
  })

  it('can be asked by both sides at once, whatever the network does to the bytes', async () => {
    const conditions = { delayMs: 3, jitterMs: 20, pieceBytes: 5_000, bytesPerMs: 20_000 }
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.tuple(fc.boolean(), fc.integer({ min: 0, max: 400_000 }), fc.integer({ min: 500, max: 70_000 })), {
          minLength: 1,
          maxLength: 10,
        }),
        fc.nat(),
        async (requests, seed) => {
          const { a, b, during } = await openPair({ conditions, seed, serveA: echo, serveB: echo })
          const answers = requests.map(async ([isFromA, bytes, chunkBytes]) => {
            const side = isFromA ? a : b
            const response = await side.session.request(requestOf('/', source(bytes, chunkBytes)), { signal: calm() })
            return readAll(response.body)
          })
          const bodies = await during(Promise.all(answers))
          for (const [index, [, bytes, chunkBytes]] of requests.entries())
            assert.deepEqual(bodies[index], await readAll(source(bytes, chunkBytes)))
          assert.deepEqual([a.session.inFlight, b.session.inFlight, a.session.serving, b.session.serving], [0, 0, 0, 0])
          assert.deepEqual([a.ends, b.ends], [[], []])
        },
      ),
      { numRuns: 20 },
    )
  })

  it('goes the same way where frames are written at once, as on QUIC', async () => {
    const wire = await openWire({ pieceBytes: 1_000 })
    const atOnce = (task: () => void): void => task()
    const a = openSide(wire, wire.atA, { side: 'dialler' }, echo, atOnce)
    const b = openSide(wire, wire.atB, { side: 'listener' }, echo, atOnce)
    const bodies = await wire.during(
      Promise.all(
        [a, b, a, b].map(async ({ session }, index) => {
          const body = source(100_000 * index, 7_000)
          const response = await session.request(requestOf('/', body), { signal: calm() })
          return (await readAll(response.body)).length
        }),
      ),
    )
    assert.deepEqual(bodies, [0, 100_000, 200_000, 300_000])
    await wire.during(a.session.drain({ signal: calm() }))
    assert.deepEqual([a.ends, a.session.inFlight, b.session.serving], [[{ kind: 'closed' }], 0, 0])
  })

  it('waits for the hello of a peer that is slow to say it', async () => {
    const { a, during, clock } = await openPair({ conditions: { delayMs: 500 }, serveB: echo })
    const response = a.session.request(requestOf('/', bytesOf('early')), { signal: calm() })
    assert.equal(a.session.version, undefined)
    const from = clock.monotonic()
    assert.equal(textOf(await during(readAll((await during(response)).body))), 'early')
    assert.ok(clock.monotonic() - from < 2_000)
  })
})

describe('a request that a mesh session cannot carry', () => {
  const cases: readonly (readonly [string, ErrorCode, Partial<MessageRequest>])[] = [
    ['a path that is too long', 'uri_too_long', { path: `/${'p'.repeat(8 * 1024)}` }],
    ['headers that are too large', 'headers_too_large', { headers: { a: 'x'.repeat(16 * 1024) } }],
    ['a header that would smuggle in another', 'invalid_request', { headers: { a: 'b\r\nc: d' } }],
    ['a path that is not encoded', 'invalid_request', { path: '/a b' }],
    ['no service', 'invalid_request', { service: '' }],
  ]
  for (const [what, code, changes] of cases) {
    it(`is refused: ${what}; others go on`, async () => {
      const { a, during } = await openPair({ serveB: echo })
      await assert.rejects(
        during(a.session.request(requestOf('/', undefined, changes), { signal: calm() })),
        failsWith(code),
      )
      const response = await during(a.session.request(requestOf('/', bytesOf('x')), { signal: calm() }))
      assert.equal(textOf(await during(readAll(response.body))), 'x')
      assert.equal(a.session.inFlight, 0)
    })
  }
})

describe('a server that fails', () => {
  const open = (serveB: Serve, options: PairOptions = {}): Promise<Pair> => openPair({ serveB, ...options })

  it('is told as what it is, before the answer', async () => {
    const errors: readonly (readonly [unknown, ErrorCode])[] = [
      [new HeddleError('runtime_unavailable', 'x'), 'runtime_unavailable'],
      [new HeddleError('model_loading', 'x'), 'model_loading'],
      [new HeddleError('timeout', 'x'), 'timeout'],
      [new HeddleError('queue_full', 'x'), 'upstream_failed'],
      [new Error('secret of the server'), 'upstream_failed'],
    ]
    for (const [error, code] of errors) {
      const { a, b, during } = await open(() => Promise.reject(error))
      const failure = await failureOf(during(a.session.request(requestOf('/'), { signal: calm() })))
      assert.ok(failsWith(code)(failure), `${code}: ${String(failure)}`)
      assert.ok(!String(failure).includes('secret'))
      assert.deepEqual([a.session.inFlight, b.session.serving], [0, 0])
    }
  })

  it('is an interruption after the answer began, after the bytes that came before it', async () => {
    const { a, b, during } = await open(async () =>
      answer(
        (async function* () {
          yield bytesOf('half of it')
          throw new Error('secret of the server')
        })(),
      ),
    )
    const response = await during(a.session.request(requestOf('/'), { signal: calm() }))
    const body = response.body[Symbol.asyncIterator]()
    assert.equal(textOf((await during(body.next())).value as Uint8Array), 'half of it')
    const failure = await failureOf(during(body.next()))
    assert.ok(failsWith('upstream_interrupted')(failure))
    assert.deepEqual([a.session.inFlight, b.session.serving], [0, 0])
  })

  it('may answer with headers that cannot be sent: one failure, no broken session', async () => {
    let isReturned = false
    const { a, b, during } = await open(async () =>
      answer(
        {
          [Symbol.asyncIterator]: () => ({
            next: () => Promise.resolve({ done: true, value: undefined }),
            return: () => {
              isReturned = true
              return Promise.resolve({ done: true, value: undefined })
            },
          }),
        },
        { headers: { 'Bad Name': 'x' } },
      ),
    )
    await assert.rejects(during(a.session.request(requestOf('/'), { signal: calm() })), failsWith('upstream_failed'))
    assert.deepEqual([isReturned, b.session.serving, a.ends, b.ends], [true, 0, [], []])
  })

  it('may throw instead of rejecting', async () => {
    const { a, during } = await open(() => {
      throw new HeddleError('runtime_unavailable', 'x')
    })
    await assert.rejects(
      during(a.session.request(requestOf('/'), { signal: calm() })),
      failsWith('runtime_unavailable'),
    )
  })

  it('may answer before it read the request, whose rest is then not sent', async () => {
    let sent = 0
    const { a, b, during } = await open(async () => answer(bodyOf(bytesOf('too large')), { status: 413 }))
    const body = source(64 * 1024 * 1024, 64 * 1024, (at) => {
      sent = at
    })
    const response = await during(a.session.request(requestOf('/', body), { signal: calm() }))
    assert.equal(response.status, 413)
    assert.equal(textOf(await during(readAll(response.body))), 'too large')
    assert.ok(sent < 1024 * 1024, `${sent} bytes were sent`)
    assert.deepEqual([a.session.inFlight, b.session.serving], [0, 0])
  })
})

describe('a body that fails at its source', () => {
  it('fails its request with the same error and cancels it at the server', async () => {
    const broken = new Error('the client left')
    const reasons: unknown[] = []
    const { a, b, clock, during } = await openPair({
      serveB: async ({ body }, { signal }) => {
        signal.addEventListener('abort', () => reasons.push(signal.reason))
        await wholeOf(body)
        return answer(bodyOf())
      },
    })
    const body = (async function* () {
      yield new Uint8Array(100_000)
      throw broken
    })()
    assert.equal(await failureOf(during(a.session.request(requestOf('/', body), { signal: calm() }))), broken)
    await clock.advance(10)
    assert.ok(failsWith('client_closed')(reasons[0]))
    assert.deepEqual([a.session.inFlight, b.session.serving], [0, 0])
  })
})
