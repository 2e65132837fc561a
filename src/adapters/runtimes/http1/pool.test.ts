/** What the pool does with its sockets: reuse, bounds, closing, and nothing left behind in any state. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { describe, it } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import type { RawAnswer } from '../../../../test/support/raw-http-server.ts'
import { hasCode, okAnswer, openPool, plainRequest } from '../../../../test/support/raw-pool.ts'
import { waitUntil } from '../../../../test/support/wait-until.ts'
import { HeddleError } from '../../../core/errors.ts'
import { limit } from '../../../core/limits.ts'
import { readWhole } from '../http-exchange.ts'

describe('the HTTP/1.1 pool', () => {
  it('uses the socket that was used last, and no more sockets than there are exchanges at once', async (t) => {
    const used: number[] = []
    const { server, pool, ask, read } = await openPool(t, ({ path, socket }) => {
      used.push(socket.remotePort ?? 0)
      return { pieces: path === '/slow' ? [okAnswer('1').slice(0, -1)] : [okAnswer('1')] }
    })
    await Promise.all([read('/'), read('/'), read('/')])
    assert.deepEqual(pool.counts, { sockets: 3, idle: 3, waiting: 0 })
    used.length = 0
    for (let index = 0; index < 5; index += 1) await read('/')
    assert.equal(new Set(used).size, 1)
    await ask('/slow')
    assert.deepEqual(pool.counts, { sockets: 3, idle: 2, waiting: 0 })
    assert.equal(server.accepted(), 3)
  })

  it('serves 1,000 at once on 50 sockets, keeps them apart and keeps its sockets', async (t) => {
    const { server, pool, ends, read } = await openPool(
      t,
      ({ path, text }) => {
        const body = `${path} ${text.slice(text.indexOf('\r\n\r\n') + 4)}`.repeat(20)
        const head = 'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n'
        const chunk = (part: string): string => `${part.length.toString(16)}\r\n${part}\r\n`
        return { pieces: [head, chunk(body.slice(0, 99)), `${chunk(body.slice(99))}0\r\n`, '\r\n'] }
      },
      50,
    )
    const names = Array.from({ length: 1000 }, (_, index) => `n${index}`)
    const answers = await Promise.all(
      names.map((name) => read(plainRequest(`/${name}`, Buffer.from(`body of ${name}`)))),
    )
    assert.deepEqual(
      answers,
      names.map((name) => `/${name} body of ${name}`.repeat(20)),
    )
    assert.equal(server.accepted(), 50)
    assert.deepEqual(pool.counts, { sockets: 50, idle: 50, waiting: 0 })
    assert.deepEqual(ends, Array(1000).fill(undefined))
  })

  it('never takes bytes behind an answer for the next one', async (t) => {
    const { server, pool, read } = await openPool(t, ({ path }) => ({
      pieces:
        path === '/split'
          ? [`${okAnswer('mine')}${okAnswer('forged')}`]
          : path === '/late'
            ? [okAnswer('mine'), okAnswer('forged')]
            : [okAnswer('true')],
    }))
    assert.equal(await read('/split'), 'mine')
    assert.equal(pool.counts.sockets, 0)
    assert.equal(await read('/'), 'true')
    assert.equal(await read('/late'), 'mine')
    await waitUntil(() => pool.counts.sockets === 0, 'the end of the socket')
    assert.equal(await read('/'), 'true')
    assert.equal(server.accepted(), 3)
  })

  it('does not use a socket again that the server, or the length of its answer, leaves in doubt', async (t) => {
    const answers: Record<string, RawAnswer> = {
      '/close': { pieces: [okAnswer('x', 'connection: close')] },
      '/both': {
        pieces: ['HTTP/1.1 200 OK\r\ncontent-length: 9\r\ntransfer-encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n'],
      },
      '/old': { pieces: ['HTTP/1.0 200 OK\r\ncontent-length: 1\r\n\r\nx'] },
      '/hint': { pieces: [okAnswer('x', 'keep-alive: timeout=1')] },
      '/until-close': { pieces: ['HTTP/1.1 200 OK\r\n\r\n', 'x'], after: 'end' },
      '/204': { pieces: ['HTTP/1.1 204 No Content\r\ncontent-length: 1\r\n\r\nx'] },
    }
    const { pool, read } = await openPool(t, ({ path }) => answers[path])
    for (const path of Object.keys(answers)) {
      assert.equal(await read(path), path === '/204' ? '' : 'x', path)
      assert.equal(pool.counts.sockets, 0, path)
    }
  })

  it('knows answers without a body, and reads over interim ones', async (t) => {
    const { server, read } = await openPool(t, ({ method, path }) => ({
      pieces:
        method === 'HEAD'
          ? ['HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n']
          : [`HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early\r\nx-a: b\r\n\r\nHTTP/1.1 ${path.slice(1)} \r\n\r\n`],
    }))
    assert.equal(await read('/204'), '')
    assert.equal(await read('/304'), '')
    assert.equal(await read({ ...plainRequest('/'), method: 'HEAD' }), '')
    assert.equal(server.accepted(), 1)
    await assert.rejects(read('/101'), hasCode('upstream_failed'))
  })

  it('leaves nothing behind when aborted, in whatever state', async (t) => {
    const states: Record<string, RawAnswer> = {
      '/silent': { pieces: [] },
      '/half-head': { pieces: ['HTTP/1.1 200 OK\r\ncont'] },
      '/head': { pieces: ['HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n'] },
      '/half-body': { pieces: ['HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nab'] },
      '/half-chunk': { pieces: ['HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nab'] },
      '/full': { pieces: [okAnswer('x'.repeat(1_000_000))] },
    }
    const arrived = new EventTarget()
    const { server, pool, ends, ask, read } = await openPool(t, ({ path }) => {
      queueMicrotask(() => arrived.dispatchEvent(new Event(path)))
      return states[path] ?? { pieces: [okAnswer('fine')] }
    })
    for (const path of Object.keys(states)) {
      const aborter = new AbortController()
      const reason = new Error(path)
      const asked = once(arrived, path)
      const answer = ask(path, aborter.signal)
      answer.catch(() => undefined)
      await asked
      if (path === '/silent' || path === '/half-head') {
        aborter.abort(reason)
        await assert.rejects(answer, (error) => error === reason, path)
      } else {
        const { body } = await answer
        aborter.abort(reason)
        await assert.rejects(readWhole(body, 1e8), (error) => error === reason, path)
      }
      assert.deepEqual(pool.counts, { sockets: 0, idle: 0, waiting: 0 }, path)
      await waitUntil(() => server.sockets.size === 0, 'the end of the connection')
    }
    assert.deepEqual(ends, Array(6).fill(undefined))
    // Before its socket is open: the socket serves another.
    const aborter = new AbortController()
    const early = ask('/', aborter.signal)
    aborter.abort('early')
    await assert.rejects(early, (error) => error === 'early')
    assert.equal(pool.counts.waiting, 0)
    assert.equal(await read('/'), 'fine')
    assert.equal(pool.counts.sockets, 1)
    // After its end: nothing happens.
    const late = new AbortController()
    await read('/', late.signal)
    late.abort()
    assert.deepEqual(pool.counts, { sockets: 1, idle: 1, waiting: 0 })
  })

  it('lets a reader leave while bytes are still held back', async (t) => {
    const { pool, ask } = await openPool(t, () => ({ pieces: [okAnswer('x'.repeat(50 * limit('channelBytes')))] }))
    const { body } = await ask('/')
    const held = body as AsyncIterable<Uint8Array> & { readonly waitingBytes: number }
    await waitUntil(() => held.waitingBytes >= limit('channelBytes'), 'a full channel')
    for await (const _chunk of body) break
    assert.equal(pool.counts.sockets, 0)
  })

  it('does not let the reader of one answer hurry the next one on the same socket', async (t) => {
    const full = limit('channelBytes')
    const { pool, ask } = await openPool(
      t,
      ({ path }) => ({ pieces: [okAnswer('x'.repeat(path === '/first' ? full : 50 * full))] }),
      1,
    )
    const first = (await ask('/first')).body
    await waitUntil(() => pool.counts.idle === 1, 'the end of the first answer')
    const { body } = await ask('/second')
    const second = body as AsyncIterable<Uint8Array> & { readonly waitingBytes: number }
    await waitUntil(() => second.waitingBytes >= full, 'a full channel')
    const before = second.waitingBytes
    assert.equal((await readWhole(first, full)).length, full)
    for (let turns = 0; turns < 50; turns += 1) await turn()
    assert.equal(second.waitingBytes, before)
    assert.equal((await readWhole(second, 50 * full)).length, 50 * full)
  })

  it('tries a second time only on a new socket, and not with a body that was a stream', async (t) => {
    let isOver = false
    const { server, read } = await openPool(t, () =>
      isOver ? { pieces: [], after: 'end' } : { pieces: [okAnswer('1')] },
    )
    async function* stream() {
      yield Buffer.from('x')
    }
    await Promise.all([read('/'), read('/'), read('/')])
    isOver = true
    await assert.rejects(read('/'), hasCode('upstream_failed'))
    assert.equal(server.accepted(), 4)
    await assert.rejects(read({ ...plainRequest('/', stream()), method: 'GET' }), hasCode('upstream_failed'))
    assert.equal(server.accepted(), 4)
  })

  it('closes a socket on which the server half-closes, and tells an answer from its beginning', async (t) => {
    const { pool, ask, read } = await openPool(t, ({ path }) =>
      path === '/'
        ? { pieces: [okAnswer('1')], after: 'end' }
        : { pieces: ['HTTP/1.1 200 OK\r\ncontent-le'], after: 'end' },
    )
    assert.equal(await read('/'), '1')
    await waitUntil(() => pool.counts.sockets === 0, 'the end of the socket')
    await assert.rejects(ask('/half'), hasCode('upstream_failed'))
  })

  it('fails what is under way and what waits with the error it is destroyed with', async (t) => {
    const { pool, ends, ask } = await openPool(
      t,
      ({ path }) => ({ pieces: path === '/body' ? [okAnswer('12').slice(0, -1)] : [] }),
      2,
    )
    const { body } = await ask('/body')
    const head = ask('/')
    const waiting = ask('/')
    const why = new HeddleError('upstream_interrupted', 'the engine ended')
    const checks = [head, waiting, readWhole(body, 10)].map((promise) =>
      assert.rejects(promise, (error) => error === why),
    )
    await pool.destroy(why)
    await Promise.all(checks)
    assert.equal(pool.destroyed, true)
    assert.deepEqual(ends, Array(3).fill('upstream_interrupted'))
    assert.deepEqual(pool.counts, { sockets: 0, idle: 0, waiting: 0 })
    await assert.rejects(ask('/'), hasCode('runtime_unavailable'))
  })
})
