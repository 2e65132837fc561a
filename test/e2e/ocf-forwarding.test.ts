/** Requests to a service of another node by OCF's routes: what travels, and that it does so as it comes. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { after, before, beforeEach, describe, it } from 'node:test'
import { type OcfPair, outcome, send, startOcfPair } from '../support/ocf-pair.ts'
import { waitUntil } from '../support/wait-until.ts'

const MIB = 1024 * 1024

describe('forwarding by the routes of OCF', () => {
  let pair: OcfPair
  before(async () => {
    pair = await startOcfPair()
  })
  after(() => pair[Symbol.asyncDispose]())
  beforeEach(() => {
    pair.workshop.seen.length = 0
  })

  const routes = (): Readonly<Record<string, string>> => ({
    service: '/v1/service/workshop',
    'p2p-service': `/v1/p2p-service/${pair.workerId}/workshop`,
    p2p: `/v1/p2p/${pair.workerId}/v1/_service/workshop`,
  })

  it('reaches a service of another node by every route and with every method, and says which node it was', async () => {
    for (const [route, prefix] of Object.entries(routes())) {
      for (const method of ['GET', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS']) {
        const response = await fetch(`${pair.head.url}${prefix}/shelf/a%20b?x=1&y=%2F`, {
          method,
          headers: { authorization: `Bearer ${pair.head.key}` },
          ...(method === 'GET' || method === 'OPTIONS' ? {} : { body: 'anything', duplex: 'half' }),
        })
        assert.equal(response.status, 200, `${route} ${method}`)
        assert.deepEqual(await response.json(), { method, url: '/shelf/a%20b?x=1&y=%2F' })
        assert.equal(response.headers.get('x-computing-node'), pair.workerId)
      }
    }
  })

  it('passes the statuses of a service on as they are', async () => {
    const response = await pair.head.get('/v1/service/workshop/teapot')
    assert.equal(response.status, 418)
    assert.deepEqual(await response.json(), { is: 'a teapot' })
  })

  it('matches identity groups by the body, or by a header', async () => {
    const ask = (body: string, headers: Record<string, string> = {}) =>
      pair.head.post('/v1/service/picky/', body, { headers })
    assert.equal((await ask('{"shape":"round"}')).status, 200)
    assert.deepEqual(await outcome(await ask('{"shape":"square"}')), [503, 'no_route'])
    assert.equal((await ask('{}', { 'x-otela-identity-group': 'shape=round' })).status, 200)
    assert.equal((await ask('{}', { 'x-heddle-group-shape': 'round' })).status, 200)
    assert.deepEqual(await outcome(await ask('{}', { 'x-otela-identity-group': 'round' })), [400, 'invalid_request'])
    assert.equal((await pair.head.post(`/v1/p2p-service/${pair.workerId}/picky/`, '{}')).status, 200)
  })

  it('obeys the trust that a request asks for', async () => {
    const ask = async (path: string, level: string) =>
      (
        await pair.head.post(
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
    const response = await pair.head.post(`/v1/p2p-service/${pair.workerId}/llm/v1/chat/completions`, body)
    assert.equal(response.status, 200)
    assert.equal(response.headers.get('x-computing-node'), pair.workerId)
    assert.match(await response.text(), /data: \[DONE\]\n\n$/)
    const wrong = await pair.head.post(`/v1/p2p-service/${pair.headId}/llm/v1/chat/completions`, body)
    assert.deepEqual(await outcome(wrong), [404, 'model_not_found'])
  })

  it('lists the models of the network for llm, and those of one node for that node', async () => {
    const ids = async (path: string): Promise<string[]> => {
      const { data } = (await (await pair.head.get(path)).json()) as { data: { id: string }[] }
      return data.map(({ id }) => id).toSorted()
    }
    assert.deepEqual(await ids('/v1/service/llm/v1/models'), ['gpt2', 'own'])
    assert.deepEqual(await ids(`/v1/p2p-service/${pair.workerId}/llm/v1/models`), ['gpt2'])
  })

  it('carries each chunk as it comes, in both directions at once', async () => {
    for (const [route, prefix] of Object.entries(routes())) {
      const { outgoing, answered } = send(pair.head, 'POST', `${prefix}/echo`, {
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
    const { outgoing, answered } = send(pair.head, 'PUT', '/v1/service/workshop/echo', { 'content-type': 'video/mp4' })
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
    pair.workshop.go = Promise.withResolvers<void>()
    const { outgoing, answered } = send(pair.head, 'POST', '/v1/service/workshop/stalled', {
      'content-type': 'video/mp4',
    })
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
    pair.workshop.go.resolve()
    await sending
    let text = ''
    for await (const chunk of (await answered).setEncoding('utf8')) text += String(chunk)
    assert.deepEqual(JSON.parse(text), { bytes: total })
  })

  it('is told when a client leaves', async () => {
    pair.workshop.go = Promise.withResolvers<void>()
    const { outgoing } = send(pair.head, 'POST', '/v1/service/workshop/stalled', { 'content-length': '1000000' })
    outgoing.write('x')
    await waitUntil(() => pair.workshop.seen.length === 1, 'the request to arrive')
    outgoing.destroy()
    const inFlight = async (): Promise<number> => {
      const { services } = (await (await pair.worker.get('/api/v1/services', pair.worker.adminKey)).json()) as {
        services: { name: string; inFlight: number }[]
      }
      return services.reduce((sum, service) => sum + service.inFlight, 0)
    }
    await waitUntil(async () => (await inFlight()) === 0, 'the service to be free again')
    pair.workshop.go.resolve()
  })

  it('keeps credentials, proxies’ claims and our own headers from the service, and sandboxes its pages', async () => {
    const response = await fetch(`${pair.head.url}/v1/service/workshop/page`, {
      headers: {
        authorization: `Bearer ${pair.head.key}`,
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
    const headers = pair.workshop.seen[0]?.headers ?? {}
    assert.equal(headers['x-own'], 'kept')
    const told = Object.keys(headers).filter((name) => /authorization|api-key|cookie|forwarded|heddle|otela/.test(name))
    assert.deepEqual(told, [])
    assert.equal(headers.host, `127.0.0.1:${pair.workshop.server.port}`)
  })

  it('tells proxies to let pair.events through', async () => {
    const response = await pair.head.get('/v1/service/workshop/events')
    assert.equal(response.headers.get('cache-control'), 'no-cache')
    assert.equal(response.headers.get('x-accel-buffering'), 'no')
    assert.equal(await response.text(), 'data: one\n\n')
  })
})
