/** Requests that are wrong in what they say: each gets the right status, an error in OpenAI's form, and no echo of what was sent. */
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import type { RequestView } from '../../src/core/wire/admin-accounts.ts'
import { answerWell, type FakeUpstream, startFakeUpstream } from '../support/fake-upstream.ts'
import { type ErrorShape, errorIn, exchangeRaw, repliesIn, requestText } from '../support/raw-socket.ts'
import { chat, startTestNode, type TestNode } from '../support/test-node.ts'
import { waitUntil } from '../support/wait-until.ts'

const TINY = 'tinychat-1.2m-q8_0'
const CANARY = 'purple-walrus-4711'
const CHAT = '/v1/chat/completions'

describe('a bad request', () => {
  let upstream: FakeUpstream
  let node: TestNode
  before(async () => {
    upstream = await startFakeUpstream({ 'vllm/known-model': answerWell })
    node = await startTestNode({
      HEDDLE_RUNTIMES: ['llama', 'script:demo?tokens=4', 'script:demo-large', upstream.spec].join(','),
    })
    await waitUntil(() => [TINY, 'vllm/known-model'].every((id) => node.node.models().includes(id)), 'the models')
  })
  after(async () => {
    await node[Symbol.asyncDispose]()
    await upstream[Symbol.asyncDispose]()
  })

  /** The refusal of a chat request, after checking what every refusal must have. */
  const refusal = async (body: unknown, path = CHAT): Promise<ErrorShape & { status: number; response: Response }> => {
    const response = await node.post(path, body)
    const text = await response.text()
    assert.ok(response.status >= 400, `${response.status} ${text.slice(0, 200)}`)
    assert.match(response.headers.get('x-request-id') ?? '', /^req_/)
    assert.match(response.headers.get('content-type') ?? '', /^application\/json/)
    assert.equal(response.headers.has('x-should-retry'), true)
    assert.doesNotMatch(text, new RegExp(CANARY))
    return { ...errorIn(text), status: response.status, response }
  }

  const MALFORMED = {
    'cut off': `{"model":"demo","messages":[{"role":"user","content":"${CANARY}`,
    'a bare word': CANARY,
    'trailing text': `{"model":"demo"} ${CANARY}`,
    'single quotes': `{'model':'${CANARY}'}`,
    'a control character': `{"model":"${CANARY}\u0001"}`,
    'nothing but space': '   ',
    'an XML document': `<model>${CANARY}</model>`,
    'a lone surrogate escape outside a string': '\\ud800',
  }
  for (const [name, body] of Object.entries(MALFORMED)) {
    it(`is malformed JSON: ${name}`, async () => {
      const { status, code, type, response } = await refusal(body)
      assert.deepEqual([status, code, type], [400, 'malformed_json', 'invalid_request_error'])
      assert.equal(response.headers.get('x-should-retry'), 'false')
    })
  }

  it('has no body at all', async () => {
    const { status, code } = await refusal('')
    assert.deepEqual([status, code], [400, 'malformed_json'])
  })

  it('is not UTF-8', async () => {
    const latin1 = Buffer.from('{"model":"demo","messages":[{"role":"user","content":"caf\u00e9"}]}', 'latin1')
    const headers = { authorization: `Bearer ${node.key}`, 'content-type': 'application/json' }
    const response = await fetch(node.url + CHAT, { method: 'POST', headers, body: latin1 })
    const { code, message } = errorIn(await response.text())
    assert.deepEqual([response.status, code], [400, 'malformed_json'])
    assert.match(message, /UTF-8/)
  })

  const messages = [{ role: 'user', content: CANARY }]
  const WRONG: readonly (readonly [name: string, body: unknown, param: string | null, path?: string])[] = [
    ['an array', [1, 2], null],
    ['null', 'null', null],
    ['a string', `"${CANARY}"`, null],
    ['no model', { messages }, 'model'],
    ['a model that is a number', { model: 7, messages }, 'model'],
    ['an empty model', { model: '', messages }, 'model'],
    ['a model name of 300 letters', { model: 'm'.repeat(300), messages }, 'model'],
    ['no messages', { model: 'demo' }, 'messages'],
    ['messages that are text', { model: 'demo', messages: CANARY }, 'messages'],
    ['messages without any', { model: 'demo', messages: [] }, 'messages'],
    ['a message that is text', { model: 'demo', messages: [CANARY] }, 'messages[0]'],
    ['a role that is none', { model: 'demo', messages: [{ role: CANARY, content: 'x' }] }, 'messages[0].role'],
    ['content that is an object', { model: 'demo', messages: [{ role: 'user', content: {} }] }, 'messages[0].content'],
    ['no content', { model: 'demo', messages: [...messages, { role: 'user' }] }, 'messages[1].content'],
    ['a part without type', { model: 'demo', messages: [{ role: 'user', content: [{}] }] }, 'messages[0].content[0]'],
    ['a temperature that is text', { model: 'demo', messages, temperature: 'hot' }, 'temperature'],
    ['a temperature of 5', { model: 'demo', messages, temperature: 5 }, 'temperature'],
    ['max_tokens below zero', { model: 'demo', messages, max_tokens: -1 }, 'max_tokens'],
    ['max_tokens with a fraction', { model: 'demo', messages, max_tokens: 1.5 }, 'max_tokens'],
    ['a stream that is text', { model: 'demo', messages, stream: 'yes' }, 'stream'],
    ['n of zero', { model: 'demo', messages, n: 0 }, 'n'],
    ['a stop of numbers', { model: 'demo', messages, stop: [1] }, 'stop'],
    ['tools that are an object', { model: 'demo', messages, tools: {} }, 'tools'],
    ['a response_format that is text', { model: 'demo', messages, response_format: 'json' }, 'response_format'],
    ['stream_options without a stream', { model: 'demo', messages, stream_options: {} }, 'stream_options'],
    ['a prompt that is an object', { model: 'demo', prompt: {} }, 'prompt', '/v1/completions'],
    ['tokens below zero', { model: 'demo', prompt: [-1] }, 'prompt', '/v1/completions'],
    ['an empty input', { model: TINY, input: '' }, 'input', '/v1/embeddings'],
    ['an unknown encoding', { model: TINY, input: 'x', encoding_format: 'hex' }, 'encoding_format', '/v1/embeddings'],
  ]
  for (const [name, body, param, path] of WRONG) {
    it(`has a wrong type or value: ${name}`, async () => {
      const found = await refusal(body, path)
      assert.deepEqual([found.status, found.code, found.param], [400, 'invalid_request', param], found.message)
      assert.equal(found.type, 'invalid_request_error')
    })
  }

  for (const depth of [65, 1_000, 200_000, 2_000_000]) {
    it(`nests ${depth} levels deep, and costs no more than others`, async () => {
      const startedAt = performance.now()
      const body = `{"model":"demo","messages":[{"role":"user","content":"x"}],"metadata":{"a":${'['.repeat(depth)}${']'.repeat(depth)}}}`
      const found = await refusal(body)
      assert.deepEqual([found.status, found.code], [400, 'invalid_request'])
      assert.match(found.message, /64 levels/)
      assert.ok(performance.now() - startedAt < 1_000, `took ${performance.now() - startedAt} ms`)
    })
  }

  it('takes a schema of 50 levels', async () => {
    let schema: unknown = { type: 'string' }
    for (let level = 0; level < 22; level += 1) schema = { type: 'object', properties: { a: schema }, required: ['a'] }
    const format = { type: 'json_schema', json_schema: { name: 's', schema } }
    const response = await node.post(CHAT, chat('demo', 'Hi', { response_format: format }))
    assert.equal(response.status, 200, await response.text())
  })

  it('names a model that does not exist: 404 with near names, only of models that are here', async () => {
    const { status, code, param, message, metadata, response } = await refusal(chat('demo-larg'))
    assert.deepEqual([status, code, param], [404, 'model_not_found', 'model'])
    assert.match(message, /did you mean .*"demo-large"/)
    assert.ok((metadata['near'] as string[]).every((name) => node.node.models().includes(name)))
    assert.ok((metadata['near'] as string[]).length <= 3)
    assert.equal(response.headers.get('retry-after'), null)
    assert.equal(response.headers.get('x-should-retry'), 'false')
    assert.equal((await refusal(chat('zzzzzzzzzzzz'))).message.includes('did you mean'), false)
  })

  it('names a model whose runtime has gone: 503 with retry-after, never 404', async () => {
    await upstream[Symbol.asyncDispose]()
    const first = await refusal(chat('vllm/known-model'))
    assert.deepEqual([first.status, first.code, first.type], [503, 'no_capacity', 'service_unavailable'])
    assert.ok(Number(first.response.headers.get('retry-after')) >= 1)
    assert.equal(first.response.headers.get('x-should-retry'), 'true')
    // Also once the node has noticed by itself.
    await waitUntil(() => !node.node.models().includes('vllm/known-model'), 'the runtime to be withdrawn')
    const later = await refusal(chat('vllm/known-model'))
    assert.deepEqual([later.status, later.code], [503, 'no_capacity'])
    assert.ok(Number(later.response.headers.get('retry-after')) >= 1)
    const byId = await node.get('/v1/models/vllm/known-model')
    assert.equal(byId.status, 503)
    assert.equal(errorIn(await byId.text()).code, 'no_capacity')
    const list = (await (await node.get('/v1/models')).json()) as { data: { id: string }[] }
    assert.equal(
      list.data.some(({ id }) => id === 'vllm/known-model'),
      false,
    )
    // A node that knew the runtime and never reached it again still tells the two apart.
    const restarted = (await (await node.get('/api/v1/requests/last')).json()) as RequestView
    assert.equal(restarted.outcome, 'no_capacity')
  })

  for (const stream of [false, true]) {
    it(`has a prompt longer than the context of a real model (stream: ${stream})`, async () => {
      const { status, code, param, message } = await refusal(chat(TINY, `word ${CANARY} `.repeat(3_000), { stream }))
      assert.deepEqual([status, code], [400, 'context_length_exceeded'], message)
      assert.equal(param, 'messages')
      assert.match(message, /\d+/)
    })
  }

  const TRAVERSALS = [
    '../../etc/passwd',
    '..',
    './demo',
    '/etc/passwd',
    '..\\..\\windows\\win.ini',
    'demo/../../../etc/passwd',
    '....//....//etc/passwd',
    'demo\u0000.gguf',
    'file:///etc/passwd',
  ]
  for (const name of TRAVERSALS) {
    it(`climbs out of the models folder: ${JSON.stringify(name)}`, async () => {
      const before = await treeOf(node.home)
      for (const [path, body] of [
        [CHAT, chat(name)],
        ['/v1/completions', { model: name, prompt: 'x' }],
        ['/v1/embeddings', { model: name, input: 'x' }],
      ] as const) {
        const { status, code } = await refusal(body, path)
        assert.deepEqual([status, code], [404, 'model_not_found'])
      }
      const encoded = encodeURIComponent(name)
      const dotless = encoded.replaceAll('.', '%2e')
      // Sent raw, because fetch resolves dots before it sends a path.
      const literal = /^[\x21-\x7e]+$/.test(name) ? [name] : []
      for (const form of [encoded, dotless, `x/${encoded}`, ...literal]) {
        for (const [method, path] of [
          ['GET', `/v1/models/${form}`],
          ['GET', `/api/v1/models/${form}`],
          ['DELETE', `/api/v1/models/${form}`],
        ] as const) {
          const headers = { authorization: `Bearer ${node.adminKey}`, connection: 'close' }
          const [reply] = repliesIn(await exchangeRaw(node.url, requestText(method, path, headers)))
          assert.ok([400, 404, 405].includes(reply?.status ?? 0), `${reply?.status} for ${method} ${path}`)
          errorIn(reply?.body ?? '')
        }
      }
      assert.deepEqual(await treeOf(node.home), before)
    })
  }

  const NOT_JSON = [
    'text/plain',
    'application/x-www-form-urlencoded',
    'multipart/form-data; boundary=x',
    'application/jsonx',
    '',
  ]
  for (const type of NOT_JSON) {
    it(`is not called JSON but ${JSON.stringify(type)}`, async () => {
      const headers: Record<string, string> = { authorization: `Bearer ${node.key}` }
      if (type !== '') headers['content-type'] = type
      const body = Buffer.from(JSON.stringify(chat('demo', CANARY)))
      const response = await fetch(node.url + CHAT, { method: 'POST', headers, body })
      const text = await response.text()
      assert.equal(response.status, 415)
      assert.deepEqual([errorIn(text).code, errorIn(text).type], ['unsupported_media_type', 'invalid_request_error'])
      assert.doesNotMatch(text, new RegExp(CANARY))
    })
  }

  it('is called JSON in one of the usual ways', async () => {
    for (const type of [
      'application/json',
      'application/json; charset=utf-8',
      'application/json;charset=UTF-8',
      'Application/JSON',
    ]) {
      const headers = { authorization: `Bearer ${node.key}`, 'content-type': type }
      const response = await fetch(node.url + CHAT, { method: 'POST', headers, body: JSON.stringify(chat('demo')) })
      assert.equal(response.status, 200, type)
      await response.arrayBuffer()
    }
  })

  it('asks for a path or a method that is not there', async () => {
    const ask = async (method: string, path: string): Promise<readonly [number, string, Response]> => {
      const headers = {
        authorization: `Bearer ${node.key}`,
        ...(method === 'POST' ? { 'content-type': 'application/json' } : {}),
      }
      const response = await fetch(node.url + path, { method, headers, ...(method === 'POST' ? { body: '{}' } : {}) })
      return [response.status, errorIn(await response.text()).code, response]
    }
    for (const path of [
      '/v1/nothing',
      '/v1',
      '/v2/chat/completions',
      '/v1/chat',
      '/v1/chat/completions/x',
      '/wp-login.php',
      '/api/v1/nope',
    ]) {
      assert.deepEqual((await ask('GET', path)).slice(0, 2), [404, 'not_found'], path)
    }
    assert.deepEqual((await ask('POST', '/v1/responses')).slice(0, 2), [404, 'not_found'])
    for (const [method, path, allow] of [
      ['GET', CHAT, 'POST'],
      ['DELETE', CHAT, 'POST'],
      ['PUT', '/v1/models', 'GET'],
      ['POST', '/v1/models', 'GET'],
      ['GET', '/v1/embeddings', 'POST'],
    ] as const) {
      const [status, code, response] = await ask(method, path)
      if (method === 'PUT') {
        // PUT carries a body, so its type is judged first.
        assert.ok([405, 415].includes(status))
        continue
      }
      assert.deepEqual([status, code], [405, 'method_not_allowed'], `${method} ${path}`)
      assert.match(response.headers.get('allow') ?? '', new RegExp(allow))
    }
  })

  for (const options of [null, {}, { include_usage: false }, { include_usage: null }]) {
    it(`does not hide its tokens from the log with stream_options ${JSON.stringify(options)}`, async () => {
      const body = chat('demo', 'Hi', { stream: true, stream_options: options })
      const text = await (await node.post(CHAT, body)).text()
      assert.doesNotMatch(text, /"usage":\{/)
      const logged = (await (await node.get('/api/v1/requests/last')).json()) as RequestView
      assert.equal(logged.outputTokens, 4)
    })
  }

  it('leaves nothing in flight', async () => {
    const status = (await (await node.get('/api/v1/status')).json()) as { nodes: { inFlight: number }[] }
    assert.equal(status.nodes[0]?.inFlight, 0)
  })
})

/** Every file below a folder except those that SQLite and the engine rewrite as they please, with a digest. */
async function treeOf(folder: string): Promise<readonly string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true })
  const files = entries.filter((entry) => entry.isFile() && !entry.name.startsWith('state.db'))
  return await Promise.all(
    files.map(async ({ parentPath, name }) => {
      const path = join(parentPath, name)
      return `${path} ${createHash('sha256')
        .update(await readFile(path))
        .digest('hex')}`
    }),
  )
}
