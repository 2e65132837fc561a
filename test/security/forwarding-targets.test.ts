/** T21: targets that try to lead a node's forwarding somewhere else reach no service, and no other address. */
import assert from 'node:assert/strict'
import { after, before, beforeEach, describe, it } from 'node:test'
import { type OcfPair, rawRequest, startOcfPair } from '../support/ocf-pair.ts'

describe('hostile targets', () => {
  let pair: OcfPair
  before(async () => {
    pair = await startOcfPair()
  })
  after(() => pair[Symbol.asyncDispose]())
  beforeEach(() => {
    pair.workshop.seen.length = 0
  })

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
        `/v1/p2p-service/${pair.workerId}/workshop`,
        `/v1/p2p/${pair.workerId}/v1/_service/workshop`,
      ]) {
        const { status, text } = await rawRequest(pair.head, prefix + path)
        assert.ok(status === 400 || status === 404, `${prefix}${path}: ${status}`)
        assert.match(text, /"error":\{"message":/, 'in the shape of OpenAI')
      }
      const local = await rawRequest(pair.worker, `/v1/_service/workshop${path}`, {
        headers: { authorization: `Bearer ${pair.worker.adminKey}` },
      })
      assert.ok(local.status === 400 || local.status === 404, `_service${path}: ${local.status}`)
      assert.deepEqual(pair.workshop.seen, [])
    })
  }

  it('do not travel further than one node', async () => {
    const targets = [
      `/v1/p2p/${pair.workerId}/v1/p2p/${pair.headId}/v1/_service/llm/v1/models`,
      `/v1/p2p/${pair.workerId}/v1/p2p-service/${pair.headId}/llm/v1/models`,
      `/v1/p2p/${pair.workerId}/v1/service/workshop/x`,
      `/v1/p2p/${pair.workerId}/v1/%5fservice/workshop/x`,
      `/v1/p2p/${pair.workerId}/v1/dnt/_node`,
      `/v1/p2p/${pair.workerId}/api/v1/status`,
      `/v1/p2p/${pair.workerId}/metrics`,
      `/v1/p2p/${pair.workerId}//v1/_service/workshop/x`,
      `/v1/p2p/${pair.workerId}/v1/_service/../../api/v1/status`,
      `/v1/p2p/..%2f${pair.workerId}/v1/health`,
      '/v1/p2p/127.0.0.1:80/v1/health',
      '/v1/p2p/localhost/v1/health',
      '/v1/p2p-service/localhost/workshop/x',
      '/v1/service/http:%2f%2fevil.test/x',
      '/v1/service/..%2f..%2fapi/v1/status',
      '/v1/service/../../api/v1/status',
      '/v1/_service/127.0.0.1:22/x',
    ]
    for (const target of targets) {
      const { status, text } = await rawRequest(pair.head, target, {
        headers: { authorization: `Bearer ${pair.head.key}` },
      })
      assert.ok(status === 400 || status === 404, `${target}: ${status} ${text}`)
    }
    assert.deepEqual(pair.workshop.seen, [])
  })

  it('that name a host are judged by it, and go nowhere else', async () => {
    const foreign = await rawRequest(pair.head, 'http://evil.test/v1/service/workshop/x')
    assert.equal(foreign.status, 421)
    assert.deepEqual(pair.workshop.seen, [])
    const own = await rawRequest(pair.head, `${pair.head.url}/v1/service/workshop/x`)
    assert.equal(own.status, 200)
    assert.deepEqual(
      pair.workshop.seen.map(({ url }) => url),
      ['/x'],
    )
  })

  it('take no method that speaks of the way', async () => {
    const response = await rawRequest(pair.head, '/v1/service/workshop/x', { method: 'TRACE' })
    assert.equal(response.status, 405)
    assert.match(response.text, /\nallow: GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS/)
    assert.deepEqual(pair.workshop.seen, [])
  })
})
