/** Tests of the HTTP surface as a client sees it: errors, models, access, bodies. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { FastifyInstance, InjectOptions, LightMyRequestResponse } from 'fastify'
import { type FakeNode, fakeNode, ODD_MODEL_IDS, SECRET } from '../../test/support/fake-app-deps.ts'
import { HeddleError } from '../core/errors.ts'
import { ConfigView, Status } from '../core/wire/admin.ts'
import { CreatedKey, KeyList, RequestList, RequestView } from '../core/wire/admin-accounts.ts'
import { ErrorBody } from '../core/wire/error-body.ts'
import { buildApp } from './app.ts'

const READ = { authorization: 'Bearer read' }
const ADMIN = { authorization: 'Bearer admin' }
const INFERENCE = { authorization: 'Bearer inference' }

async function open(node: FakeNode = fakeNode()): Promise<FakeNode & { app: FastifyInstance }> {
  const app = buildApp(node.deps)
  await app.ready()
  return Object.assign(node, { app })
}

type Answer = LightMyRequestResponse

/** Every answer outside 2xx has OpenAI's body and the headers that SDKs read. */
function assertError(answer: Answer, status: number, code: string): ErrorBody['error'] {
  assert.equal(answer.statusCode, status, answer.payload)
  assert.match(String(answer.headers['content-type']), /^application\/json/)
  const { error } = ErrorBody.parse(answer.json())
  assert.equal(error.code, code)
  assert.match(String(answer.headers['x-request-id']), /^req_/)
  assert.match(String(answer.headers['x-should-retry']), /^(true|false)$/)
  return error
}

describe('errors of the HTTP surface', () => {
  const cases: readonly {
    readonly name: string
    readonly request: InjectOptions
    readonly status: number
    readonly code: string
    readonly param?: string
  }[] = [
    { name: 'an unknown path', request: { url: '/nothing' }, status: 404, code: 'not_found' },
    {
      name: 'an unknown path under /v1',
      request: { method: 'POST', url: '/v1/images/generations', payload: {} },
      status: 404,
      code: 'not_found',
    },
    {
      name: 'an unknown path with a body of another type',
      request: { method: 'POST', url: '/v1/audio', payload: 'a=b', headers: { 'content-type': 'text/plain' } },
      status: 404,
      code: 'not_found',
    },
    { name: 'no key', request: { url: '/v1/models' }, status: 401, code: 'invalid_api_key' },
    {
      name: 'a wrong key',
      request: { url: '/api/v1/status', headers: { authorization: 'Bearer guess' } },
      status: 401,
      code: 'invalid_api_key',
    },
    {
      name: 'a broken percent-encoding',
      request: { url: '/v1/models/%zz', headers: INFERENCE },
      status: 400,
      code: 'invalid_request',
    },
    {
      name: 'malformed JSON',
      request: {
        method: 'POST',
        url: '/api/v1/keys',
        payload: '{"name":',
        headers: { ...ADMIN, 'content-type': 'application/json' },
      },
      status: 400,
      code: 'malformed_json',
      param: 'body',
    },
    {
      name: 'a body that would change prototypes',
      request: {
        method: 'POST',
        url: '/api/v1/keys',
        payload: '{"name":"x","__proto__":{"a":1}}',
        headers: { ...ADMIN, 'content-type': 'application/json' },
      },
      status: 400,
      code: 'malformed_json',
    },
    {
      name: 'a form',
      request: {
        method: 'POST',
        url: '/api/v1/keys',
        payload: 'name=x',
        headers: { ...ADMIN, 'content-type': 'application/x-www-form-urlencoded' },
      },
      status: 415,
      code: 'unsupported_media_type',
    },
    {
      name: 'text',
      request: {
        method: 'POST',
        url: '/api/v1/shutdown',
        payload: '{}',
        headers: { ...ADMIN, 'content-type': 'text/plain' },
      },
      status: 415,
      code: 'unsupported_media_type',
    },
    {
      name: 'too large a body',
      request: { method: 'POST', url: '/api/v1/keys', payload: { name: 'x'.repeat(70_000) }, headers: ADMIN },
      status: 413,
      code: 'payload_too_large',
    },
    {
      name: 'no body',
      request: { method: 'POST', url: '/api/v1/keys', headers: ADMIN },
      status: 400,
      code: 'invalid_request',
    },
    {
      name: 'a field of the wrong type',
      request: { method: 'POST', url: '/api/v1/keys', payload: { name: 'x', rpm: 'many' }, headers: ADMIN },
      status: 400,
      code: 'invalid_request',
      param: 'rpm',
    },
    {
      name: 'an unknown scope',
      request: {
        method: 'POST',
        url: '/api/v1/keys',
        payload: { name: 'x', scopes: ['inference', 'root'] },
        headers: ADMIN,
      },
      status: 400,
      code: 'invalid_request',
      param: 'scopes[1]',
    },
    {
      name: 'an unknown field',
      request: { method: 'POST', url: '/api/v1/keys', payload: { name: 'x', scope: 'admin' }, headers: ADMIN },
      status: 400,
      code: 'invalid_request',
    },
    {
      name: 'a bad query',
      request: { url: '/api/v1/requests?limit=many', headers: READ },
      status: 400,
      code: 'invalid_request',
      param: 'limit',
    },
    {
      name: 'an unknown request',
      request: { url: '/api/v1/requests/req_none', headers: READ },
      status: 404,
      code: 'not_found',
      param: 'id',
    },
    {
      name: 'an unknown key',
      request: { method: 'DELETE', url: '/api/v1/keys/key_none', headers: ADMIN },
      status: 404,
      code: 'not_found',
      param: 'id',
    },
    {
      name: 'an unknown model of the admin API',
      request: { url: '/api/v1/models/nobody', headers: READ },
      status: 404,
      code: 'model_not_found',
      param: 'model',
    },
  ]
  for (const { name, request, status, code, param } of cases) {
    it(`answers ${name} with ${status} ${code}`, async () => {
      const { app, calls } = await open()
      const error = assertError(await app.inject(request), status, code)
      if (param !== undefined) assert.equal(error.param, param)
      assert.deepEqual(
        calls.filter((call) => call !== 'flush'),
        [],
      )
    })
  }

  it('tells which methods a known path takes', async () => {
    const { app } = await open()
    for (const [method, url, allow] of [
      ['POST', '/v1/models', 'GET, HEAD, OPTIONS'],
      ['DELETE', '/v1/models/org/name', 'GET, HEAD, OPTIONS'],
      ['GET', '/v1/chat/completions', 'POST, OPTIONS'],
      ['PUT', '/v1/embeddings', 'POST, OPTIONS'],
      ['PATCH', '/api/v1/keys', 'GET, HEAD, POST, OPTIONS'],
      ['POST', '/livez', 'GET, HEAD, OPTIONS'],
    ] as const) {
      const answer = await app.inject({ method, url, payload: 'x', headers: { 'content-type': 'text/plain' } })
      assertError(answer, 405, 'method_not_allowed')
      assert.equal(answer.headers['allow'], allow, `${method} ${url}`)
      const options = await app.inject({ method: 'OPTIONS', url })
      assert.equal(options.statusCode, 204)
      assert.equal(options.headers['allow'], allow)
    }
  })

  it('keeps what went wrong inside to itself and to the log', async () => {
    const node = fakeNode()
    const deps = {
      ...node.deps,
      status: () => {
        throw new Error(`could not read ${SECRET}`)
      },
    }
    const app = buildApp(deps)
    const answer = await app.inject({ url: '/api/v1/status', headers: READ })
    assertError(answer, 500, 'internal')
    assert.doesNotMatch(answer.payload, /could not read|sk-heddle/)
    assert.equal(node.logged.length, 1)
  })

  it('does not send an answer that its schema does not allow', async () => {
    const node = fakeNode()
    const app = buildApp({ ...node.deps, status: () => ({ ...node.deps.status(), state: 'fine' }) as never })
    assertError(await app.inject({ url: '/api/v1/status', headers: READ }), 500, 'internal')
  })

  it('tells when to come back', async () => {
    const node = fakeNode()
    const busy = () => {
      throw new HeddleError('rate_limit_exceeded', 'too many', { retryAfterMs: 1_200.5 })
    }
    const answer = await buildApp({ ...node.deps, ps: busy }).inject({ url: '/api/v1/ps', headers: READ })
    assertError(answer, 429, 'rate_limit_exceeded')
    assert.equal(answer.headers['retry-after'], '2')
    assert.equal(answer.headers['retry-after-ms'], '1201')
  })
})

describe('GET /v1/models', () => {
  it('lists models in the shape of OpenAI', async () => {
    const { app } = await open()
    for (const url of ['/v1/models', '/v1/models/', '//v1//models', '/v1//models/?x=1']) {
      const answer = await app.inject({ url, headers: INFERENCE })
      assert.equal(answer.statusCode, 200, url)
      const { object, data } = answer.json<{ object: string; data: { id: string }[] }>()
      assert.equal(object, 'list')
      assert.deepEqual(
        data.find(({ id }) => id === 'tiny'),
        { id: 'tiny', object: 'model', created: 1_700_000_000, owned_by: 'heddle', context_length: 2_048 },
      )
      assert.equal(data.length, ODD_MODEL_IDS.length)
    }
  })

  for (const id of ODD_MODEL_IDS) {
    it(`finds ${JSON.stringify(id)}, encoded and as raw as a URL can be`, async () => {
      const { app } = await open()
      const raw = id.replaceAll('%', '%25').replaceAll(' ', '%20').replaceAll('?', '%3F').replaceAll('#', '%23')
      const urls = [
        `/v1/models/${encodeURIComponent(id)}`,
        `/v1/models/${raw.replace(/[^\0-\x7f]+/g, encodeURIComponent)}`,
      ]
      for (const url of urls) {
        const answer = await app.inject({ url, headers: INFERENCE })
        assert.equal(answer.statusCode, 200, `${url}: ${answer.payload}`)
        assert.equal(answer.json<{ id: string }>().id, id)
      }
    })
  }

  it('suggests near names for an unknown model', async () => {
    const { app } = await open()
    const error = assertError(
      await app.inject({ url: '/v1/models/qwen3:9b', headers: INFERENCE }),
      404,
      'model_not_found',
    )
    assert.equal(error.param, 'model')
    assert.match(error.message, /qwen3:8b/)
  })

  it('tells a model that is offline from one that never was', async () => {
    const { app } = await open()
    const answer = await app.inject({ url: '/v1/models/once-here', headers: INFERENCE })
    assertError(answer, 503, 'no_capacity')
    assert.ok(Number(answer.headers['retry-after']) >= 1)
  })

  it('refuses names longer than any model has', async () => {
    const { app } = await open()
    assertError(
      await app.inject({ url: `/v1/models/${'x'.repeat(5_000)}`, headers: INFERENCE }),
      404,
      'model_not_found',
    )
  })

  it('shows a limited key only what it may use, and its limits', async () => {
    const { app } = await open()
    const headers = { 'x-api-key': 'limited' }
    const answer = await app.inject({ url: '/v1/models', headers })
    assert.deepEqual(
      answer.json<{ data: { id: string }[] }>().data.map(({ id }) => id),
      ['org/name', 'org/name@q4_k_m'],
    )
    assert.equal(answer.headers['x-ratelimit-limit-requests'], '60')
    assertError(await app.inject({ url: '/v1/models/tiny', headers }), 404, 'model_not_found')
  })
})

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
    ['POST', '/api/v1/models/pull', 'admin', { ref: 'https://models.test/x.gguf' }],
    ['DELETE', '/api/v1/models/org%2Fname', 'admin'],
    ['POST', '/api/v1/runtimes', 'admin', { spec: 'openai:http://127.0.0.1:8000' }],
    ['POST', '/api/v1/runtimes/test', 'admin', { id: 'script' }],
    ['DELETE', '/api/v1/runtimes/openai%3Ahttp%3A%2F%2F127.0.0.1%3A8000', 'admin'],
    ['POST', '/api/v1/keys', 'admin', { name: 'x' }],
    ['DELETE', '/api/v1/keys/key_abcdefabcdef', 'admin'],
    ['POST', '/api/v1/shutdown', 'admin', {}],
  ] as const

  for (const [method, url, scope, payload] of routes) {
    it(`${method} ${url} needs ${scope}`, async () => {
      const { app, calls } = await open()
      const body = payload === undefined ? {} : { payload: JSON.stringify(payload) }
      const ask = (key: string | undefined) =>
        app.inject({
          method,
          url,
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
    const { app } = await open()
    const { paths } = app.swagger() as { paths: Record<string, Record<string, unknown>> }
    const described = Object.entries(paths).flatMap(([path, methods]) =>
      path.startsWith('/api/') ? Object.keys(methods).map((method) => `${method.toUpperCase()} ${path}`) : [],
    )
    const tested = new Set(
      routes.map(
        ([method, url]) => `${method} ${url.replace(/\/(tiny|org%2Fname|openai%3A[^/]*|key_[a-z]+|last)$/, '/{id}')}`,
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
    const { app, deps } = await open()
    const answer = await app.inject({ url: '/api/v1/status', headers: READ })
    assert.deepEqual(Status.parse(answer.json()), deps.status())
    assert.equal(answer.headers['cache-control'], 'no-store')
  })

  it('shows a secret once: in the answer that makes the key', async () => {
    const { app, calls } = await open()
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
    const { app } = await open()
    const { entries } = ConfigView.parse((await app.inject({ url: '/api/v1/config', headers: READ })).json())
    assert.deepEqual(
      entries.map(({ value }) => value),
      ['127.0.0.1:11440', '********', ['openai:http://********@gpu:8000']],
    )
  })

  it('removes models and runtimes whose ids hold slashes and colons', async () => {
    const { app, calls } = await open()
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
    const { app, calls } = await open()
    const { requests } = RequestList.parse(
      (await app.inject({ url: '/api/v1/requests?limit=5', headers: READ })).json(),
    )
    assert.equal(requests[0]?.firstByteMs, 4.5)
    const last = RequestView.parse((await app.inject({ url: '/api/v1/requests/last', headers: READ })).json())
    assert.equal(last.id, 'req_known')
    assert.deepEqual(calls, ['flush', 'flush'])
  })

  it('answers before it stops', async () => {
    const { app, calls } = await open()
    const answer = await app.inject({ method: 'POST', url: '/api/v1/shutdown', payload: { now: true }, headers: ADMIN })
    assert.equal(answer.statusCode, 202)
    assert.deepEqual(calls, ['shutdown now=true'])
  })
})
