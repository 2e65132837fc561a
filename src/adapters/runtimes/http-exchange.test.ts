/** What one HTTP exchange promises, against real servers on loopback, well-behaved and not. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, type RequestListener, type Server } from 'node:http'
import { type AddressInfo, createServer as createTcpServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, it, type TestContext } from 'node:test'
import type { HeddleError } from '../../core/errors.ts'
import { asRequestId } from '../../core/ids.ts'
import { limit } from '../../core/limits.ts'
import type { MessageRequest } from '../../core/message.ts'
import { exchange, readWhole, upstreamPool } from './http-exchange.ts'

const TIMEOUTS = { headersTimeoutMs: 5_000, bodyTimeoutMs: 5_000 }

function post(body: MessageRequest['body'] = Buffer.from('{}'), headers: Record<string, string> = {}): MessageRequest {
  return {
    id: asRequestId('req_test'),
    service: 'llm',
    method: 'POST',
    path: '/v1/chat/completions',
    headers: { 'content-type': 'application/json', ...headers },
    body,
  }
}

async function listening(t: TestContext, listener: RequestListener): Promise<{ server: Server; origin: string }> {
  const server = createServer(listener)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => {
    server.closeAllConnections()
    server.close()
  })
  return { server, origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}` }
}

function pooled(t: TestContext, origin: string, connections?: number) {
  const dispatcher = upstreamPool(origin, { connections })
  t.after(() => dispatcher.destroy())
  return dispatcher
}

async function* pieces() {
  yield Buffer.from('one ')
  yield Buffer.from('two')
}

describe('exchange', () => {
  it('sends the path, our headers and the body, and only the client headers that a runtime may need', async (t) => {
    const { origin } = await listening(t, (request, response) => {
      void readWhole(request, 1000).then((body) => {
        response.setHeader('X-Served-By', 'gpu-1')
        response.setHeader('Set-Cookie', 'a=b')
        return response.end(JSON.stringify({ url: request.url, headers: request.headers, body: body.toString() }))
      })
    })
    const answer = await exchange(
      { dispatcher: pooled(t, origin) },
      post(Buffer.from('{"a":1}'), { authorization: 'Bearer client', cookie: 'c=1', accept: 'text/event-stream' }),
      { origin, pathPrefix: '/api', headers: { authorization: 'Bearer ours' }, signal: t.signal, ...TIMEOUTS },
    )
    const seen = JSON.parse((await readWhole(answer.body, 10_000)).toString())
    assert.equal(answer.status, 200)
    assert.equal(answer.headers['x-served-by'], 'gpu-1')
    assert.equal(answer.headers['set-cookie'], undefined)
    assert.equal(seen.url, '/api/v1/chat/completions')
    assert.equal(seen.body, '{"a":1}')
    assert.equal(seen.headers.authorization, 'Bearer ours')
    assert.equal(seen.headers.accept, 'text/event-stream')
    assert.equal(seen.headers.cookie, undefined)
  })

  it('streams a body that arrives in pieces', async (t) => {
    const { origin } = await listening(t, (request, response) => {
      void readWhole(request, 1000).then((body) => response.end(body))
    })
    const answer = await exchange({ dispatcher: pooled(t, origin) }, post(pieces()), {
      origin,
      signal: t.signal,
      ...TIMEOUTS,
    })
    assert.equal((await readWhole(answer.body, 100)).toString(), 'one two')
  })

  it('gives a redirect as it is and follows none', async (t) => {
    let requests = 0
    const { origin } = await listening(t, (_request, response) => {
      requests += 1
      response.writeHead(302, { location: '/elsewhere' }).end()
    })
    const answer = await exchange({ dispatcher: pooled(t, origin) }, post(), { origin, signal: t.signal, ...TIMEOUTS })
    await readWhole(answer.body, 100)
    assert.equal(answer.status, 302)
    assert.equal(requests, 1)
  })

  it('says runtime_unavailable where nobody listens', async (t) => {
    const { server, origin } = await listening(t, () => {})
    server.close()
    await once(server, 'close')
    await assert.rejects(
      exchange({ dispatcher: pooled(t, origin) }, post(), { origin, signal: t.signal, ...TIMEOUTS }),
      (error: HeddleError) =>
        error.code === 'runtime_unavailable' && error.cause instanceof Error && /ECONNREFUSED/.test(error.message),
    )
  })

  it('says timeout where no head comes', async (t) => {
    const { origin } = await listening(t, () => {})
    await assert.rejects(
      exchange({ dispatcher: pooled(t, origin) }, post(), {
        origin,
        signal: t.signal,
        headersTimeoutMs: 60,
        bodyTimeoutMs: 60,
      }),
      (error: HeddleError) => error.code === 'timeout',
    )
  })

  it('says upstream_failed where the connection is reset before the head, or the head is garbage', async (t) => {
    const { origin } = await listening(t, (request) => {
      request.socket.resetAndDestroy()
    })
    await assert.rejects(
      exchange({ dispatcher: pooled(t, origin) }, post(), { origin, signal: t.signal, ...TIMEOUTS }),
      (error: HeddleError) => error.code === 'upstream_failed',
    )
    const tcp = createTcpServer((socket) => socket.end('SSH-2.0-OpenSSH_9.9\r\n')).listen(0, '127.0.0.1')
    await once(tcp, 'listening')
    t.after(() => tcp.close())
    const garbage = `http://127.0.0.1:${(tcp.address() as AddressInfo).port}`
    await assert.rejects(
      exchange({ dispatcher: pooled(t, garbage) }, post(), { origin: garbage, signal: t.signal, ...TIMEOUTS }),
      (error: HeddleError) => error.code === 'upstream_failed',
    )
  })

  it('tries once more where a kept-alive socket was closed as it was used, and never on a fresh one', async (t) => {
    let connections = 0
    let isDead = false
    const tcp = createTcpServer((socket) => {
      connections += 1
      let requests = 0
      socket.on('data', () => {
        requests += 1
        if (isDead || requests > 1) socket.end()
        else socket.write('HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok')
      })
    }).listen(0, '127.0.0.1')
    await once(tcp, 'listening')
    t.after(() => tcp.close())
    const origin = `http://127.0.0.1:${(tcp.address() as AddressInfo).port}`
    const dispatcher = pooled(t, origin)
    const ask = async (): Promise<string> => {
      const answer = await exchange({ dispatcher }, post(), { origin, signal: t.signal, ...TIMEOUTS })
      return (await readWhole(answer.body, 10)).toString()
    }
    assert.equal(await ask(), 'ok')
    assert.equal(await ask(), 'ok')
    assert.equal(connections, 2)
    isDead = true
    await assert.rejects(ask(), (error: HeddleError) => error.code === 'upstream_failed')
    assert.equal(connections, 3)
    await assert.rejects(ask(), (error: HeddleError) => error.code === 'upstream_failed')
    assert.equal(connections, 4)
  })

  it('refuses an answer that is compressed', async (t) => {
    const { origin } = await listening(t, (_request, response) => {
      response.writeHead(200, { 'content-encoding': 'gzip' }).end('not really')
    })
    await assert.rejects(
      exchange({ dispatcher: pooled(t, origin) }, post(), { origin, signal: t.signal, ...TIMEOUTS }),
      (error: HeddleError) => error.code === 'upstream_failed' && /compressed/.test(error.message),
    )
  })

  it('throws upstream_interrupted from the body after the bytes that came, when the answer is cut', async (t) => {
    const { origin } = await listening(t, (request, response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' })
      response.write('data: 1\n\n', () => setImmediate(() => request.socket.resetAndDestroy()))
    })
    const answer = await exchange({ dispatcher: pooled(t, origin) }, post(), { origin, signal: t.signal, ...TIMEOUTS })
    let text = ''
    await assert.rejects(
      async () => {
        for await (const chunk of answer.body) text += Buffer.from(chunk).toString()
      },
      (error: HeddleError) => error.code === 'upstream_interrupted' && error.cause instanceof Error,
    )
    assert.equal(text, 'data: 1\n\n')
  })

  it('throws upstream_interrupted when the answer goes silent or ends short of its length', async (t) => {
    const { origin } = await listening(t, (request, response) => {
      if (request.headers['accept'] === 'short') {
        response.writeHead(200, { 'content-length': '100' })
        response.write('x', () => request.socket.end())
      } else response.write('x')
    })
    const dispatcher = pooled(t, origin)
    for (const accept of ['short', 'silent']) {
      const answer = await exchange({ dispatcher }, post(undefined, { accept }), {
        origin,
        signal: t.signal,
        headersTimeoutMs: 5_000,
        bodyTimeoutMs: 60,
      })
      await assert.rejects(
        readWhole(answer.body, 1000),
        (error: HeddleError) => error.code === 'upstream_interrupted',
        accept,
      )
    }
  })

  it('closes the socket and rejects with the reason when aborted before the head', async (t) => {
    const gone = Promise.withResolvers<void>()
    const aborter = new AbortController()
    const reason = new Error('client left')
    const { origin } = await listening(t, (request) => {
      request.on('close', gone.resolve)
      aborter.abort(reason)
    })
    await assert.rejects(
      exchange({ dispatcher: pooled(t, origin) }, post(), { origin, signal: aborter.signal, ...TIMEOUTS }),
      (error) => error === reason,
    )
    await gone.promise
  })

  it('closes the socket and fails the body with the reason when aborted after the head', async (t) => {
    const gone = Promise.withResolvers<void>()
    const aborter = new AbortController()
    const { origin } = await listening(t, (_request, response) => {
      response.write('x')
      response.on('close', gone.resolve)
    })
    const answer = await exchange({ dispatcher: pooled(t, origin) }, post(), {
      origin,
      signal: aborter.signal,
      ...TIMEOUTS,
    })
    const body = answer.body[Symbol.asyncIterator]()
    await body.next()
    const next = body.next()
    aborter.abort('plain reason')
    await assert.rejects(next, (error) => error === 'plain reason')
    await gone.promise
  })

  it('closes the socket when the reader of the body leaves', async (t) => {
    const gone = Promise.withResolvers<void>()
    const { origin } = await listening(t, (_request, response) => {
      response.write('x')
      response.on('close', gone.resolve)
    })
    const answer = await exchange({ dispatcher: pooled(t, origin) }, post(), { origin, signal: t.signal, ...TIMEOUTS })
    for await (const _chunk of answer.body) break
    await gone.promise
  })

  it('does not send a request that was aborted while it waited for a socket', async (t) => {
    const paths: (string | undefined)[] = []
    const firstMayEnd = Promise.withResolvers<void>()
    const { origin } = await listening(t, (request, response) => {
      paths.push(request.url)
      void firstMayEnd.promise.then(() => response.end('ok'))
    })
    const dispatcher = pooled(t, origin, 1)
    const options = { origin, ...TIMEOUTS }
    const first = exchange({ dispatcher }, post(), { ...options, signal: t.signal })
    const aborter = new AbortController()
    const second = exchange({ dispatcher }, { ...post(), path: '/second' }, { ...options, signal: aborter.signal })
    aborter.abort()
    await assert.rejects(second, { name: 'AbortError' })
    firstMayEnd.resolve()
    await readWhole((await first).body, 100)
    const third = await exchange({ dispatcher }, { ...post(), path: '/third' }, { ...options, signal: t.signal })
    await readWhole(third.body, 100)
    assert.deepEqual(paths, ['/v1/chat/completions', '/third'])
  })

  it('stops reading from the socket while nobody reads the body, and loses nothing', async (t) => {
    const total = 64 * limit('channelBytes')
    const block = Buffer.alloc(64 * 1024, 'abcdefgh')
    let written = 0
    const { origin } = await listening(t, (_request, response) => {
      const more = (): void => {
        while (written < total) {
          written += block.length
          if (!response.write(block)) return void response.once('drain', more)
        }
        response.end()
      }
      more()
    })
    const answer = await exchange({ dispatcher: pooled(t, origin) }, post(), { origin, signal: t.signal, ...TIMEOUTS })
    const body = answer.body as AsyncIterable<Uint8Array> & { readonly waitingBytes: number }
    // The kernel's buffers fill; then nothing moves any more.
    let before = -1
    while (before !== written) {
      before = written
      await new Promise((resolve) => setTimeout(resolve, 50))
    }
    assert.ok(written < total, `the server could write everything (${written})`)
    assert.ok(body.waitingBytes <= 2 * limit('channelBytes'), `${body.waitingBytes} bytes held`)
    assert.equal((await readWhole(answer.body, total)).length, total)
  })

  it('leaves no listener on the signal', async (t) => {
    const { origin } = await listening(t, (request, response) => {
      if (request.url === '/cut') request.socket.resetAndDestroy()
      else response.end('ok')
    })
    const dispatcher = pooled(t, origin)
    const { signal } = new AbortController()
    let added = 0
    let listeners = 0
    const add = signal.addEventListener.bind(signal)
    const remove = signal.removeEventListener.bind(signal)
    t.mock.method(signal, 'addEventListener', (...args: Parameters<typeof add>) => {
      added += 1
      listeners += 1
      add(...args)
    })
    t.mock.method(signal, 'removeEventListener', (...args: Parameters<typeof remove>) => {
      listeners -= 1
      remove(...args)
    })
    const answer = await exchange({ dispatcher }, post(), { origin, signal, ...TIMEOUTS })
    await readWhole(answer.body, 10)
    await assert.rejects(exchange({ dispatcher }, { ...post(), path: '/cut' }, { origin, signal, ...TIMEOUTS }))
    assert.equal(added, 2)
    assert.equal(listeners, 0)
  })

  it('talks over a Unix socket or a named pipe', async (t) => {
    const name = `heddle-exchange-${process.pid}.sock`
    const socketPath = process.platform === 'win32' ? `\\\\.\\pipe\\${name}` : join(tmpdir(), name)
    const server = createServer((_request, response) => response.end('ok')).listen(socketPath)
    await once(server, 'listening')
    t.after(() => server.close())
    const dispatcher = upstreamPool({ socketPath })
    t.after(() => dispatcher.destroy())
    const answer = await exchange({ dispatcher }, post(), { origin: 'http://localhost', signal: t.signal, ...TIMEOUTS })
    assert.equal((await readWhole(answer.body, 10)).toString(), 'ok')
  })
})
