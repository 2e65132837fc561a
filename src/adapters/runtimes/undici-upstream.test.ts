/** The undici client keeps the same promises as our own; it carries `https://`, and plain HTTP does to show it. */
import assert from 'node:assert/strict'
import { describe, it, type TestContext } from 'node:test'
import { type RawAnswer, type RawRequest, rawHttpServer } from '../../../test/support/raw-http-server.ts'
import { HeddleError } from '../../core/errors.ts'
import { asRequestId } from '../../core/ids.ts'
import { limit } from '../../core/limits.ts'
import { readWhole, upstreamPool } from './http-exchange.ts'
import { UndiciUpstream } from './undici-upstream.ts'

async function open(t: TestContext, answer: (request: RawRequest) => RawAnswer | undefined) {
  const server = await rawHttpServer(answer)
  const upstream = new UndiciUpstream({ origin: server.origin, connections: 2 })
  t.after(async () => {
    await upstream.destroy()
    await server[Symbol.asyncDispose]()
  })
  const ask = (path: string, signal = t.signal, timeoutMs = 5_000) =>
    upstream.exchange(
      {
        id: asRequestId('req_1'),
        service: 'llm',
        method: 'POST',
        path,
        headers: { accept: 'text/plain', cookie: 'secret' },
        body: Buffer.from('{}'),
      },
      {
        origin: server.origin,
        pathPrefix: '/api',
        headers: { authorization: 'Bearer ours' },
        signal,
        headersTimeoutMs: timeoutMs,
        bodyTimeoutMs: timeoutMs,
      },
    )
  return { server, upstream, ask }
}

const hasCode = (code: string) => (error: unknown) => error instanceof HeddleError && error.code === code

describe('the undici upstream', () => {
  it('is what carries https, and nothing else', async () => {
    const [tls, plain] = [upstreamPool('https://127.0.0.1:1'), upstreamPool('http://127.0.0.1:1')]
    assert.ok(tls instanceof UndiciUpstream)
    assert.ok(!(plain instanceof UndiciUpstream))
    for (const pool of [tls, plain]) {
      await pool.destroy()
      await pool.destroy()
      assert.equal(pool.destroyed, true)
    }
  })

  it('passes the head and the body on, with our headers and without the client’s own', async (t) => {
    let seen = ''
    const { ask } = await open(t, ({ text }) => {
      seen = text
      return {
        pieces: [
          'HTTP/1.1 201 Created\r\nx-a: b\r\nset-cookie: c\r\ntransfer-encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n',
        ],
      }
    })
    const { status, headers, body } = await ask('/v1')
    assert.deepEqual([status, headers, (await readWhole(body, 10)).toString()], [201, { 'x-a': 'b' }, 'a'])
    assert.match(seen, /^POST \/api\/v1 HTTP\/1\.1\r\n/)
    assert.match(seen, /\r\nauthorization: Bearer ours\r\n/)
    assert.doesNotMatch(seen, /secret/)
  })

  it('names what went wrong with the same codes', async (t) => {
    const { ask } = await open(t, ({ path }) => {
      if (path === '/api/reset') return { pieces: [], after: 'reset' }
      if (path === '/api/garbage') return { pieces: ['SSH-2.0\r\n'] }
      if (path === '/api/gzip')
        return { pieces: ['HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: 1\r\n\r\nx'] }
      if (path === '/api/short') return { pieces: ['HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nx'], after: 'end' }
      return undefined
    })
    for (const path of ['/reset', '/garbage', '/gzip'])
      await assert.rejects(ask(path), hasCode('upstream_failed'), path)
    await assert.rejects(readWhole((await ask('/short')).body, 10), hasCode('upstream_interrupted'))
    await assert.rejects(ask('/silent', t.signal, 60), hasCode('timeout'))
  })

  it('tries once more on a kept-alive socket that was closed as it was used', async (t) => {
    const { server, ask } = await open(t, ({ nth }) =>
      nth === 1 ? { pieces: ['HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\nx'] } : { pieces: [], after: 'end' },
    )
    for (let index = 0; index < 2; index += 1)
      assert.equal((await readWhole((await ask('/')).body, 10)).toString(), 'x')
    assert.equal(server.accepted(), 2)
  })

  it('stops when aborted, before the head and after it, and holds a fast server back', async (t) => {
    const length = 64 * limit('channelBytes')
    const { server, ask } = await open(t, ({ path }) =>
      path === '/api/silent'
        ? { pieces: [] }
        : { pieces: [`HTTP/1.1 200 OK\r\ncontent-length: ${length}\r\n\r\n`, Buffer.alloc(length)] },
    )
    for (const path of ['/silent', '/body']) {
      const aborter = new AbortController()
      const answer = ask(path, aborter.signal)
      if (path === '/silent') {
        aborter.abort('left')
        await assert.rejects(answer, (error) => error === 'left')
      } else {
        const { body } = await answer
        aborter.abort('left')
        await assert.rejects(readWhole(body, length), (error) => error === 'left')
      }
    }
    assert.equal((await readWhole((await ask('/whole')).body, length)).length, length)
    assert.ok(server.accepted() >= 2)
  })
})
