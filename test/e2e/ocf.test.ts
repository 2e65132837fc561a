/** OCF's dialect on running nodes: its own example calls, services of another node, and everything that must not get through. */
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { request as httpRequest, type IncomingMessage, type OutgoingHttpHeaders, type ServerResponse } from 'node:http'
import { connect } from 'node:net'
import { after, before, beforeEach, describe, it } from 'node:test'
import { promisify } from 'node:util'
import type { Status } from '../../src/core/wire/admin.ts'
import { OcfBootstraps, OcfHealth, OcfPeers, OcfPeersStatus, OcfStats, OcfTable } from '../../src/core/wire/ocf.ts'
import { type LoopbackServer, listenOnLoopback, readBody, sendJson } from '../support/runtime-server.ts'
import { startTestNode, type TestNode } from '../support/test-node.ts'
import { waitUntil } from '../support/wait-until.ts'

const MIB = 1024 * 1024
const MESH = { HEDDLE_MODE: 'node', HEDDLE_MESH_LISTEN: '127.0.0.1:0', HEDDLE_MESH_LAN: 'false' }

interface Seen {
  readonly method: string
  readonly url: string
  readonly headers: IncomingMessage['headers']
}

/** A service that is no LLM: it echoes, breaks, answers nonsense or reads slowly, as its path says. */
class Workshop {
  readonly seen: Seen[] = []
  readonly server: LoopbackServer
  /** Lets `/stalled` read. */
  go = Promise.withResolvers<void>()

  private constructor(server: LoopbackServer) {
    this.server = server
  }

  static async start(): Promise<Workshop> {
    const late = Promise.withResolvers<Workshop>()
    const server = await listenOnLoopback((request, response) => {
      // Some clients leave in the middle.
      late.promise.then((workshop) => workshop.#answer(request, response)).catch(() => response.destroy())
    })
    const workshop = new Workshop(server)
    late.resolve(workshop)
    return workshop
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { method = '', url = '', headers } = request
    if (method === 'HEAD' && url === '/') return void response.end()
    this.seen.push({ method, url, headers })
    const path = url.split('?', 1)[0]
    if (path === '/echo') {
      response.writeHead(200, {
        'content-type': headers['content-type'] ?? 'application/octet-stream',
        'set-cookie': 'a=b',
      })
      response.flushHeaders()
      return void request.pipe(response)
    }
    if (path === '/stalled') {
      await this.go.promise
      return sendJson(response, 200, { bytes: (await readBody(request)).length })
    }
    if (path === '/broken') {
      response.writeHead(200, { 'content-type': 'text/plain' })
      response.write('the beginning')
      return void setTimeout(() => request.socket.resetAndDestroy(), 50)
    }
    if (path === '/reset') return void request.socket.resetAndDestroy()
    if (path === '/page')
      return void response.writeHead(200, { 'content-type': 'text/html' }).end('<script>alert(1)</script>')
    if (path === '/events') {
      response.writeHead(200, { 'content-type': 'text/event-stream' })
      return void response.end('data: one\n\n')
    }
    if (path === '/teapot') return sendJson(response, 418, { is: 'a teapot' })
    await readBody(request)
    sendJson(response, 200, { method, url })
  }
}

async function meshStatus(node: TestNode): Promise<Status> {
  return (await (await node.get('/api/v1/status', node.adminKey)).json()) as Status
}

/** Speaks HTTP by hand, so that nothing tidies the path up. */
async function rawRequest(
  node: TestNode,
  target: string,
  { method = 'GET', headers = {} }: { method?: string; headers?: Readonly<Record<string, string>> } = {},
): Promise<{ readonly status: number; readonly text: string }> {
  const { hostname, port, host } = new URL(node.url)
  const socket = connect(Number(port), hostname)
  const lines = [`${method} ${target} HTTP/1.1`, `host: ${host}`, 'connection: close']
  for (const [name, value] of Object.entries({ authorization: `Bearer ${node.key}`, ...headers }))
    lines.push(`${name}: ${value}`)
  socket.write(`${lines.join('\r\n')}\r\n\r\n`)
  let text = ''
  for await (const chunk of socket.setEncoding('utf8')) text += String(chunk)
  return { status: Number(/^HTTP\/1\.1 (\d{3})/.exec(text)?.[1] ?? 0), text }
}

interface Sent {
  readonly outgoing: ReturnType<typeof httpRequest>
  readonly answered: Promise<IncomingMessage>
}

function send(node: TestNode, method: string, path: string, headers: OutgoingHttpHeaders = {}, key = node.key): Sent {
  const outgoing = httpRequest(node.url + path, {
    method,
    headers: { authorization: `Bearer ${key}`, ...headers },
    agent: false,
  })
  const answered = once(outgoing, 'response').then(([response]) => response as IncomingMessage)
  answered.catch(() => undefined)
  outgoing.on('error', () => undefined)
  return { outgoing, answered }
}

/** How a call ended: its status and code, or that the connection was cut. */
async function outcome(response: Response): Promise<readonly [number, string]> {
  const body = (await response.json()) as { error?: { code?: string } }
  return [response.status, body.error?.code ?? '']
}

describe('the dialect of OCF', () => {
  let head: TestNode
  let worker: TestNode
  let workerId: string
  let headId: string
  let workshop: Workshop
  let axiom: LoopbackServer
  const events: Record<string, string>[] = []

  before(async () => {
    workshop = await Workshop.start()
    axiom = await listenOnLoopback((request, response) => {
      void readBody(request).then((body) => {
        events.push(...(JSON.parse(body.toString()) as Record<string, string>[]))
        sendJson(response, 200, {})
      })
    })
    worker = await startTestNode({ ...MESH, HEDDLE_NAME: 'worker', HEDDLE_RUNTIMES: 'script:gpt2?tokens=8' })
    const status = await meshStatus(worker)
    workerId = status.node.id
    head = await startTestNode({
      ...MESH,
      HEDDLE_NAME: 'head',
      HEDDLE_RUNTIMES: 'script:own?tokens=8',
      HEDDLE_BOOTSTRAP: status.mesh.addresses.find((address) => address.includes('/tcp/')) ?? '',
      AXIOM_TOKEN: 'xaat-1',
      AXIOM_DATASET: 'ocf',
      AXIOM_URL: axiom.url,
    })
    headId = (await meshStatus(head)).node.id
    const registered = await fetch(`${worker.url}/v1/dnt/_node`, {
      method: 'POST',
      headers: { authorization: `Bearer ${worker.adminKey}`, 'content-type': 'application/json' },
      body: JSON.stringify({
        id: 'whoever',
        service: [
          { name: 'workshop', host: '127.0.0.1', port: String(workshop.server.port), identity_group: [] },
          { name: 'picky', host: '127.0.0.1', port: String(workshop.server.port), identity_group: ['shape=round'] },
        ],
      }),
    })
    assert.equal(registered.status, 200)
    assert.equal(await registered.text(), '')
    await waitUntil(
      async () => {
        const table = OcfTable.parse(await (await head.get('/v1/dnt/table')).json())
        return table[`/${workerId}`]?.service.filter(({ status: state }) => state === 'connected').length === 3
      },
      'the head to list the services of the worker',
      20_000,
    )
  })
  after(async () => {
    await head[Symbol.asyncDispose]()
    await worker[Symbol.asyncDispose]()
    await workshop.server[Symbol.asyncDispose]()
    await axiom[Symbol.asyncDispose]()
  })
  beforeEach(() => {
    workshop.seen.length = 0
  })

  describe('its example calls', () => {
    /** As they stand in OCF's documentation, but for the address, the peer id and, where it is asked for, a key. */
    async function curl(script: string, key: string): Promise<string> {
      const command = script
        .replaceAll('http://localhost:8092', head.url)
        .replaceAll('<PEER_ID>', workerId)
        .replace('curl -sS', `curl -sS --fail-with-body -H 'Authorization: Bearer ${key}'`)
      return (await promisify(execFile)('bash', ['-c', command])).stdout
    }

    it('ask a peer for its health', async () => {
      const answer = await curl('curl -sS http://localhost:8092/v1/p2p/<PEER_ID>/v1/health', head.key)
      assert.deepEqual(OcfHealth.parse(JSON.parse(answer)), { status: 'ok' })
    })

    it('ask this node for its models', async () => {
      const answer = await curl('curl -sS http://localhost:8092/v1/_service/llm/v1/models', head.adminKey)
      const { data } = JSON.parse(answer) as { data: { id: string }[] }
      assert.deepEqual(
        data.map(({ id }) => id),
        ['own'],
      )
    })

    it('chat with a model that another node has', async () => {
      const answer = await curl(
        `curl -sS -X POST \\
  http://localhost:8092/v1/service/llm/v1/chat/completions \\
  -H 'Content-Type: application/json' \\
  -d '{
    "model": "gpt2",
    "messages": [{"role": "user", "content": "Hello"}]
  }'`,
        head.key,
      )
      const { object, model } = JSON.parse(answer) as { object: string; model: string }
      assert.deepEqual([object, model], ['chat.completion', 'gpt2'])
    })

    it('read the node table in its shapes', async () => {
      const read = async (path: string): Promise<unknown> => {
        const response = await head.get(`/v1/dnt/${path}`)
        assert.equal(response.headers.get('ocf-version'), response.headers.get('x-heddle-version'))
        return await response.json()
      }
      const table = OcfTable.parse(await read('table'))
      assert.deepEqual(Object.keys(table).toSorted(), [`/${headId}`, `/${workerId}`].toSorted())
      const peer = table[`/${workerId}`]
      assert.equal(peer?.id, workerId)
      assert.deepEqual(peer?.role, ['worker', 'head'])
      assert.ok(Math.abs((peer?.last_seen ?? 0) - Date.now() / 1_000) < 60)
      const services = Object.fromEntries(
        (peer?.service ?? []).map(({ name, identity_group }) => [name, identity_group]),
      )
      assert.deepEqual(services, { llm: ['model=gpt2'], workshop: [], picky: ['shape=round'] })
      assert.doesNotMatch(
        JSON.stringify(table),
        new RegExp(`${workshop.server.port}`),
        'where it listens is told to nobody',
      )

      const { peers } = OcfPeers.parse(await read('peers'))
      assert.deepEqual(
        peers.map(({ ID }) => ID),
        [workerId],
      )
      assert.match(peers[0]?.Addrs[0] ?? '', /^\/ip4\/127\.0\.0\.1\//)
      assert.deepEqual(OcfPeersStatus.parse(await read('peers_status')).peers, [
        { id: workerId, connectedness: 'Connected' },
      ])
      const stats = OcfStats.parse(await read('stats'))
      assert.deepEqual([stats.connected_peers, stats.total_peers_known], [1, 1])
      assert.deepEqual(OcfBootstraps.parse(await read('bootstraps')), { bootstraps: [] })
    })

    it('ask a peer for its node table, and this node for its own through its id', async () => {
      const table = OcfTable.parse(await (await head.get(`/v1/p2p/${workerId}/v1/dnt/table`)).json())
      assert.ok(table[`/${headId}`] !== undefined)
      const own = OcfTable.parse(await (await head.get(`/v1/p2p/${headId}/v1/dnt/table`)).json())
      assert.ok(own[`/${workerId}`] !== undefined)
    })
  })

  describe('forwarding', () => {
    const routes = (): Readonly<Record<string, string>> => ({
      service: '/v1/service/workshop',
      'p2p-service': `/v1/p2p-service/${workerId}/workshop`,
      p2p: `/v1/p2p/${workerId}/v1/_service/workshop`,
    })

    it('reaches a service of another node by every route and with every method, and says which node it was', async () => {
      for (const [route, prefix] of Object.entries(routes())) {
        for (const method of ['GET', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS']) {
          const response = await fetch(`${head.url}${prefix}/shelf/a%20b?x=1&y=%2F`, {
            method,
            headers: { authorization: `Bearer ${head.key}` },
            ...(method === 'GET' || method === 'OPTIONS' ? {} : { body: 'anything', duplex: 'half' }),
          })
          assert.equal(response.status, 200, `${route} ${method}`)
          assert.deepEqual(await response.json(), { method, url: '/shelf/a%20b?x=1&y=%2F' })
          assert.equal(response.headers.get('x-computing-node'), workerId)
        }
      }
    })

    it('passes the statuses of a service on as they are', async () => {
      const response = await head.get('/v1/service/workshop/teapot')
      assert.equal(response.status, 418)
      assert.deepEqual(await response.json(), { is: 'a teapot' })
    })

    it('matches identity groups by the body, or by a header', async () => {
      const ask = (body: string, headers: Record<string, string> = {}) =>
        head.post('/v1/service/picky/', body, { headers })
      assert.equal((await ask('{"shape":"round"}')).status, 200)
      assert.deepEqual(await outcome(await ask('{"shape":"square"}')), [503, 'no_route'])
      assert.equal((await ask('{}', { 'x-otela-identity-group': 'shape=round' })).status, 200)
      assert.equal((await ask('{}', { 'x-heddle-group-shape': 'round' })).status, 200)
      assert.deepEqual(await outcome(await ask('{}', { 'x-otela-identity-group': 'round' })), [400, 'invalid_request'])
      assert.equal((await head.post(`/v1/p2p-service/${workerId}/picky/`, '{}')).status, 200)
    })

    it('obeys the trust that a request asks for', async () => {
      const ask = async (path: string, level: string) =>
        (
          await head.post(
            path,
            { model: 'gpt2', messages: [{ role: 'user', content: 'Hi' }] },
            { headers: { 'x-otela-trust': level } },
          )
        ).status
      for (const path of ['/v1/service/workshop/', '/v1/service/llm/v1/chat/completions']) {
        assert.equal(await ask(path, '0'), 200, path)
        assert.equal(await ask(path, '1'), 200, path)
        assert.notEqual(await ask(path, '2'), 200, `${path}: another account's machine`)
        assert.equal(await ask(path, '3'), 503, path)
      }
    })

    it('streams inference of a chosen node, and knows when that node has no such model', async () => {
      const body = { model: 'gpt2', messages: [{ role: 'user', content: 'Hi' }], stream: true }
      const response = await head.post(`/v1/p2p-service/${workerId}/llm/v1/chat/completions`, body)
      assert.equal(response.status, 200)
      assert.equal(response.headers.get('x-computing-node'), workerId)
      assert.match(await response.text(), /data: \[DONE\]\n\n$/)
      const wrong = await head.post(`/v1/p2p-service/${headId}/llm/v1/chat/completions`, body)
      assert.deepEqual(await outcome(wrong), [404, 'model_not_found'])
    })

    it('lists the models of the network for llm, and those of one node for that node', async () => {
      const ids = async (path: string): Promise<string[]> => {
        const { data } = (await (await head.get(path)).json()) as { data: { id: string }[] }
        return data.map(({ id }) => id).toSorted()
      }
      assert.deepEqual(await ids('/v1/service/llm/v1/models'), ['gpt2', 'own'])
      assert.deepEqual(await ids(`/v1/p2p-service/${workerId}/llm/v1/models`), ['gpt2'])
    })

    it('carries each chunk as it comes, in both directions at once', async () => {
      for (const [route, prefix] of Object.entries(routes())) {
        const { outgoing, answered } = send(head, 'POST', `${prefix}/echo`, {
          'content-type': 'application/octet-stream',
        })
        outgoing.write('first')
        const response = await answered
        assert.equal(response.statusCode, 200, route)
        const chunks = response[Symbol.asyncIterator]()
        assert.equal(String((await chunks.next()).value), 'first', `${route}: echoed before more was sent`)
        outgoing.end('second')
        assert.equal(String((await chunks.next()).value), 'second')
        assert.equal((await chunks.next()).done, true)
        assert.equal(response.headers['set-cookie'], undefined)
      }
    })

    it('carries 10 MiB there and back unchanged', async () => {
      const { outgoing, answered } = send(head, 'PUT', '/v1/service/workshop/echo', { 'content-type': 'video/mp4' })
      const block = Buffer.from(Array.from({ length: 64 * 1024 }, (_, index) => index % 251))
      const sending = (async () => {
        for (let sent = 0; sent < 10 * MIB; sent += block.length)
          if (!outgoing.write(block)) await once(outgoing, 'drain')
        outgoing.end()
      })()
      const response = await answered
      let bytes = 0
      for await (const chunk of response) {
        for (const byte of chunk as Buffer) {
          if (byte !== (bytes % block.length) % 251) assert.fail(`byte ${bytes} is another`)
          bytes += 1
        }
      }
      await sending
      assert.equal(bytes, 10 * MIB)
      assert.equal(response.headers['content-type'], 'video/mp4')
    })

    it('lets a service that does not read hold its client back', async () => {
      workshop.go = Promise.withResolvers<void>()
      const { outgoing, answered } = send(head, 'POST', '/v1/service/workshop/stalled', { 'content-type': 'video/mp4' })
      const [block, total] = [Buffer.alloc(64 * 1024, 'x'), 64 * MIB]
      const rss = process.memoryUsage.rss()
      let sent = 0
      const sending = (async () => {
        for (; sent < total; sent += block.length) if (!outgoing.write(block)) await once(outgoing, 'drain')
        outgoing.end()
      })()
      for (let last = -1; last !== sent; ) {
        last = sent
        await new Promise((resolve) => setTimeout(resolve, 500))
      }
      // Sockets of the system hold some MiB; what matters is that nobody takes in the whole body.
      assert.ok(sent < 24 * MIB, `${sent} bytes were taken`)
      assert.ok(process.memoryUsage.rss() - rss < 64 * MIB)
      workshop.go.resolve()
      await sending
      let text = ''
      for await (const chunk of (await answered).setEncoding('utf8')) text += String(chunk)
      assert.deepEqual(JSON.parse(text), { bytes: total })
    })

    it('is told when a client leaves', async () => {
      workshop.go = Promise.withResolvers<void>()
      const { outgoing } = send(head, 'POST', '/v1/service/workshop/stalled', { 'content-length': '1000000' })
      outgoing.write('x')
      await waitUntil(() => workshop.seen.length === 1, 'the request to arrive')
      outgoing.destroy()
      const inFlight = async (): Promise<number> => {
        const { services } = (await (await worker.get('/api/v1/services', worker.adminKey)).json()) as {
          services: { name: string; inFlight: number }[]
        }
        return services.reduce((sum, service) => sum + service.inFlight, 0)
      }
      await waitUntil(async () => (await inFlight()) === 0, 'the service to be free again')
      workshop.go.resolve()
    })

    it('keeps credentials, proxies’ claims and our own headers from the service, and sandboxes its pages', async () => {
      const response = await fetch(`${head.url}/v1/service/workshop/page`, {
        headers: {
          authorization: `Bearer ${head.key}`,
          'x-api-key': 'secret',
          cookie: 'session=1',
          'x-forwarded-host': 'evil.test',
          'x-forwarded-for': '10.0.0.1',
          'heddle-runtime': 'other',
          'heddle-hops': '0',
          'x-heddle-strictness': 'exact',
          'x-otela-fallback': '2',
          'x-own': 'kept',
        },
      })
      assert.equal(response.headers.get('content-security-policy'), 'sandbox')
      assert.equal(response.headers.get('x-content-type-options'), 'nosniff')
      const headers = workshop.seen[0]?.headers ?? {}
      assert.equal(headers['x-own'], 'kept')
      const told = Object.keys(headers).filter((name) =>
        /authorization|api-key|cookie|forwarded|heddle|otela/.test(name),
      )
      assert.deepEqual(told, [])
      assert.equal(headers.host, `127.0.0.1:${workshop.server.port}`)
    })

    it('tells proxies to let events through', async () => {
      const response = await head.get('/v1/service/workshop/events')
      assert.equal(response.headers.get('cache-control'), 'no-cache')
      assert.equal(response.headers.get('x-accel-buffering'), 'no')
      assert.equal(await response.text(), 'data: one\n\n')
    })
  })

  describe('failures', () => {
    it('are never a 200', async () => {
      assert.equal((await head.get('/v1/service/workshop/reset')).status, 502)
      assert.deepEqual(await outcome(await head.get('/v1/service/nobody/x')), [404, 'not_found'])
      assert.deepEqual(await outcome(await head.get(`/v1/p2p-service/${workerId}/nobody/x`)), [404, 'not_found'])
      assert.deepEqual(await outcome(await head.get(`/v1/p2p-service/${headId}/workshop/x`)), [404, 'not_found'])
      const stranger = '12D3KooWGzxzKZYveHXtpG6AsrUJBcWxHBFS2HsEoGTxrMLvKXtf'
      assert.deepEqual(await outcome(await head.get(`/v1/p2p-service/${stranger}/workshop/x`)), [404, 'not_found'])
      assert.deepEqual(await outcome(await head.get(`/v1/p2p/${stranger}/v1/health`)), [404, 'not_found'])
    })

    it('after the head cut the connection instead of ending the body', async () => {
      const response = await head.get('/v1/service/workshop/broken')
      assert.equal(response.status, 200)
      await assert.rejects(response.text(), /terminated|aborted|closed/i)
    })

    it('of a service that went away are a 503', async () => {
      const gone = await listenOnLoopback((_request, response) => void response.end('here'))
      const body = JSON.stringify({ service: [{ name: 'gone', host: '127.0.0.1', port: gone.port }] })
      const headers = { authorization: `Bearer ${head.adminKey}`, 'content-type': 'application/json' }
      assert.equal((await fetch(`${head.url}/v1/dnt/_node`, { method: 'POST', headers, body })).status, 200)
      assert.equal(await (await head.get('/v1/service/gone/')).text(), 'here')
      await gone[Symbol.asyncDispose]()
      assert.deepEqual(await outcome(await head.get('/v1/service/gone/')), [503, 'no_capacity'])
      assert.equal((await fetch(`${head.url}/v1/dnt/_node`, { method: 'DELETE', headers })).status, 200)
      assert.deepEqual(await outcome(await head.get('/v1/service/gone/')), [404, 'not_found'])
    })
  })

  describe('access', () => {
    it('needs the scope of each route', async () => {
      const service = '/v1/service/workshop/'
      const local = '/v1/_service/llm/v1/models'
      const direct = `/v1/p2p-service/${workerId}/workshop/`
      const table = '/v1/dnt/table'
      const { adminKey, key } = head
      const expected = [
        ['/v1/health', 200, 200, 200],
        [table, 401, 200, 200],
        ['/v1/dnt/bootstraps', 401, 200, 200],
        [service, 401, 200, 403],
        [direct, 401, 200, 403],
        [`/v1/p2p/${workerId}/v1/health`, 401, 200, 200],
        [local, 401, 403, 200],
      ] as const
      for (const [path, without, withKey, asAdmin] of expected) {
        assert.equal((await fetch(head.url + path)).status, without, `${path} without a key`)
        assert.equal((await head.get(path, key)).status, withKey, `${path} with a key for inference`)
        const admin = (await head.get(path, adminKey)).status
        assert.ok(admin === asAdmin || (asAdmin === 403 && admin === 200), `${path} with the admin's key: ${admin}`)
      }
      for (const method of ['POST', 'DELETE']) {
        const headers = { authorization: `Bearer ${key}`, 'content-type': 'application/json' }
        const init = { method, headers, ...(method === 'POST' ? { body: '{"service":[]}' } : {}) }
        assert.equal((await fetch(`${head.url}/v1/dnt/_node`, init)).status, 403, method)
      }
    })

    it('is refused to pages of other sites, whatever they send', async () => {
      for (const path of [
        '/v1/service/workshop/x',
        '/v1/_service/llm/v1/models',
        `/v1/p2p/${workerId}/v1/_service/workshop/x`,
      ]) {
        for (const headers of [
          { origin: 'https://evil.test', 'content-type': 'text/plain' },
          { origin: 'null', 'content-type': 'application/x-www-form-urlencoded' },
          { 'sec-fetch-site': 'cross-site', 'content-type': 'text/plain' },
        ]) {
          const { status } = await rawRequest(head, path, {
            method: 'POST',
            headers: { 'content-length': '0', ...headers },
          })
          assert.equal(status, 403, `${path} ${JSON.stringify(headers)}`)
        }
        assert.equal(
          (await rawRequest(head, path, { headers: { 'sec-fetch-site': 'cross-site' } })).status,
          403,
          `${path} as an image`,
        )
      }
      assert.deepEqual(workshop.seen, [])
    })

    it('is free where keys are not required, but for administration', async () => {
      await using open = await startTestNode({ HEDDLE_AUTH_REQUIRED: 'false' })
      assert.equal((await fetch(`${open.url}/v1/dnt/table`)).status, 200)
      const chat = { model: 'demo', messages: [{ role: 'user', content: 'Hello' }] }
      const response = await fetch(`${open.url}/v1/service/llm/v1/chat/completions`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify(chat),
      })
      assert.equal(response.status, 200)
      assert.equal((await fetch(`${open.url}/v1/_service/llm/v1/models`)).status, 401)
      assert.equal((await fetch(`${open.url}/v1/dnt/_node`, { method: 'DELETE' })).status, 401)
    })

    it('lets newcomers read the bootstraps of a public node', async () => {
      await using open = await startTestNode({ ...MESH, HEDDLE_MESH_PUBLIC_ADDR: '/ip4/203.0.113.7/tcp/11441' })
      const response = await fetch(`${open.url}/v1/dnt/bootstraps`)
      assert.equal(response.status, 200)
      const { bootstraps } = OcfBootstraps.parse(await response.json())
      assert.match(bootstraps.join(), /^\/ip4\/203\.0\.113\.7\/tcp\/11441\/p2p\/12D3KooW\w+$/)
      const table = OcfTable.parse(await (await open.get('/v1/dnt/table')).json())
      assert.deepEqual(
        Object.values(table).map(({ public_address }) => public_address),
        ['203.0.113.7'],
      )
    })
  })

  /** T21: none of these may reach a service, or any other address. */
  describe('hostile targets', () => {
    const below = [
      '/../admin',
      '/./x',
      '/a/../../admin',
      '/%2e%2e/admin',
      '/%2E%2E%2Fadmin',
      '/%252e%252e/admin',
      '/%25252e%25252e/admin',
      '/..;/admin',
      '/..;a=b/admin',
      '/x/..%2f..%2fadmin',
      '/..%5cadmin',
      '/x\\..\\admin',
      '//evil.test/x',
      '/%2f%2fevil.test/x',
      '/%2f/x',
      '/x%0d%0aHost:%20evil.test',
      '/x%0aSet-Cookie:%20a=b',
      '/x%00.txt',
      '/x%c0%ae%c0%ae/admin',
      '/x%zz',
      '/x%',
    ]
    for (const path of below) {
      it(`are refused below a service: ${path}`, async () => {
        for (const prefix of [
          '/v1/service/workshop',
          `/v1/p2p-service/${workerId}/workshop`,
          `/v1/p2p/${workerId}/v1/_service/workshop`,
        ]) {
          const { status, text } = await rawRequest(head, prefix + path)
          assert.ok(status === 400 || status === 404, `${prefix}${path}: ${status}`)
          assert.match(text, /"error":\{"message":/, 'in the shape of OpenAI')
        }
        const local = await rawRequest(worker, `/v1/_service/workshop${path}`, {
          headers: { authorization: `Bearer ${worker.adminKey}` },
        })
        assert.ok(local.status === 400 || local.status === 404, `_service${path}: ${local.status}`)
        assert.deepEqual(workshop.seen, [])
      })
    }

    it('do not travel further than one node', async () => {
      const targets = [
        `/v1/p2p/${workerId}/v1/p2p/${headId}/v1/_service/llm/v1/models`,
        `/v1/p2p/${workerId}/v1/p2p-service/${headId}/llm/v1/models`,
        `/v1/p2p/${workerId}/v1/service/workshop/x`,
        `/v1/p2p/${workerId}/v1/%5fservice/workshop/x`,
        `/v1/p2p/${workerId}/v1/dnt/_node`,
        `/v1/p2p/${workerId}/api/v1/status`,
        `/v1/p2p/${workerId}/metrics`,
        `/v1/p2p/${workerId}//v1/_service/workshop/x`,
        `/v1/p2p/${workerId}/v1/_service/../../api/v1/status`,
        `/v1/p2p/..%2f${workerId}/v1/health`,
        '/v1/p2p/127.0.0.1:80/v1/health',
        '/v1/p2p/localhost/v1/health',
        '/v1/p2p-service/localhost/workshop/x',
        '/v1/service/http:%2f%2fevil.test/x',
        '/v1/service/..%2f..%2fapi/v1/status',
        '/v1/service/../../api/v1/status',
        '/v1/_service/127.0.0.1:22/x',
      ]
      for (const target of targets) {
        const { status, text } = await rawRequest(head, target, { headers: { authorization: `Bearer ${head.key}` } })
        assert.ok(status === 400 || status === 404, `${target}: ${status} ${text}`)
      }
      assert.deepEqual(workshop.seen, [])
    })

    it('that name a host are judged by it, and go nowhere else', async () => {
      const foreign = await rawRequest(head, 'http://evil.test/v1/service/workshop/x')
      assert.equal(foreign.status, 421)
      assert.deepEqual(workshop.seen, [])
      const own = await rawRequest(head, `${head.url}/v1/service/workshop/x`)
      assert.equal(own.status, 200)
      assert.deepEqual(
        workshop.seen.map(({ url }) => url),
        ['/x'],
      )
    })

    it('take no method that speaks of the way', async () => {
      const response = await rawRequest(head, '/v1/service/workshop/x', { method: 'TRACE' })
      assert.equal(response.status, 405)
      assert.match(response.text, /\nallow: GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS/)
      assert.deepEqual(workshop.seen, [])
    })
  })

  it('reports lookups and forwards, and never what was in them', async () => {
    events.length = 0
    await head.get('/v1/dnt/table')
    await head.get('/v1/service/workshop/shelf?secret=1')
    await head.get(`/v1/p2p-service/${workerId}/workshop/shelf?secret=2`)
    await head.get(`/v1/p2p/${workerId}/v1/_service/workshop/shelf?secret=3`)
    await head.get(`/v1/p2p/${workerId}/v1/health`)
    const body = { model: 'gpt2', messages: [{ role: 'user', content: 'secret words' }] }
    await head.post('/v1/service/llm/v1/chat/completions', body)
    await waitUntil(() => events.some(({ path }) => path === '/v1/chat/completions'), 'the events')
    const common = { from: headId, to: workerId }
    for (const { _time } of events) assert.match(_time ?? '', /^\d{4}-\d\d-\d\dT/)
    assert.deepEqual(
      events.slice(-6).map(({ _time, ...event }) => event),
      [
        { event: 'DNT Lookup' },
        { event: 'Service Forward', ...common, path: '/shelf', service: 'workshop' },
        { event: 'P2P Service Forward', ...common, path: '/shelf', service: 'workshop' },
        { event: 'P2P Forward', ...common, path: '/v1/_service/workshop/shelf' },
        { event: 'P2P Forward', ...common, path: '/v1/health' },
        { event: 'Service Forward', ...common, path: '/v1/chat/completions', service: 'llm' },
      ],
    )
    assert.doesNotMatch(JSON.stringify(events), /secret/)
  })
})
