/** Tests of the admin API: who may do what, and what it shows. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { SECRET } from '../../../test/support/fake-app-deps.ts'
import { ADMIN, assertError, openApp, READ } from '../../../test/support/open-app.ts'
import { ConfigView, Status } from '../../core/wire/admin.ts'
import { CreatedKey, KeyList, RequestList, RequestView } from '../../core/wire/admin-accounts.ts'

describe('access to the admin API', () => {
  const json = { 'content-type': 'application/json' }
  const routes = [
    ['GET', '/api/v1/status', 'read'],
    ['GET', '/api/v1/ps', 'read'],
    ['GET', '/api/v1/version', 'read'],
    ['GET', '/api/v1/config', 'read'],
    ['GET', '/api/v1/models', 'read'],
    ['GET', '/api/v1/models/tiny', 'read'],
    ['GET', '/api/v1/runtimes', 'read'],
    ['GET', '/api/v1/keys', 'read'],
    ['GET', '/api/v1/requests', 'read'],
    ['GET', '/api/v1/requests/last', 'read'],
    ['GET', '/api/v1/logs', 'read'],
    ['GET', '/api/v1/nodes', 'read'],
    ['GET', '/api/v1/nodes/attic', 'read'],
    ['GET', '/api/v1/peers', 'read'],
    ['POST', '/api/v1/peers', 'admin', { address: '/ip4/192.168.1.20/tcp/11441' }],
    ['POST', '/api/v1/ping', 'admin', { node: 'attic' }],
    ['GET', '/api/v1/netcheck', 'read'],
    ['GET', '/api/v1/identity', 'read'],
    ['GET', '/api/v1/identity/devices', 'read'],
    ['POST', '/api/v1/identity/devices/node-2/revoke', 'admin', { reason: 'lost' }],
    ['GET', '/api/v1/explain', 'read', undefined, '?model=tiny'],
    ['POST', '/api/v1/models/pull', 'admin', { ref: 'https://models.test/x.gguf' }],
    ['DELETE', '/api/v1/models/org%2Fname', 'admin'],
    ['POST', '/api/v1/runtimes', 'admin', { spec: 'openai:http://127.0.0.1:8000' }],
    ['POST', '/api/v1/runtimes/test', 'admin', { id: 'script' }],
    ['DELETE', '/api/v1/runtimes/openai%3Ahttp%3A%2F%2F127.0.0.1%3A8000', 'admin'],
    ['GET', '/api/v1/services', 'read'],
    ['POST', '/api/v1/services', 'admin', { name: 'whisper', url: 'http://127.0.0.1:9000' }],
    ['POST', '/api/v1/services/test', 'admin', { name: 'whisper' }],
    ['DELETE', '/api/v1/services/whisper', 'admin'],
    ['DELETE', '/api/v1/services/whisper/second', 'admin'],
    ['POST', '/api/v1/keys', 'admin', { name: 'x' }],
    ['DELETE', '/api/v1/keys/key_abcdefabcdef', 'admin'],
    ['POST', '/api/v1/shutdown', 'admin', {}],
  ] as const

  for (const [method, url, scope, payload, query = ''] of routes) {
    it(`${method} ${url} needs ${scope}`, async () => {
      const { app, calls } = await openApp()
      const body = payload === undefined ? {} : { payload: JSON.stringify(payload) }
      const ask = (key: string | undefined) =>
        app.inject({
          method,
          url: url + query,
          ...body,
          headers: {
            ...(payload === undefined ? {} : json),
            ...(key === undefined ? {} : { authorization: `Bearer ${key}` }),
          },
        })
      assertError(await ask(undefined), 401, 'invalid_api_key')
      assertError(await ask('inference'), 403, 'insufficient_scope')
      if (scope === 'admin') assertError(await ask('read'), 403, 'insufficient_scope')
      assert.deepEqual(calls, [], 'a refused request must have no effect')
      const answer = await ask(scope)
      assert.ok(answer.statusCode >= 200 && answer.statusCode < 300, answer.payload)
    })
  }

  it('covers every route of the admin API', async () => {
    const { app } = await openApp()
    const { paths } = app.swagger() as { paths: Record<string, Record<string, unknown>> }
    const described = Object.entries(paths).flatMap(([path, methods]) =>
      path.startsWith('/api/') ? Object.keys(methods).map((method) => `${method.toUpperCase()} ${path}`) : [],
    )
    const tested = new Set(
      routes.map(
        ([method, url]) =>
          `${method} ${url
            .replace(/\/(tiny|attic|org%2Fname|openai%3A[^/]*|key_[a-z]+|last)$/, '/{id}')
            .replace('/node-2/', '/{device}/')
            .replace('/whisper/second', '/{name}/{instance}')
            .replace('/whisper', '/{name}')}`,
      ),
    )
    assert.deepEqual(
      described.filter((route) => !tested.has(route)),
      [],
    )
    assert.ok(described.length >= 18)
  })
})

describe('the admin API', () => {
  it('gives the status of the contract', async () => {
    const { app, deps } = await openApp()
    const answer = await app.inject({ url: '/api/v1/status', headers: READ })
    assert.deepEqual(Status.parse(answer.json()), deps.status())
    assert.equal(answer.headers['cache-control'], 'no-store')
  })

  it('shows a secret once: in the answer that makes the key', async () => {
    const { app, calls } = await openApp()
    const created = await app.inject({
      method: 'POST',
      url: '/api/v1/keys',
      payload: { name: 'x', scopes: ['read', 'admin'], expiresIn: '7d' },
      headers: ADMIN,
    })
    assert.equal(created.statusCode, 201)
    assert.equal(CreatedKey.parse(created.json()).secret, SECRET)
    assert.deepEqual(calls, [`create key x read+admin ${7 * 86_400_000}`])
    for (const url of [
      '/api/v1/keys',
      '/api/v1/config',
      '/api/v1/status',
      '/api/v1/requests',
      '/api/v1/logs',
      '/metrics',
      '/health',
      '/',
    ]) {
      const { payload } = await app.inject({ url, headers: READ })
      assert.doesNotMatch(payload, new RegExp(`${SECRET}|${'f'.repeat(64)}`), url)
    }
    const { keys } = KeyList.parse((await app.inject({ url: '/api/v1/keys', headers: READ })).json())
    assert.equal(keys[0]?.hint, '789a')
  })

  it('masks secret settings and passwords in URLs', async () => {
    const { app } = await openApp()
    const { entries } = ConfigView.parse((await app.inject({ url: '/api/v1/config', headers: READ })).json())
    assert.deepEqual(
      entries.map(({ value }) => value),
      ['127.0.0.1:11440', '********', ['openai:http://********@gpu:8000']],
    )
  })

  it('removes models and runtimes whose ids hold slashes and colons', async () => {
    const { app, calls } = await openApp()
    for (const path of [
      'models/org%2Fname%3Aq4',
      'models/org/name:q4',
      'runtimes/openai%3Ahttp%3A%2F%2F127.0.0.1%3A8000',
    ]) {
      assert.equal((await app.inject({ method: 'DELETE', url: `/api/v1/${path}`, headers: ADMIN })).statusCode, 200)
    }
    assert.deepEqual(calls, [
      'remove model org/name:q4',
      'remove model org/name:q4',
      'remove runtime openai:http://127.0.0.1:8000',
    ])
  })

  it('shows requests after what waits has been written', async () => {
    const { app, calls } = await openApp()
    const { requests } = RequestList.parse(
      (await app.inject({ url: '/api/v1/requests?limit=5', headers: READ })).json(),
    )
    assert.equal(requests[0]?.firstByteMs, 4.5)
    const last = RequestView.parse((await app.inject({ url: '/api/v1/requests/last', headers: READ })).json())
    assert.equal(last.id, 'req_known')
    assert.deepEqual(calls, ['flush', 'flush'])
  })

  it('answers before it stops', async () => {
    const { app, calls } = await openApp()
    const answer = await app.inject({ method: 'POST', url: '/api/v1/shutdown', payload: { now: true }, headers: ADMIN })
    assert.equal(answer.statusCode, 202)
    assert.deepEqual(calls, ['shutdown now=true'])
  })
})
