/** Tests of errors: every answer outside 2xx has OpenAI’s body, whatever is asked. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { InjectOptions } from 'fastify'
import { fakeNode, SECRET } from '../../test/support/fake-app-deps.ts'
import { ADMIN, assertError, INFERENCE, openApp, READ } from '../../test/support/open-app.ts'
import { HeddleError } from '../core/errors.ts'
import { buildApp } from './app.ts'

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
      const { app, calls } = await openApp()
      const error = assertError(await app.inject(request), status, code)
      if (param !== undefined) assert.equal(error.param, param)
      assert.deepEqual(
        calls.filter((call) => call !== 'flush'),
        [],
      )
    })
  }

  it('tells which methods a known path takes', async () => {
    const { app } = await openApp()
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
