/** Tests of probes, metrics and the front page. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { fakeNode } from '../../test/support/fake-app-deps.ts'
import { buildApp } from './app.ts'

describe('probes', () => {
  it('are alive whatever else is wrong', async () => {
    const node = fakeNode()
    node.ready = false
    const app = buildApp(node.deps)
    for (const url of ['/livez', '/healthz', '/livez/', '//healthz']) {
      const answer = await app.inject({ url })
      assert.equal(answer.statusCode, 200)
      assert.equal(answer.payload, 'ok\n')
    }
    assert.equal((await app.inject({ url: '/livez?verbose' })).json<{ version: string }>().version, '0.1.0')
  })

  it('are ready only when a request can be served', async () => {
    const node = fakeNode()
    const app = buildApp(node.deps)
    assert.equal((await app.inject({ url: '/readyz' })).statusCode, 200)
    assert.equal((await app.inject({ url: '/readyz?verbose' })).json<{ state: string }>().state, 'running')
    node.ready = false
    const unready = await app.inject({ url: '/readyz' })
    assert.equal(unready.statusCode, 503)
    assert.deepEqual(unready.json<{ error: { metadata: unknown } }>().error.metadata, {
      ready: false,
      state: 'running',
      reasons: ['no runtime is ready'],
      fix: 'heddle status',
    })
    assert.equal(unready.headers['retry-after'], '1')
    node.draining = true
    assert.equal((await app.inject({ url: '/readyz' })).json<{ error: { code: string } }>().error.code, 'draining')
  })

  it('give the health that OllaBridge and mycellm give', async () => {
    const node = fakeNode()
    const app = buildApp(node.deps)
    const health = (await app.inject({ url: '/health' })).json<Record<string, unknown>>()
    assert.deepEqual(
      [
        health['status'],
        health['mode'],
        health['default_model'],
        health['auth_mode'],
        health['detail'],
        health['homepilot_enabled'],
      ],
      ['ok', 'local', 'tiny', 'required', 'runtimes=2', false],
    )
    assert.deepEqual([health['version'], health['peer_id'], health['local_runtime_enabled']], ['0.1.0', 'node-1', true])
    node.ready = false
    assert.equal((await app.inject({ url: '/health' })).json<{ status: string }>().status, 'degraded')
  })
})

describe('/metrics', () => {
  const remoteAddress = '192.0.2.7'

  it('needs a key from elsewhere, and none from this machine', async () => {
    const app = buildApp(fakeNode().deps)
    assert.equal((await app.inject({ url: '/metrics', remoteAddress })).statusCode, 401)
    assert.equal(
      (await app.inject({ url: '/metrics', remoteAddress, headers: { authorization: 'Bearer read' } })).statusCode,
      200,
    )
    for (const local of ['127.0.0.1', '::1', '::ffff:127.0.0.1']) {
      assert.equal((await app.inject({ url: '/metrics', remoteAddress: local })).statusCode, 200)
    }
  })

  it('takes a proxy on this machine for a stranger', async () => {
    const app = buildApp(fakeNode().deps)
    const headers = { 'x-forwarded-for': '127.0.0.1' }
    assert.equal((await app.inject({ url: '/metrics', remoteAddress: '127.0.0.1', headers })).statusCode, 401)
  })

  it('is free where the operator said so', async () => {
    const app = buildApp({ ...fakeNode().deps, metricsPublic: true })
    assert.equal((await app.inject({ url: '/metrics', remoteAddress })).statusCode, 200)
  })

  it('speaks OpenMetrics when asked', async () => {
    const app = buildApp(fakeNode().deps)
    const plain = await app.inject({ url: '/metrics' })
    assert.equal(plain.headers['content-type'], 'text/plain; version=0.0.4; charset=utf-8')
    const open = await app.inject({
      url: '/metrics',
      headers: { accept: 'application/openmetrics-text;version=1.0.0;q=0.6,text/plain;q=0.3' },
    })
    assert.match(String(open.headers['content-type']), /^application\/openmetrics-text; version=1\.0\.0/)
    assert.match(open.payload, /# EOF\n$/)
  })
})

describe('GET /', () => {
  it('is one line for curl', async () => {
    const { payload, headers } = await buildApp(fakeNode().deps).inject({ url: '/', headers: { accept: '*/*' } })
    assert.equal(
      payload,
      'heddle 0.1.0 is running; the OpenAI API is at http://127.0.0.1:11440/v1, its description at http://127.0.0.1:11440/docs\n',
    )
    assert.match(String(headers['content-type']), /^text\/plain/)
  })

  it('is a page for browsers, which can run nothing and escapes what it shows', async () => {
    const node = fakeNode()
    const status = { ...node.deps.status(), version: '<script>alert(1)</script>' }
    const { payload, headers } = await buildApp({ ...node.deps, status: () => status }).inject({
      url: '/',
      headers: { accept: 'text/html,*/*' },
    })
    assert.match(payload, /href="\/docs\/"/)
    assert.match(payload, /http:\/\/127\.0\.0\.1:11440\/v1/)
    assert.doesNotMatch(payload, /<script/)
    assert.match(String(headers['content-security-policy']), /^default-src 'none'; style-src 'sha256-/)
  })
})
