/** Tests of the OpenAPI document and of the reference page, which must work without any network. */
import assert from 'node:assert/strict'
import { createRequire } from 'node:module'
import { describe, it } from 'node:test'
import { fakeNode } from '../../test/support/fake-app-deps.ts'
import { buildApp } from './app.ts'

interface Operation {
  readonly operationId?: string
  readonly summary?: string
  readonly security?: readonly object[]
  readonly responses: Readonly<Record<string, object>>
  readonly parameters?: readonly { readonly name: string; readonly in: string; readonly required: boolean }[]
}

interface Document {
  readonly openapi: string
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>
  readonly components: { readonly schemas: Readonly<Record<string, object>> }
}

const ROUTES: Readonly<Record<string, readonly string[]>> = {
  '/': ['get'],
  '/v1/chat/completions': ['post'],
  '/v1/completions': ['post'],
  '/v1/embeddings': ['post'],
  '/v1/models': ['get'],
  '/v1/models/{id}': ['get'],
  '/v1/health': ['get'],
  '/v1/dnt/table': ['get'],
  '/v1/dnt/peers': ['get'],
  '/v1/dnt/peers_status': ['get'],
  '/v1/dnt/bootstraps': ['get'],
  '/v1/dnt/stats': ['get'],
  '/v1/dnt/_node': ['post', 'delete'],
  '/api/v1/nodes': ['get'],
  '/api/v1/nodes/{id}': ['get'],
  '/api/v1/peers': ['get', 'post'],
  '/api/v1/ping': ['post'],
  '/api/v1/netcheck': ['get'],
  '/api/v1/explain': ['get'],
  '/api/v1/identity': ['get'],
  '/api/v1/identity/devices': ['get'],
  '/api/v1/identity/devices/{device}/revoke': ['post'],
  '/api/v1/services': ['get', 'post'],
  '/api/v1/services/test': ['post'],
  '/api/v1/services/{name}': ['delete'],
  '/api/v1/services/{name}/{instance}': ['delete'],
  '/api/v1/status': ['get'],
  '/api/v1/ps': ['get'],
  '/api/v1/version': ['get'],
  '/api/v1/config': ['get'],
  '/api/v1/shutdown': ['post'],
  '/api/v1/models': ['get'],
  '/api/v1/models/{id}': ['get', 'delete'],
  '/api/v1/models/pull': ['post'],
  '/api/v1/runtimes': ['get', 'post'],
  '/api/v1/runtimes/test': ['post'],
  '/api/v1/runtimes/{id}': ['delete'],
  '/api/v1/keys': ['get', 'post'],
  '/api/v1/keys/{id}': ['delete'],
  '/api/v1/requests': ['get'],
  '/api/v1/requests/{id}': ['get'],
  '/api/v1/logs': ['get'],
  '/livez': ['get'],
  '/readyz': ['get'],
  '/healthz': ['get'],
  '/health': ['get'],
  '/metrics': ['get'],
  '/openapi.json': ['get'],
  '/docs': ['get'],
}

type Validate = (document: string) => Promise<{ readonly valid: boolean; readonly errors?: readonly object[] }>

/** The parser that comes with the reference page, found from there. */
async function openValidator(): Promise<Validate> {
  const fromScalar = createRequire(import.meta.resolve('@scalar/fastify-api-reference'))
  const parser = (await import(fromScalar.resolve('@scalar/openapi-parser'))) as { readonly validate: Validate }
  return parser.validate
}

async function documentOf(): Promise<Document> {
  const answer = await buildApp(fakeNode().deps).inject({ url: '/openapi.json' })
  assert.equal(answer.statusCode, 200)
  return answer.json<Document>()
}

describe('/openapi.json', () => {
  it('is valid OpenAPI 3.1', async () => {
    const document = await documentOf()
    assert.match(document.openapi, /^3\.1\./)
    const validate = await openValidator()
    const result = await validate(JSON.stringify(document))
    assert.deepEqual(result.errors ?? [], [])
    assert.equal(result.valid, true)
    const spoiled = await validate(JSON.stringify({ ...document, info: { title: 1 } }))
    assert.equal(spoiled.valid, false, 'a validator that finds nothing proves nothing')
  })

  it('holds every route and no other', async () => {
    const { paths } = await documentOf()
    const found = Object.fromEntries(
      Object.entries(paths).map(([path, methods]) => [path, Object.keys(methods).toSorted()]),
    )
    const expected = Object.fromEntries(Object.entries(ROUTES).map(([path, methods]) => [path, methods.toSorted()]))
    assert.deepEqual(found, expected)
  })

  it('describes each with words, errors, access and its path parameters', async () => {
    const { paths, components } = await documentOf()
    for (const [path, methods] of Object.entries(paths)) {
      for (const [method, operation] of Object.entries(methods)) {
        const name = `${method} ${path}`
        assert.ok((operation.summary ?? '').length > 1, name)
        assert.ok(operation.responses['default'] !== undefined, name)
        const open = operation.security?.length === 0
        assert.equal(open, path === '/v1/health' || !/^\/(v1|api|metrics)(\/|$)/.test(path), name)
        const inPath = (operation.parameters ?? []).filter((parameter) => parameter.in === 'path')
        assert.deepEqual(
          inPath.map(({ name, required }) => [name, required]),
          [...path.matchAll(/\{(\w+)\}/g)].map(([, inName]) => [inName, true]),
          name,
        )
      }
    }
    assert.ok(components.schemas['ErrorBody'] !== undefined && components.schemas['Status'] !== undefined)
  })
})

describe('/docs', () => {
  it('refers to nothing outside this node', async () => {
    const app = buildApp(fakeNode().deps)
    for (const url of ['/docs', '/docs/']) {
      const { statusCode, payload, headers } = await app.inject({ url })
      assert.equal(statusCode, 200)
      assert.deepEqual(payload.match(/(https?:)?\/\/[a-z0-9][^\s"']*/gi) ?? [], [])
      const sources = [...payload.matchAll(/\s(?:src|href)="([^"]*)"/g)].map((match) => match[1])
      assert.deepEqual(sources, ['/docs/js/scalar.js'])
      const policy = String(headers['content-security-policy'])
      assert.doesNotMatch(policy, /https?:|\*|unsafe-eval/)
      assert.match(policy, /default-src 'none'/)
      assert.match(policy, /script-src 'self' 'sha256-[^']+';/)
      assert.match(policy, /connect-src 'self';/)
      assert.match(policy, /font-src 'self' data:;/)
    }
    await app.close()
  })

  it('turns off what Scalar would fetch or send', async () => {
    const { payload } = await buildApp(fakeNode().deps).inject({ url: '/docs' })
    const configuration = JSON.parse(
      /createApiReference\('#app', (\{[\s\S]*?\})\)\s*<\/script>/.exec(payload)?.[1] ?? '',
    ) as Record<string, unknown>
    assert.deepEqual(
      [
        configuration['url'],
        configuration['withDefaultFonts'],
        configuration['telemetry'],
        configuration['hideClientButton'],
      ],
      ['/openapi.json', false, false, true],
    )
    assert.deepEqual(
      [configuration['agent'], configuration['mcp']],
      [{ disabled: true, hideAddApi: true }, { disabled: true }],
    )
    assert.equal(configuration['proxyUrl'], undefined)
  })

  it('serves its script itself', async () => {
    const app = buildApp(fakeNode().deps)
    const { statusCode, headers, rawPayload } = await app.inject({ url: '/docs/js/scalar.js' })
    assert.equal(statusCode, 200)
    assert.match(String(headers['content-type']), /^text\/javascript/)
    assert.ok(rawPayload.length > 1_000_000)
    await app.close()
  })
})
