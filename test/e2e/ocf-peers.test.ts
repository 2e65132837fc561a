/** Peers that know nothing but HTTP/1.1 over a libp2p stream, as OCF's nodes: what they may ask of this node, and how it asks them. */
import assert from 'node:assert/strict'
import { createServer, type IncomingMessage } from 'node:http'
import { describe, it, type TestContext } from 'node:test'
import { identify } from '@libp2p/identify'
import type { Libp2p } from '@libp2p/interface'
import { noise } from '@libp2p/noise'
import { tcp } from '@libp2p/tcp'
import { yamux } from '@libp2p/yamux'
import { multiaddr } from '@multiformats/multiaddr'
import { createLibp2p } from 'libp2p'
import { HTTP1_PROTOCOL, sendHttp1, speaksOnlyHttp1 } from '../../src/adapters/libp2p/http1-client.ts'
import { Http1Connector } from '../../src/adapters/libp2p/http1-connector.ts'
import { Http1Duplex } from '../../src/adapters/libp2p/http1-duplex.ts'
import { listenHttp1 } from '../../src/adapters/libp2p/http1-listener.ts'
import { SystemClock } from '../../src/adapters/system/system-clock.ts'
import { SystemIds } from '../../src/adapters/system/system-ids.ts'
import { bodyOf } from '../../src/core/byte-channel.ts'
import { HeddleError } from '../../src/core/errors.ts'
import { asNodeId, asRequestId, asRuntimeId, type NodeId } from '../../src/core/ids.ts'
import { MESH_PROTOCOL } from '../../src/core/mesh/session-options.ts'
import type { MessageRequest, MessageResponse } from '../../src/core/message.ts'
import type { Status } from '../../src/core/wire/admin.ts'
import type { OcfView } from '../../src/http/ocf/deps.ts'
import { PeerHttpServer, type PeerServerDeps } from '../../src/http/ocf/peer-server.ts'
import { FallbackConnector } from '../../src/mesh/fallback-connector.ts'
import { RecordingLogger } from '../support/recording-logger.ts'
import { startTestNode } from '../support/test-node.ts'
import { waitUntil } from '../support/wait-until.ts'

const clock = new SystemClock()

/** Identify and streams, and nothing of ours: Go's nodes look like this from outside. */
async function bareNode(t: TestContext): Promise<Libp2p> {
  const node = await createLibp2p({
    addresses: { listen: ['/ip4/127.0.0.1/tcp/0'] },
    transports: [tcp()],
    connectionEncrypters: [noise()],
    streamMuxers: [yamux()],
    services: { identify: identify() },
  })
  t.after(() => node.stop())
  return node
}

const idOf = (node: Libp2p): NodeId => asNodeId(node.peerId.toString())
const addressesOf = (node: Libp2p): readonly string[] => node.getMultiaddrs().map(String)

/** Writes a request by hand on a fresh stream, as go-libp2p-http does, and reads until the other side has said all. */
async function askByHand(from: Libp2p, to: readonly string[], text: string): Promise<string> {
  const stream = await from.dialProtocol(
    to.map((address) => multiaddr(address)),
    HTTP1_PROTOCOL,
  )
  let answer = ''
  const read = (async () => {
    for await (const chunk of stream) answer += Buffer.from(chunk.subarray()).toString()
  })()
  stream.send(Buffer.from(text))
  await stream.close()
  await read
  return answer
}

const get = (path: string, host: string): string => `GET ${path} HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`

/** A server of ours over a bare node, with services that are a function. */
async function openServer(
  t: TestContext,
  node: Libp2p,
  { admit = async () => true, serve }: Partial<Pick<PeerServerDeps, 'admit' | 'serve'>>,
): Promise<void> {
  const view: OcfView = {
    self: idOf(node),
    isPublic: false,
    table: () => ({}),
    peers: () => [],
    peersStatus: () => [],
    bootstraps: () => ['/ip4/192.0.2.1/tcp/1'],
    knows: () => false,
  }
  const server = new PeerHttpServer({
    clock,
    ids: new SystemIds({ clock }),
    log: new RecordingLogger(),
    view,
    admit,
    serve: serve ?? (async () => ({ status: 204, headers: {}, body: bodyOf() })),
    version: '1.2.3',
  })
  const listening = await listenHttp1({ node }, (peer, socket) => server.accept(peer, socket))
  t.after(async () => {
    await listening[Symbol.asyncDispose]()
    server[Symbol.dispose]()
  })
}

describe('a peer that speaks only HTTP/1.1', () => {
  it('reaches services and reads the node table, each request on a stream of its own', async (t) => {
    const [peer, node] = await Promise.all([bareNode(t), bareNode(t)])
    const asked: { readonly from: NodeId; readonly request: MessageRequest }[] = []
    await openServer(t, node, {
      serve: async (from, request) => {
        asked.push({ from, request })
        return {
          status: 201,
          headers: { 'content-type': 'text/plain', 'set-cookie': 'a=b' },
          body: bodyOf(Buffer.from('made')),
        }
      },
    })
    const host = idOf(node)
    const health = await askByHand(peer, addressesOf(node), get('/v1/health', host))
    assert.match(health, /^HTTP\/1\.1 200 OK\r\n[\s\S]*ocf-version: 1\.2\.3\r\n[\s\S]*\{"status":"ok"\}$/)
    const bootstraps = await askByHand(peer, addressesOf(node), get('/v1/dnt/bootstraps?x', host))
    assert.match(bootstraps, /\{"bootstraps":\["\/ip4\/192\.0\.2\.1\/tcp\/1"\]\}$/)
    const made = await askByHand(
      peer,
      addressesOf(node),
      `POST /v1/_service/shop/a/b?c=d HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\nContent-Length: 4\r\n\r\nbody`,
    )
    assert.match(made, /^HTTP\/1\.1 201 Created\r\n/)
    assert.doesNotMatch(made, /set-cookie/i)
    assert.match(made, /made/)
    const [{ from, request } = assert.fail('nothing was asked')] = asked
    assert.equal(from, idOf(peer))
    assert.deepEqual([request.service, request.method, request.path], ['shop', 'POST', '/a/b?c=d'])
  })

  it('reaches nothing else', async (t) => {
    const [peer, node] = await Promise.all([bareNode(t), bareNode(t)])
    await openServer(t, node, { serve: async () => assert.fail('it was served') })
    const host = idOf(node)
    const targets = [
      '/v1/service/llm/v1/models',
      `/v1/p2p/${host}/v1/health`,
      `/v1/p2p-service/${host}/llm/x`,
      '/v1/dnt/_node',
      '/v1/models',
      '/api/v1/status',
      '/metrics',
      '/',
      '/v1/%5fservice/llm/x',
      '//v1/_service/llm/x',
      'http://127.0.0.1/v1/_service/llm/x',
    ]
    for (const target of targets) {
      assert.match(
        await askByHand(peer, addressesOf(node), get(target, host)),
        /^HTTP\/1\.1 404 [\s\S]*"code":"not_found"/,
        target,
      )
    }
    const posted = await askByHand(
      peer,
      addressesOf(node),
      `POST /v1/dnt/table HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`,
    )
    assert.match(posted, /^HTTP\/1\.1 405 /)
  })

  it('is refused where it is no member', async (t) => {
    const [peer, node] = await Promise.all([bareNode(t), bareNode(t)])
    const asked: NodeId[] = []
    await openServer(t, node, {
      admit: async (who) => {
        asked.push(who)
        return false
      },
      serve: async () => assert.fail('it was served'),
    })
    for (const path of ['/v1/_service/llm/x', '/v1/dnt/table', '/v1/health']) {
      assert.match(await askByHand(peer, addressesOf(node), get(path, idOf(node))), /^HTTP\/1\.1 403 /, path)
    }
    assert.deepEqual(
      asked,
      Array.from({ length: 3 }, () => idOf(peer)),
    )
  })

  it('is told when a service fails, before its head by a status and after it by a cut', async (t) => {
    const [peer, node] = await Promise.all([bareNode(t), bareNode(t)])
    async function* cut(): AsyncGenerator<Uint8Array> {
      yield Buffer.from('half')
      throw new Error('it broke')
    }
    await openServer(t, node, {
      serve: async (_from, { path }): Promise<MessageResponse> => {
        if (path === '/never') throw new Error('a bug with a secret')
        return { status: 200, headers: {}, body: cut() }
      },
    })
    const never = await askByHand(peer, addressesOf(node), get('/v1/_service/x/never', idOf(node)))
    assert.match(never, /^HTTP\/1\.1 500 [\s\S]*"code":"internal"/)
    assert.doesNotMatch(never, /secret/)
    const ask = { method: 'GET', path: '/v1/_service/x/half', headers: {}, body: undefined }
    const options = { addresses: addressesOf(node), signal: t.signal }
    const answer = await sendHttp1({ node: peer, clock }, idOf(node), ask, options)
    await assert.rejects(
      (async () => {
        for await (const _ of answer.body);
      })(),
      { code: 'upstream_interrupted' },
    )
  })

  it('stops the service when it leaves', async (t) => {
    const [peer, node] = await Promise.all([bareNode(t), bareNode(t)])
    const stopped = Promise.withResolvers<void>()
    const begun = Promise.withResolvers<void>()
    await openServer(t, node, {
      serve: (_from, _request, { signal }) => {
        signal.addEventListener('abort', () => stopped.resolve())
        begun.resolve()
        return new Promise(() => undefined)
      },
    })
    const caller = new AbortController()
    const ask = { method: 'GET', path: '/v1/_service/x/', headers: {}, body: undefined }
    const asking = sendHttp1({ node: peer, clock }, idOf(node), ask, {
      addresses: addressesOf(node),
      signal: caller.signal,
    })
    await begun.promise
    caller.abort(new Error('left'))
    await assert.rejects(asking, /left/)
    await stopped.promise
  })

  it('meets a running node, which turns strangers away', async (t) => {
    await using node = await startTestNode({
      HEDDLE_MODE: 'node',
      HEDDLE_MESH_LISTEN: '127.0.0.1:0',
      HEDDLE_MESH_LAN: 'false',
    })
    const { mesh } = (await (await node.get('/api/v1/status', node.adminKey)).json()) as Status
    const address = mesh.addresses.find((each) => /\/tcp\/\d+\/p2p\//.test(each)) ?? ''
    const stranger = await bareNode(t)
    const answer = await askByHand(stranger, [address], get('/v1/_service/llm/v1/models', 'whoever'))
    assert.match(answer, /^HTTP\/1\.1 403 [\s\S]*members of its network only/)
  })

  it('is asked as plain HTTP when the mesh cannot reach it', async (t) => {
    const [node, peer] = await Promise.all([bareNode(t), bareNode(t)])
    const seen: IncomingMessage[] = []
    const server = createServer((request, response) => {
      seen.push(request)
      response.end('from a worker')
    })
    await peer.handle(HTTP1_PROTOCOL, (stream, { remotePeer }) => {
      server.emit('connection', new Http1Duplex(stream, asNodeId(remotePeer.toString())))
    })
    await node.dial(peer.getMultiaddrs())
    const knows = () => speaksOnlyHttp1({ node, mesh: MESH_PROTOCOL }, idOf(peer))
    await waitUntil(knows, 'identify to tell what the peer speaks')
    const connector = new FallbackConnector({
      mesh: {
        kind: 'mesh',
        send: async (target, _request, { signal }) => {
          await node.dialProtocol(peer.peerId, MESH_PROTOCOL, { signal }).catch((cause: unknown) => {
            throw new HeddleError('peer_unreachable', `${target.node} speaks no mesh`, { cause })
          })
          return assert.fail('it speaks the mesh')
        },
      },
      plain: new Http1Connector({ node, clock, addressesOf: () => addressesOf(peer) }),
      speaksOnlyPlain: knows,
      observed: () => undefined,
      dispatched: () => () => undefined,
    })
    const answer = await connector.send(
      { node: idOf(peer), connector: 'mesh', runtime: asRuntimeId('vllm') },
      { id: asRequestId('req_1'), service: 'llm', method: 'POST', path: '/v1/x', headers: {}, body: Buffer.from('{}') },
      { signal: t.signal },
    )
    const chunks: Uint8Array[] = []
    for await (const chunk of answer.body) chunks.push(chunk)
    assert.equal(Buffer.concat(chunks).toString(), 'from a worker')
    assert.equal(seen[0]?.url, '/v1/_service/llm/v1/x')
    assert.equal(seen[0]?.headers.host, idOf(peer))
  })
})
