/** The pool's one timer: how long idle sockets stay, and when a silent server is given up. The ticks are made here. */
import assert from 'node:assert/strict'
import { describe, it, type TestContext } from 'node:test'
import { type RawAnswer, rawHttpServer } from '../../../../test/support/raw-http-server.ts'
import { waitUntil } from '../../../../test/support/wait-until.ts'
import { HeddleError } from '../../../core/errors.ts'
import { asRequestId } from '../../../core/ids.ts'
import { limit } from '../../../core/limits.ts'
import { readWhole } from '../http-exchange.ts'
import { Http1Pool } from './pool.ts'

const TICK_MS = limit('upstreamTickMs')

async function open(t: TestContext, answer: RawAnswer) {
  t.mock.timers.enable({ apis: ['setInterval'] })
  let asked = 0
  const server = await rawHttpServer(() => {
    asked += 1
    return answer
  })
  const pool = new Http1Pool({ origin: server.origin, connections: 10 })
  t.after(async () => {
    await pool.destroy()
    await server[Symbol.asyncDispose]()
  })
  const request = { id: asRequestId('req_1'), service: 'llm', method: 'GET', path: '/', headers: {}, body: undefined }
  const ask = (timeoutMs = 1_000) => {
    const times = { headersTimeoutMs: timeoutMs, bodyTimeoutMs: timeoutMs }
    return pool.exchange(request, { origin: server.origin, signal: t.signal, ...times })
  }
  return { server, pool, ask, asked: () => asked, tick: (times: number) => t.mock.timers.tick(times * TICK_MS) }
}

const hasCode = (code: string, message: RegExp) => (error: unknown) =>
  error instanceof HeddleError && error.code === code && message.test(error.message)

describe('the timer of the HTTP/1.1 pool', () => {
  it('closes a socket that stood idle for four seconds, and starts again with the next', async (t) => {
    const { pool, ask, tick } = await open(t, { pieces: ['HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n'] })
    await ask()
    tick(limit('upstreamIdleMs') / TICK_MS - 1)
    assert.equal(pool.counts.idle, 1)
    await ask()
    tick(limit('upstreamIdleMs') / TICK_MS - 1)
    assert.equal(pool.counts.idle, 1)
    tick(1)
    assert.equal(pool.counts.sockets, 0)
    await ask()
    assert.equal(pool.counts.idle, 1)
    tick(limit('upstreamIdleMs') / TICK_MS)
    assert.equal(pool.counts.sockets, 0)
  })

  it('closes it a second before the server said it would', async (t) => {
    const head = 'HTTP/1.1 200 OK\r\ncontent-length: 0\r\nkeep-alive: timeout=3\r\n\r\n'
    const { pool, ask, tick } = await open(t, { pieces: [head] })
    await ask()
    tick(2_000 / TICK_MS - 1)
    assert.equal(pool.counts.idle, 1)
    tick(1)
    assert.equal(pool.counts.sockets, 0)
  })

  it('gives up a server that does not answer, never early and at most a tick late', async (t) => {
    const { pool, ask, asked, tick } = await open(t, { pieces: ['HTTP/1.1 200'] })
    const answer = ask(1_000)
    answer.catch(() => undefined)
    await waitUntil(() => asked() === 1, 'the request')
    tick(2)
    assert.equal(pool.counts.sockets, 1)
    tick(1)
    await assert.rejects(answer, hasCode('timeout', /no answer in time \(HEADERS_TIMEOUT\)$/))
    assert.equal(pool.counts.sockets, 0)
  })

  it('counts the silence inside an answer anew from each piece', async (t) => {
    const { server, ask, tick } = await open(t, { pieces: ['HTTP/1.1 200 OK\r\n\r\na'] })
    const { body } = await ask(1_000)
    const bytes = body[Symbol.asyncIterator]()
    await bytes.next()
    tick(2)
    for (const socket of server.sockets) socket.write('b')
    assert.equal(Buffer.from((await bytes.next()).value ?? '').toString(), 'b')
    tick(2)
    const next = bytes.next()
    tick(1)
    await assert.rejects(next, hasCode('upstream_interrupted', /went silent/))
  })

  it('does not blame the server while it is we who do not read', async (t) => {
    const length = 50 * limit('channelBytes')
    const head = `HTTP/1.1 200 OK\r\ncontent-length: ${length}\r\n\r\n`
    const { ask, tick } = await open(t, { pieces: [head, Buffer.alloc(length)] })
    const { body } = await ask(1_000)
    const held = body as AsyncIterable<Uint8Array> & { readonly waitingBytes: number }
    await waitUntil(() => held.waitingBytes >= limit('channelBytes'), 'a full channel')
    tick(100)
    assert.equal((await readWhole(body, length)).length, length)
  })

  it('gives up a connection that does not come about', async (t) => {
    const { pool, ask, tick } = await open(t, { pieces: [] })
    const answer = ask()
    answer.catch(() => undefined)
    // No turn of the event loop passes, so the connection cannot come about meanwhile.
    tick(limit('connectTimeoutMs') / TICK_MS)
    assert.deepEqual(pool.counts, { sockets: 1, idle: 0, waiting: 1 })
    tick(1)
    assert.deepEqual(pool.counts, { sockets: 0, idle: 0, waiting: 0 })
    await assert.rejects(answer, hasCode('runtime_unavailable', /cannot be reached \(CONNECT_TIMEOUT\)$/))
  })
})
