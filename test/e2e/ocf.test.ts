/** OCF's dialect on running nodes: its own example calls, who may ask, how failures are told, and what is reported. */
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { after, before, beforeEach, describe, it } from 'node:test'
import { promisify } from 'node:util'
import { OcfBootstraps, OcfHealth, OcfPeers, OcfPeersStatus, OcfStats, OcfTable } from '../../src/core/wire/ocf.ts'
import { MESH, type OcfPair, outcome, rawRequest, startOcfPair } from '../support/ocf-pair.ts'
import { listenOnLoopback } from '../support/runtime-server.ts'
import { startTestNode } from '../support/test-node.ts'
import { waitUntil } from '../support/wait-until.ts'

describe('the dialect of OCF', () => {
  let pair: OcfPair
  before(async () => {
    pair = await startOcfPair()
  })
  after(() => pair[Symbol.asyncDispose]())
  beforeEach(() => {
    pair.workshop.seen.length = 0
  })

  describe('its example calls', () => {
    /** As they stand in OCF's documentation, but for the address, the peer id and, where it is asked for, a key. */
    async function curl(script: string, key: string): Promise<string> {
      const command = script
        .replaceAll('http://localhost:8092', pair.head.url)
        .replaceAll('<PEER_ID>', pair.workerId)
        .replace('curl -sS', `curl -sS --fail-with-body -H 'Authorization: Bearer ${key}'`)
      return (await promisify(execFile)('bash', ['-c', command])).stdout
    }

    it('ask a peer for its health', async () => {
      const answer = await curl('curl -sS http://localhost:8092/v1/p2p/<PEER_ID>/v1/health', pair.head.key)
      assert.deepEqual(OcfHealth.parse(JSON.parse(answer)), { status: 'ok' })
    })

    it('ask this node for its models', async () => {
      const answer = await curl('curl -sS http://localhost:8092/v1/_service/llm/v1/models', pair.head.adminKey)
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
        pair.head.key,
      )
      const { object, model } = JSON.parse(answer) as { object: string; model: string }
      assert.deepEqual([object, model], ['chat.completion', 'gpt2'])
    })

    it('read the node table in its shapes', async () => {
      const read = async (path: string): Promise<unknown> => {
        const response = await pair.head.get(`/v1/dnt/${path}`)
        assert.equal(response.headers.get('ocf-version'), response.headers.get('x-heddle-version'))
        return await response.json()
      }
      const table = OcfTable.parse(await read('table'))
      assert.deepEqual(Object.keys(table).toSorted(), [`/${pair.headId}`, `/${pair.workerId}`].toSorted())
      const peer = table[`/${pair.workerId}`]
      assert.equal(peer?.id, pair.workerId)
      assert.deepEqual(peer?.role, ['worker', 'head'])
      assert.ok(Math.abs((peer?.last_seen ?? 0) - Date.now() / 1_000) < 60)
      const services = Object.fromEntries(
        (peer?.service ?? []).map(({ name, identity_group }) => [name, identity_group]),
      )
      assert.deepEqual(services, { llm: ['model=gpt2'], workshop: [], picky: ['shape=round'] })
      assert.doesNotMatch(
        JSON.stringify(table),
        new RegExp(`${pair.workshop.server.port}`),
        'where it listens is told to nobody',
      )

      const { peers } = OcfPeers.parse(await read('peers'))
      assert.deepEqual(
        peers.map(({ ID }) => ID),
        [pair.workerId],
      )
      assert.match(peers[0]?.Addrs[0] ?? '', /^\/ip4\/127\.0\.0\.1\//)
      assert.deepEqual(OcfPeersStatus.parse(await read('peers_status')).peers, [
        { id: pair.workerId, connectedness: 'Connected' },
      ])
      const stats = OcfStats.parse(await read('stats'))
      assert.deepEqual([stats.connected_peers, stats.total_peers_known], [1, 1])
      assert.deepEqual(OcfBootstraps.parse(await read('bootstraps')), { bootstraps: [] })
    })

    it('ask a peer for its node table, and this node for its own through its id', async () => {
      const table = OcfTable.parse(await (await pair.head.get(`/v1/p2p/${pair.workerId}/v1/dnt/table`)).json())
      assert.ok(table[`/${pair.headId}`] !== undefined)
      const own = OcfTable.parse(await (await pair.head.get(`/v1/p2p/${pair.headId}/v1/dnt/table`)).json())
      assert.ok(own[`/${pair.workerId}`] !== undefined)
    })
  })

  describe('failures', () => {
    it('are never a 200', async () => {
      assert.equal((await pair.head.get('/v1/service/workshop/reset')).status, 502)
      assert.deepEqual(await outcome(await pair.head.get('/v1/service/nobody/x')), [404, 'not_found'])
      assert.deepEqual(await outcome(await pair.head.get(`/v1/p2p-service/${pair.workerId}/nobody/x`)), [
        404,
        'not_found',
      ])
      assert.deepEqual(await outcome(await pair.head.get(`/v1/p2p-service/${pair.headId}/workshop/x`)), [
        404,
        'not_found',
      ])
      const stranger = '12D3KooWGzxzKZYveHXtpG6AsrUJBcWxHBFS2HsEoGTxrMLvKXtf'
      assert.deepEqual(await outcome(await pair.head.get(`/v1/p2p-service/${stranger}/workshop/x`)), [404, 'not_found'])
      assert.deepEqual(await outcome(await pair.head.get(`/v1/p2p/${stranger}/v1/health`)), [404, 'not_found'])
    })

    it('after the head cut the connection instead of ending the body', async () => {
      const response = await pair.head.get('/v1/service/workshop/broken')
      assert.equal(response.status, 200)
      await assert.rejects(response.text(), /terminated|aborted|closed/i)
    })

    it('of a service that went away are a 503', async () => {
      const gone = await listenOnLoopback((_request, response) => void response.end('here'))
      const body = JSON.stringify({ service: [{ name: 'gone', host: '127.0.0.1', port: gone.port }] })
      const headers = { authorization: `Bearer ${pair.head.adminKey}`, 'content-type': 'application/json' }
      assert.equal((await fetch(`${pair.head.url}/v1/dnt/_node`, { method: 'POST', headers, body })).status, 200)
      assert.equal(await (await pair.head.get('/v1/service/gone/')).text(), 'here')
      await gone[Symbol.asyncDispose]()
      assert.deepEqual(await outcome(await pair.head.get('/v1/service/gone/')), [503, 'no_capacity'])
      assert.equal((await fetch(`${pair.head.url}/v1/dnt/_node`, { method: 'DELETE', headers })).status, 200)
      assert.deepEqual(await outcome(await pair.head.get('/v1/service/gone/')), [404, 'not_found'])
    })
  })

  describe('access', () => {
    it('needs the scope of each route', async () => {
      const service = '/v1/service/workshop/'
      const local = '/v1/_service/llm/v1/models'
      const direct = `/v1/p2p-service/${pair.workerId}/workshop/`
      const table = '/v1/dnt/table'
      const { adminKey, key } = pair.head
      const expected = [
        ['/v1/health', 200, 200, 200],
        [table, 401, 200, 200],
        ['/v1/dnt/bootstraps', 401, 200, 200],
        [service, 401, 200, 200],
        [direct, 401, 200, 200],
        [`/v1/p2p/${pair.workerId}/v1/health`, 401, 200, 200],
        [local, 401, 403, 200],
      ] as const
      for (const [path, without, withKey, asAdmin] of expected) {
        assert.equal((await fetch(pair.head.url + path)).status, without, `${path} without a key`)
        assert.equal((await pair.head.get(path, key)).status, withKey, `${path} with a key for inference`)
        assert.equal((await pair.head.get(path, adminKey)).status, asAdmin, `${path} with a key for everything`)
      }
      for (const method of ['POST', 'DELETE']) {
        const headers = { authorization: `Bearer ${key}`, 'content-type': 'application/json' }
        const init = { method, headers, ...(method === 'POST' ? { body: '{"service":[]}' } : {}) }
        assert.equal((await fetch(`${pair.head.url}/v1/dnt/_node`, init)).status, 403, method)
      }
    })

    it('is refused to pages of other sites, whatever they send', async () => {
      for (const path of [
        '/v1/service/workshop/x',
        '/v1/_service/llm/v1/models',
        `/v1/p2p/${pair.workerId}/v1/_service/workshop/x`,
      ]) {
        for (const headers of [
          { origin: 'https://evil.test', 'content-type': 'text/plain' },
          { origin: 'null', 'content-type': 'application/x-www-form-urlencoded' },
          { 'sec-fetch-site': 'cross-site', 'content-type': 'text/plain' },
        ]) {
          const { status } = await rawRequest(pair.head, path, {
            method: 'POST',
            headers: { 'content-length': '0', ...headers },
          })
          assert.equal(status, 403, `${path} ${JSON.stringify(headers)}`)
        }
        assert.equal(
          (await rawRequest(pair.head, path, { headers: { 'sec-fetch-site': 'cross-site' } })).status,
          403,
          `${path} as an image`,
        )
      }
      assert.deepEqual(pair.workshop.seen, [])
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

  it('reports lookups and forwards, and never what was in them', async () => {
    pair.events.length = 0
    await pair.head.get('/v1/dnt/table')
    await pair.head.get('/v1/service/workshop/shelf?secret=1')
    await pair.head.get(`/v1/p2p-service/${pair.workerId}/workshop/shelf?secret=2`)
    await pair.head.get(`/v1/p2p/${pair.workerId}/v1/_service/workshop/shelf?secret=3`)
    await pair.head.get(`/v1/p2p/${pair.workerId}/v1/health`)
    const body = { model: 'gpt2', messages: [{ role: 'user', content: 'secret words' }] }
    await pair.head.post('/v1/service/llm/v1/chat/completions', body)
    await waitUntil(() => pair.events.some(({ path }) => path === '/v1/chat/completions'), 'the events')
    const common = { from: pair.headId, to: pair.workerId }
    for (const { _time } of pair.events) assert.match(_time ?? '', /^\d{4}-\d\d-\d\dT/)
    assert.deepEqual(
      pair.events.slice(-6).map(({ _time, ...event }) => event),
      [
        { event: 'DNT Lookup' },
        { event: 'Service Forward', ...common, path: '/shelf', service: 'workshop' },
        { event: 'P2P Service Forward', ...common, path: '/shelf', service: 'workshop' },
        { event: 'P2P Forward', ...common, path: '/v1/_service/workshop/shelf' },
        { event: 'P2P Forward', ...common, path: '/v1/health' },
        { event: 'Service Forward', ...common, path: '/v1/chat/completions', service: 'llm' },
      ],
    )
    assert.doesNotMatch(JSON.stringify(pair.events), /secret/)
  })
})
