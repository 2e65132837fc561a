/** The HTTP forwarder keeps the promises of its port against real servers, and the rules of its URLs. */
import assert from 'node:assert/strict'
import { createServer, type Socket } from 'node:net'
import { describe, it } from 'node:test'
import { serviceForwarderContract } from '../../../test/contracts/service-forwarder.contract.ts'
import { listenOnLoopback } from '../../../test/support/runtime-server.ts'
import { startServiceServer } from '../../../test/support/service-server.ts'
import { asRequestId } from '../../core/ids.ts'
import type { MessageRequest, MessageResponse } from '../../core/message.ts'
import { HttpForwarder } from './http-forwarder.ts'

serviceForwarderContract('HttpForwarder', async (t, serve) => {
  const server = await startServiceServer(serve)
  const forwarder = new HttpForwarder({ url: server.url, healthPath: undefined })
  t.after(() => forwarder[Symbol.asyncDispose]())
  t.after(() => server[Symbol.asyncDispose]())
  return { forwarder, stop: async () => server[Symbol.asyncDispose]() }
})

const GET: MessageRequest = {
  id: asRequestId('req_1'),
  service: 'echo',
  method: 'GET',
  path: '/',
  headers: {},
  body: undefined,
}

async function get(forwarder: HttpForwarder, request: Partial<MessageRequest> = {}): Promise<MessageResponse> {
  return forwarder.send({ ...GET, ...request }, { signal: new AbortController().signal, onEnd: () => undefined })
}

async function textOf({ body }: MessageResponse): Promise<string> {
  const chunks: Uint8Array[] = []
  for await (const chunk of body) chunks.push(chunk)
  return Buffer.concat(chunks).toString()
}

describe('HttpForwarder', () => {
  it('puts the path of its URL before each request, and takes it from redirects along with the address', async (t) => {
    await using server = await listenOnLoopback((request, response) => {
      const { host } = request.headers
      response.writeHead(307, { location: `http://${host}/base/next`, 'x-path': request.url }).end()
    })
    await using forwarder = new HttpForwarder({ url: `${server.url}/base/`, healthPath: undefined })
    const { headers } = await get(forwarder, { path: '/now?x=1' })
    assert.equal(headers['x-path'], '/base/now?x=1')
    assert.equal(headers['location'], '/next')
    t.diagnostic('the address of the service stays here')
  })

  it('passes compressed answers on as they are', async () => {
    await using server = await listenOnLoopback((_, response) =>
      response.writeHead(200, { 'content-encoding': 'gzip', 'content-length': '3' }).end('zzz'),
    )
    await using forwarder = new HttpForwarder({ url: server.url, healthPath: undefined })
    const answer = await get(forwarder)
    assert.equal(answer.headers['content-encoding'], 'gzip')
    assert.equal(answer.headers['content-length'], '3')
    assert.equal(await textOf(answer), 'zzz')
  })

  it('tells the service the length of a stream where it was announced, and refuses one of another length', async () => {
    await using server = await listenOnLoopback((request, response) => {
      request.resume().on('end', () => response.end(`${request.headers['content-length']}`))
    })
    await using forwarder = new HttpForwarder({ url: server.url, healthPath: undefined })
    const five = async function* (): AsyncGenerator<Uint8Array> {
      yield Buffer.from('12')
      yield Buffer.from('345')
    }
    const headers = { 'content-length': '5' }
    assert.equal(await textOf(await get(forwarder, { method: 'POST', headers, body: five() })), '5')
    await assert.rejects(get(forwarder, { method: 'POST', headers: { 'content-length': '4' }, body: five() }), {
      code: 'invalid_request',
    })
  })

  it('lets no header begin another request', async () => {
    await using server = await listenOnLoopback((_, response) => response.end('ok'))
    await using forwarder = new HttpForwarder({ url: server.url, healthPath: undefined })
    await assert.rejects(get(forwarder, { headers: { 'x-a': 'b\r\n\r\nGET /admin HTTP/1.1' } }), {
      code: 'invalid_request',
    })
    await assert.rejects(get(forwarder, { path: '/ HTTP/1.1\r\nx: y' }), { code: 'invalid_request' })
    assert.equal(await textOf(await get(forwarder)), 'ok')
  })

  it('answers garbage with a failure', async (t) => {
    const sockets = new Set<Socket>()
    const server = createServer((socket) => {
      sockets.add(socket)
      socket.on('error', () => undefined).on('data', () => socket.write('SSH-2.0-OpenSSH_9.9\r\n'))
    }).listen(0, '127.0.0.1')
    await new Promise((resolve) => server.once('listening', resolve))
    t.after(() => {
      for (const socket of sockets) socket.destroy()
      server.close()
    })
    const address = server.address()
    const port = typeof address === 'object' ? address?.port : undefined
    await using forwarder = new HttpForwarder({ url: `http://127.0.0.1:${port}`, healthPath: undefined })
    await assert.rejects(get(forwarder), { code: 'upstream_failed' })
  })

  it('takes any answer for a sign of life unless a path says what a good one is', async (t) => {
    let status = 404
    const paths: string[] = []
    await using server = await listenOnLoopback((request, response) => {
      paths.push(`${request.method} ${request.url}`)
      response.writeHead(status).end('x')
    })
    await using plain = new HttpForwarder({ url: server.url, healthPath: undefined })
    await using strict = new HttpForwarder({ url: `${server.url}/base`, healthPath: '/health' })
    await plain.check({ signal: t.signal })
    await assert.rejects(strict.check({ signal: t.signal }), /HTTP 404/)
    status = 204
    await strict.check({ signal: t.signal })
    status = 503
    await assert.rejects(plain.check({ signal: t.signal }), /HTTP 503/)
    assert.deepEqual([...new Set(paths)], ['HEAD /', 'GET /base/health'])
  })

  const refused: readonly (readonly [string, RegExp])[] = [
    ['ftp://x', /http:\/\/ or https:\/\//],
    ['127.0.0.1:80', /http:\/\/ or https:\/\//],
    ['http://user:hunter2@x', /credentials/],
    ['http://x/?token=hunter2', /query/],
    ['http://x/#a', /fragment/],
    ['', /http:\/\//],
  ]
  for (const [url, message] of refused) {
    it(`refuses ${url.replace('hunter2', '…') || 'nothing'} without repeating it`, () => {
      assert.throws(
        () => new HttpForwarder({ url, healthPath: undefined }),
        (error: Error) => message.test(error.message) && !error.message.includes('hunter2'),
      )
    })
  }
})
