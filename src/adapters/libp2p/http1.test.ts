/** HTTP/1.1 over libp2p streams between a node of ours and a bare libp2p node with a node:http server, as OCF's go-libp2p-http has it. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, type IncomingMessage, type RequestListener, type Server } from 'node:http'
import { describe, it, type TestContext } from 'node:test'
import type { Libp2p, Stream } from '@libp2p/interface'
import { tcp } from '@libp2p/tcp'
import { tls } from '@libp2p/tls'
import { yamux } from '@libp2p/yamux'
import { createLibp2p } from 'libp2p'
import { HeddleError } from '../../core/errors.ts'
import { asNodeId, asRequestId, asRuntimeId } from '../../core/ids.ts'
import { limit } from '../../core/limits.ts'
import type { MessageBody } from '../../core/message.ts'
import { SystemClock } from '../system/system-clock.ts'
import { HTTP1_PROTOCOL, sendHttp1 } from './http1-client.ts'
import { Http1Connector } from './http1-connector.ts'
import { listenHttp1 } from './http1-listener.ts'

const clock = new SystemClock()
const MIB = 1024 * 1024

async function bareNode(t: TestContext): Promise<Libp2p> {
  const node = await createLibp2p({
    addresses: { listen: ['/ip4/127.0.0.1/tcp/0'] },
    transports: [tcp()],
    connectionEncrypters: [tls()],
    streamMuxers: [
      yamux({
        streamOptions: {
          maxStreamWindowSize: limit('streamWindowBytes'),
          maxReadBufferLength: limit('streamReadBufferBytes'),
        },
      }),
    ],
  })
  t.after(() => node.stop())
  return node
}

/** A server on the protocol, with what it was asked. */
async function serve(t: TestContext, node: Libp2p, listener: RequestListener): Promise<Server> {
  const server = Object.assign(createServer(listener), { httpAllowHalfOpen: true })
  const listening = await listenHttp1({ node }, (_peer, socket) => server.emit('connection', socket))
  t.after(() => listening[Symbol.asyncDispose]())
  return server
}

async function pair(t: TestContext, listener: RequestListener): Promise<{ client: Libp2p; server: Libp2p }> {
  const [client, server] = await Promise.all([bareNode(t), bareNode(t)])
  await serve(t, server, listener)
  return { client, server }
}

function ask(
  { client, server }: { client: Libp2p; server: Libp2p },
  request: { method?: string; path: string; headers?: Record<string, string>; body?: Uint8Array | MessageBody },
  signal = new AbortController().signal,
) {
  return sendHttp1(
    { node: client, clock },
    asNodeId(server.peerId.toString()),
    { method: request.method ?? 'GET', path: request.path, headers: request.headers ?? {}, body: request.body },
    { addresses: server.getMultiaddrs().map(String), signal },
  )
}

async function textOf(body: MessageBody): Promise<string> {
  const chunks: Uint8Array[] = []
  for await (const chunk of body) chunks.push(chunk)
  return Buffer.concat(chunks).toString()
}

async function drop(request: IncomingMessage): Promise<number> {
  let bytes = 0
  for await (const chunk of request) bytes += (chunk as Buffer).length
  return bytes
}

async function* megabytes(
  count: number,
  onEach: (index: number) => void = () => undefined,
): AsyncGenerator<Uint8Array> {
  const chunk = Buffer.alloc(64 * 1024, 'x')
  for (let index = 0; index < count * 16; index += 1) {
    onEach(index)
    yield chunk
  }
}

describe('HTTP/1.1 over libp2p streams', () => {
  it('asks a peer, named in the Host header, and reads its answer', async (t) => {
    const seen: IncomingMessage[] = []
    const both = await pair(t, (request, response) => {
      seen.push(request)
      response.writeHead(201, { 'x-two': ['a', 'b'] })
      response.end(`${request.method} ${request.url}`)
    })
    const answer = await ask(both, { path: '/v1/health?x=1', headers: { accept: '*/*' } })
    assert.equal(answer.status, 201)
    assert.equal(answer.headers['x-two'], 'a, b')
    assert.equal(await textOf(answer.body), 'GET /v1/health?x=1')
    assert.equal(seen[0]?.headers.host, both.server.peerId.toString())
    assert.equal(seen[0]?.headers.accept, '*/*')
    assert.equal(seen[0]?.socket.remoteAddress, both.client.peerId.toString())
  })

  it('carries bodies of both directions as they come', async (t) => {
    const both = await pair(t, (request, response) => {
      response.writeHead(200)
      request.on('data', (chunk: Buffer) => response.write(String(chunk).toUpperCase()))
      request.on('end', () => response.end())
    })
    const heard = Promise.withResolvers<void>()
    async function* body(): AsyncGenerator<Uint8Array> {
      yield Buffer.from('first ')
      await heard.promise
      yield Buffer.from('second')
    }
    const answer = await ask(both, { method: 'POST', path: '/', body: body() })
    const chunks = answer.body[Symbol.asyncIterator]()
    assert.equal(String((await chunks.next()).value), 'FIRST ')
    heard.resolve()
    assert.equal(String((await chunks.next()).value), 'SECOND')
    assert.equal((await chunks.next()).done, true)
  })

  it('moves 32 MiB either way and leaves no stream behind', async (t) => {
    const both = await pair(t, (request, response) => {
      if (request.method === 'GET') {
        response.writeHead(200)
        void (async () => {
          for await (const chunk of megabytes(32)) if (!response.write(chunk)) await once(response, 'drain')
          response.end()
        })()
      } else void drop(request).then((bytes) => response.end(String(bytes)))
    })
    let bytes = 0
    for await (const chunk of (await ask(both, { path: '/' })).body) bytes += chunk.length
    assert.equal(bytes, 32 * MIB)
    const up = await ask(both, { method: 'PUT', path: '/', body: megabytes(32) })
    assert.equal(await textOf(up.body), String(32 * MIB))
    const open = (): Stream[] =>
      [both.client, both.server].flatMap((node) =>
        node.getConnections().flatMap(({ streams }) => streams.filter(({ protocol }) => protocol === HTTP1_PROTOCOL)),
      )
    for (let turn = 0; turn < 200 && open().length > 0; turn += 1) await new Promise((next) => setTimeout(next, 20))
    assert.deepEqual(
      open().map(({ status }) => status),
      [],
    )
  })

  it('holds a writer back while the reader stands still, in both directions, and loses nothing', async (t) => {
    const go = Promise.withResolvers<void>()
    let written = 0
    const both = await pair(t, (request, response) => {
      if (request.method === 'POST') {
        void go.promise.then(() => drop(request)).then((bytes) => response.end(String(bytes)))
        return
      }
      response.writeHead(200)
      void (async () => {
        for await (const chunk of megabytes(32, (index) => (written = index * 64 * 1024)))
          if (!response.write(chunk)) await once(response, 'drain')
        response.end()
      })()
    })
    const answer = await ask(both, { path: '/' })
    const down = answer.body[Symbol.asyncIterator]()
    let bytes = (await down.next()).value?.length ?? 0
    await untilSteady(() => written)
    assert.ok(written < 6 * MIB, `a server wrote ${written} bytes to a client that does not read`)
    for (let next = await down.next(); next.done !== true; next = await down.next()) bytes += next.value.length
    assert.equal(bytes, 32 * MIB)

    let sent = 0
    const uploading = ask(both, {
      method: 'POST',
      path: '/',
      body: megabytes(32, (index) => (sent = index * 64 * 1024)),
    })
    await untilSteady(() => sent)
    assert.ok(sent > 0 && sent < 6 * MIB, `a client wrote ${sent} bytes to a server that does not read`)
    go.resolve()
    assert.equal(await textOf((await uploading).body), String(32 * MIB))
  })

  it('tells the peer when the caller leaves', async (t) => {
    const gone = Promise.withResolvers<void>()
    const both = await pair(t, (_request, response) => {
      response.on('close', gone.resolve)
      response.writeHead(200)
      response.write('so far')
    })
    const caller = new AbortController()
    const answer = await ask(both, { path: '/' }, caller.signal)
    const chunks = answer.body[Symbol.asyncIterator]()
    await chunks.next()
    const next = chunks.next()
    caller.abort(new HeddleError('client_closed', 'left'))
    await assert.rejects(next, { code: 'client_closed' })
    await gone.promise
  })

  it('never takes a cut answer for a whole one, and says so when there was none', async (t) => {
    const both = await pair(t, (request, response) => {
      if (request.url === '/none') return void request.socket.destroy()
      response.writeHead(200, request.url === '/length' ? { 'content-length': '10' } : {})
      response.write('half')
      setTimeout(() => request.socket.destroy(), 20)
    })
    await assert.rejects(ask(both, { path: '/none' }), { code: 'upstream_failed' })
    for (const path of ['/length', '/chunked']) {
      const answer = await ask(both, { path })
      await assert.rejects(textOf(answer.body), { code: 'upstream_interrupted' }, path)
    }
  })

  it('says that a peer does not speak it, or is not there', async (t) => {
    const [client, server] = await Promise.all([bareNode(t), bareNode(t)])
    await assert.rejects(ask({ client, server }, { path: '/' }), { code: 'peer_unreachable' })
    await server.stop()
    await assert.rejects(ask({ client, server }, { path: '/' }), { code: 'peer_unreachable' })
  })

  it('answers a caller that wrote a bare request and closed its side of the stream, as Go does', async (t) => {
    const both = await pair(t, (request, response) => setTimeout(() => response.end(`for ${request.headers.host}`), 30))
    const host = both.server.peerId.toString()
    for (const closes of [false, true]) {
      const stream = await both.client.dialProtocol(both.server.getMultiaddrs(), HTTP1_PROTOCOL)
      const received = (async () => {
        let text = ''
        for await (const chunk of stream) {
          text += Buffer.from(chunk.subarray()).toString()
          if (text.includes('\r\n0\r\n\r\n') || /\r\n\r\nfor .+$/.test(text)) break
        }
        return text
      })()
      stream.send(Buffer.from(`GET /v1/health HTTP/1.1\r\nHost: ${host}\r\nUser-Agent: Go-http-client/1.1\r\n\r\n`))
      if (closes) await stream.close()
      assert.match(await received, new RegExp(`^HTTP/1\\.1 200 OK\\r\\n[\\s\\S]*for ${host}`), `closes: ${closes}`)
      if (!closes) await stream.close()
    }
  })
})

describe('Http1Connector', () => {
  it('asks for a service of the peer as a dispatcher asks its worker, without credentials', async (t) => {
    const seen: IncomingMessage[] = []
    const both = await pair(t, (request, response) => {
      seen.push(request)
      void drop(request).then((bytes) => response.end(`${bytes} bytes`))
    })
    const connector = new Http1Connector({
      node: both.client,
      clock,
      addressesOf: () => both.server.getMultiaddrs().map(String),
    })
    const node = asNodeId(both.server.peerId.toString())
    const answer = await connector.send(
      { node, connector: 'mesh', runtime: asRuntimeId('vllm') },
      {
        id: asRequestId('req_1'),
        service: 'llm',
        method: 'POST',
        path: '/v1/chat/completions?a=b',
        headers: { 'content-type': 'application/json', authorization: 'Bearer secret', cookie: 'a=b' },
        body: Buffer.from('{"model":"m"}'),
      },
      { signal: t.signal },
    )
    assert.equal(await textOf(answer.body), '13 bytes')
    assert.equal(seen[0]?.url, '/v1/_service/llm/v1/chat/completions?a=b')
    assert.equal(seen[0]?.headers['content-type'], 'application/json')
    assert.equal(seen[0]?.headers.authorization, undefined)
    assert.equal(seen[0]?.headers.cookie, undefined)
  })
})

/** Waits until a number stops growing. */
async function untilSteady(value: () => number): Promise<void> {
  for (let last = -1; value() !== last || last <= 0; ) {
    last = value()
    await new Promise((next) => setTimeout(next, 300))
  }
}
