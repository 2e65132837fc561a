/** Tests of foreign pages, foreign names and odd request lines, over real sockets. */
import assert from 'node:assert/strict'
import { connect } from 'node:net'
import { describe, it } from 'node:test'
import { fakeNode } from '../../test/support/fake-app-deps.ts'
import { ask, serveApp, textOf } from '../../test/support/serve-app.ts'

describe('foreign pages and foreign names', () => {
  const mutating = [
    ['POST', '/api/v1/models/pull'],
    ['DELETE', '/api/v1/models/tiny'],
    ['POST', '/api/v1/runtimes'],
    ['POST', '/api/v1/runtimes/test'],
    ['DELETE', '/api/v1/runtimes/script'],
    ['POST', '/api/v1/keys'],
    ['DELETE', '/api/v1/keys/key_abcdefabcdef'],
    ['POST', '/api/v1/shutdown'],
  ] as const
  const body = '{"name":"x","ref":"x","spec":"ollama","id":"script"}'

  for (const [method, path] of mutating) {
    it(`cannot ${method} ${path}, not even with a key`, async (t) => {
      const node = fakeNode()
      const port = await serveApp(t, node)
      const attacks: readonly Readonly<Record<string, string>>[] = [
        { host: 'attacker.test', 'content-type': 'application/json' },
        { origin: 'https://attacker.test', 'content-type': 'application/json' },
        { origin: 'null', 'content-type': 'application/json' },
        { origin: 'http://localhost:3000', 'content-type': 'application/json' },
        ...(method === 'POST'
          ? [{ 'content-type': 'text/plain' }, { 'content-type': 'application/x-www-form-urlencoded' }, {}]
          : []),
      ]
      for (const headers of attacks) {
        const response = await ask(port, { method, path, headers, body: method === 'POST' ? body : '' })
        const status = response.statusCode ?? 0
        assert.ok([403, 415, 421].includes(status), `${status} for ${JSON.stringify(headers)}`)
        assert.match(await textOf(response), /^\{"error":\{"message":/)
      }
      assert.deepEqual(node.calls, [])
    })
  }

  it('learn nothing through a rebound name', async (t) => {
    const port = await serveApp(t, fakeNode())
    for (const path of ['/', '/v1/models', '/api/v1/status', '/metrics', '/openapi.json']) {
      assert.equal((await ask(port, { path, headers: { host: `attacker.test:${port}` } })).statusCode, 421)
    }
  })

  it('see no CORS headers on refusals of unlisted origins, and the right ones for listed', async (t) => {
    const port = await serveApp(t, fakeNode())
    const at = (origin: string) =>
      ask(port, { path: '/v1/models', headers: { origin, authorization: 'Bearer inference' } })
    assert.equal((await at('https://attacker.test')).headers['access-control-allow-origin'], undefined)
    const shown = await at('http://localhost:3000')
    assert.equal(shown.statusCode, 200)
    assert.equal(shown.headers['access-control-allow-origin'], 'http://localhost:3000')
  })
})

describe('raw request lines', () => {
  const cases: readonly (readonly [string, number])[] = [
    ['GET /v1/../api/v1/status', 404],
    ['GET /v1/models/../../api/v1/status', 401],
    ['GET //api//v1/status', 401],
    ['GET /%61pi/v1/status', 401],
    ['GET /api/v1/models/%00', 401],
    ['GET /v1/models/%', 400],
    ['GET /api%2Fv1%2Fstatus', 404],
    ['GET http://127.0.0.1/livez', 200],
    ['GET http://attacker.test/livez', 421],
    ['BREW /livez', 400],
    ['PROPFIND /v1/models', 404],
  ]
  for (const [target, status] of cases) {
    it(`answers ${target} with ${status}`, async (t) => {
      const port = await serveApp(t, fakeNode())
      const socket = connect(port, '127.0.0.1')
      socket.end(`${target} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n`)
      let text = ''
      for await (const chunk of socket.setEncoding('utf8')) text += String(chunk)
      assert.equal(text.split(' ', 2)[1], String(status), text)
    })
  }
})
