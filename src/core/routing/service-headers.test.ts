/** Tests of the headers that travel between a client and a service. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { headersForService, headersFromService } from './service-headers.ts'

describe('headersForService', () => {
  it('keeps what describes the request', () => {
    const headers = {
      accept: '*/*',
      'content-type': 'audio/wav',
      'content-length': '12',
      range: 'bytes=0-1',
      'if-none-match': '"x"',
      traceparent: '00-1',
      'user-agent': 'curl',
      'x-own': 'yes',
    }
    assert.deepEqual(headersForService(headers), headers)
  })

  it('drops credentials, what speaks of one connection, what claims a way, and our own', () => {
    const names = [
      'authorization',
      'cookie',
      'x-api-key',
      'api-key',
      'proxy-authorization',
      'connection',
      'keep-alive',
      'te',
      'trailer',
      'transfer-encoding',
      'upgrade',
      'proxy-connection',
      'host',
      'expect',
      'forwarded',
      'via',
      'origin',
      'referer',
      'x-forwarded-for',
      'x-forwarded-host',
      'x-real-ip',
      'sec-websocket-key',
      'heddle-runtime',
      'heddle-hops',
      'x-heddle-group-model',
      'x-otela-client-wallet',
      ':authority',
    ]
    assert.deepEqual(headersForService(Object.fromEntries(names.map((name) => [name, 'x']))), {})
  })

  it('drops what the connection header names', () => {
    const headers = { connection: 'close, X-Hop', 'x-hop': '1', 'x-hope': '2' }
    assert.deepEqual(headersForService(headers), { 'x-hope': '2' })
  })
})

describe('headersFromService', () => {
  it('keeps the answer and drops what only the gateway says', () => {
    const kept = { 'content-type': 'text/html', etag: '"1"', 'retry-after': '3', location: '/next', vary: 'accept' }
    const dropped = {
      'set-cookie': 'a=b',
      'transfer-encoding': 'chunked',
      connection: 'close',
      'access-control-allow-origin': '*',
      'x-heddle-node': 'fake',
      'x-computing-node': 'fake',
      'x-request-id': 'fake',
      'strict-transport-security': 'x',
      'clear-site-data': '"*"',
      'alt-svc': 'h3',
    }
    assert.deepEqual(headersFromService({ ...kept, ...dropped }), kept)
  })
})
