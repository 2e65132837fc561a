/** OpenAiRuntime: the Runtime contract in front of a real HTTP server, registration, health, and servers that misbehave. */
import assert from 'node:assert/strict'
import type { RequestListener } from 'node:http'
import { describe, it, type TestContext } from 'node:test'
import { inferenceRequest, runtimeContract } from '../../../test/contracts/runtime.contract.ts'
import {
  answerFromRuntime,
  type LoopbackServer,
  listenOnLoopback,
  sendJson,
} from '../../../test/support/runtime-server.ts'
import type { HeddleError } from '../../core/errors.ts'
import { limit } from '../../core/limits.ts'
import type { Timer } from '../../ports/clock.ts'
import { MemoryClock } from '../memory/memory-clock.ts'
import { SystemClock } from '../system/system-clock.ts'
import { readWhole } from './http-exchange.ts'
import { type OpenAiOptions, OpenAiRuntime } from './openai.ts'
import { ScriptRuntime } from './script.ts'

const noSecrets = async (): Promise<string | undefined> => undefined

runtimeContract('OpenAiRuntime', async () => {
  const script = new ScriptRuntime({ clock: new SystemClock() }, { model: 'org/weaver:1', tokens: 2000, rate: 1000 })
  script.start()
  const server = await listenOnLoopback((request, response) => {
    if (!answerFromRuntime(script, request, response)) sendJson(response, 404, { error: { message: 'no such path' } })
  })
  return {
    runtime: new OpenAiRuntime({ clock: new SystemClock(), readSecret: noSecrets }, { url: `${server.url}/v1/` }),
    model: 'org/weaver:1',
    embeddingModel: 'org/weaver:1',
    generating: () => script.inFlight(),
    async [Symbol.asyncDispose]() {
      await script[Symbol.asyncDispose]()
      await server[Symbol.asyncDispose]()
    },
  }
})

const MODELS = {
  object: 'list',
  data: [{ id: 'm', object: 'model', created: 1_760_000_000, owned_by: 'vllm', max_model_len: 4096 }],
}

/** A server with no `/health` whose other answers are the test's. */
function withModels(listener: RequestListener): RequestListener {
  return (request, response) => {
    if (request.url === '/health') response.writeHead(404).end()
    else if (request.url === '/v1/models') sendJson(response, 200, MODELS)
    else listener(request, response)
  }
}

async function served(t: TestContext, listener: RequestListener, port?: number): Promise<LoopbackServer> {
  const server = await listenOnLoopback(listener, port)
  t.after(() => server[Symbol.asyncDispose]())
  return server
}

function opened(t: TestContext, options: OpenAiOptions, { clock = new CheckClock(), readSecret = noSecrets } = {}) {
  const runtime = new OpenAiRuntime({ clock, readSecret }, options)
  t.after(() => runtime[Symbol.asyncDispose]())
  return { runtime, clock }
}

/** Virtual time that knows when a check has ended: that is when the next one is set. */
class CheckClock extends MemoryClock {
  /** Pauses before the checks, in order. */
  readonly delays: number[] = []

  override after(delayMs: number, task: () => void): Timer {
    if (delayMs !== limit('healthTimeoutMs')) this.delays.push(delayMs)
    return super.after(delayMs, task)
  }

  /** Waits until this many checks have ended. */
  checked(count: number): Promise<void> {
    return until(() => this.delays.length >= count)
  }

  /** Lets the next check happen, which must be due in `delayMs`. */
  async nextCheck(delayMs: number): Promise<void> {
    assert.equal(this.delays.at(-1), delayMs)
    const count = this.delays.length
    await this.advance(delayMs)
    await this.checked(count + 1)
  }
}

async function until(isSo: () => boolean): Promise<void> {
  const endMs = performance.now() + 5_000
  while (!isSo()) {
    assert.ok(performance.now() < endMs, 'it did not happen within 5 s')
    await new Promise((resolve) => setTimeout(resolve, 1))
  }
}

async function ready(t: TestContext, listener: RequestListener, options: Partial<OpenAiOptions> = {}) {
  const server = await served(t, listener)
  const { runtime, clock } = opened(t, { url: server.url, ...options })
  runtime.start()
  await clock.checked(1)
  assert.equal(runtime.snapshot().state, 'ready', runtime.snapshot().reason)
  return { server, runtime, clock }
}

describe('OpenAiRuntime registration', () => {
  it('keeps trying once a second until the server is up, and shows the tries and the last reason', async (t) => {
    const taken = await listenOnLoopback(() => {})
    await taken[Symbol.asyncDispose]()
    const { runtime, clock } = opened(t, { url: taken.url })
    runtime.start()
    await clock.checked(1)
    for (let tries = 1; tries <= 3; tries += 1) {
      assert.equal(runtime.snapshot().tries, tries)
      assert.equal(runtime.snapshot().state, 'starting')
      assert.match(runtime.snapshot().reason, /^nothing answers at http:\/\/127\.0\.0\.1:\d+ \(ECONNREFUSED\)$/)
      if (tries < 3) await clock.nextCheck(1000)
    }
    await served(
      t,
      withModels(() => {}),
      taken.port,
    )
    await clock.nextCheck(1000)
    assert.equal(runtime.snapshot().state, 'ready')
    assert.equal(runtime.snapshot().tries, 0)
    assert.equal(runtime.snapshot().sinceMs, clock.now())
    const [offer] = runtime.snapshot().offers
    assert.equal(offer?.id, 'm')
    assert.equal(offer?.contextTokens, 4096)
    assert.equal(offer?.createdSeconds, 1_760_000_000)
    assert.deepEqual(offer?.accepts, { mode: 'all-but', names: [] })
  })

  it('takes base URLs with and without /v1, prefixes and trailing slashes', async (t) => {
    const paths = new Set<string>()
    const server = await served(t, (request, response) => {
      paths.add(request.url ?? '')
      if (request.url?.endsWith('/v1/models')) sendJson(response, 200, MODELS)
      else response.writeHead(404).end()
    })
    for (const [suffix, prefix] of [
      ['', ''],
      ['/', ''],
      ['/v1', ''],
      ['/v1/', ''],
      ['/api/v1//', '/api'],
      ['/api', '/api'],
    ]) {
      paths.clear()
      const { runtime } = opened(t, { url: server.url + suffix })
      runtime.start()
      await until(() => runtime.snapshot().state === 'ready')
      assert.deepEqual([...paths], [`${prefix}/health`, `${prefix}/v1/models`])
      assert.equal(runtime.location, server.url + prefix)
      assert.equal(runtime.id, `openai:${server.url}${prefix}`)
    }
  })

  it('refuses URLs that are none, and credentials in a URL', () => {
    for (const url of ['', 'not a url', 'ftp://x', '127.0.0.1:8000', 'http://user:pass@host', 'http://host/?key=1']) {
      assert.throws(
        () => new OpenAiRuntime({ clock: new MemoryClock(), readSecret: noSecrets }, { url }),
        (error: HeddleError) =>
          error.code === 'config_invalid' && error.details.fix !== undefined && !error.message.includes('pass@'),
        url,
      )
    }
  })

  const unusable: readonly (readonly [string, RequestListener, RegExp])[] = [
    [
      'a server that is still loading',
      (_request, response) => sendJson(response, 503, { error: { message: 'Loading model' } }),
      /is up and not ready yet \(HTTP 503 from \/health\)/,
    ],
    [
      'a server without these paths',
      (_request, response) => response.writeHead(404).end('nope'),
      /\/v1\/models is not there \(HTTP 404\); is this the base URL/,
    ],
    [
      'a web page',
      (_request, response) => response.writeHead(200, { 'content-type': 'text/html' }).end('<html>hello</html>'),
      /answered text\/html instead of JSON/,
    ],
    [
      'garbage that calls itself JSON',
      (_request, response) => response.writeHead(200, { 'content-type': 'application/json' }).end('{"data": [}'),
      /answered something else instead of JSON/,
    ],
    [
      'JSON without a list',
      (_request, response) => sendJson(response, 200, { models: 1 }),
      /JSON without a list of models/,
    ],
    ['a JSON array', (_request, response) => sendJson(response, 200, []), /JSON that is no object/],
    [
      'a redirect',
      (_request, response) => response.writeHead(302, { location: 'http://elsewhere.invalid/' }).end(),
      /redirects \(HTTP 302\)/,
    ],
    [
      'a server that wants another key',
      (_request, response) => response.writeHead(401).end(),
      /refuses our key \(HTTP 401\)/,
    ],
    ['a broken server', (_request, response) => response.writeHead(500).end(), /is not well \(HTTP 500/],
    ['a server that resets', (request) => request.socket.resetAndDestroy(), /the runtime broke off before it answered/],
    [
      'an endless list',
      (_request, response) => response.writeHead(200).end(Buffer.alloc(limit('healthBodyBytes') + 1, ' ')),
      /answered more than \d+ bytes/,
    ],
  ]
  for (const [what, listener, reason] of unusable) {
    it(`is not ready in front of ${what}, and says why`, async (t) => {
      const server = await served(t, listener)
      const { runtime } = opened(t, { url: server.url })
      runtime.start()
      await until(() => runtime.snapshot().tries === 1)
      assert.equal(runtime.snapshot().state, 'starting')
      assert.match(runtime.snapshot().reason, reason)
      await assert.rejects(
        runtime.send(inferenceRequest('/v1/chat/completions', { model: 'm' }), { signal: t.signal }),
        (error: HeddleError) => error.code === 'runtime_unavailable',
      )
    })
  }

  it('gives up on a check that takes longer than 3 s', async (t) => {
    const asked = Promise.withResolvers<void>()
    const server = await served(t, () => asked.resolve())
    const { runtime, clock } = opened(t, { url: server.url })
    runtime.start()
    await asked.promise
    await clock.advance(limit('healthTimeoutMs'))
    await until(() => runtime.snapshot().tries === 1)
    assert.match(runtime.snapshot().reason, /did not answer within 3000 ms/)
  })

  it('takes a bounded number of models and leaves out ids that nobody should be shown', async (t) => {
    const odd = ['', ' m', 'a\u001b[31mred', 'line\nbreak', 'x'.repeat(300), 'right\u202eleft', 7, null]
    const many = Array.from({ length: limit('modelsPerRuntime') + 50 }, (_id, index) => `model-${index}`)
    const { runtime } = await ready(t, (request, response) => {
      if (request.url === '/health') response.end()
      else
        sendJson(response, 200, {
          data: [
            ...odd.map((id) => ({ id })),
            'text',
            { id: 'model-0' },
            ...many.map((id) => ({ id, owned_by: 'a\u0007b' })),
          ],
        })
    })
    const { offers } = runtime.snapshot()
    assert.equal(offers.length, limit('modelsPerRuntime'))
    assert.ok(offers.every(({ id }) => /^model-\d+$/.test(id)))
    assert.ok(offers.every(({ ownedBy }) => ownedBy === 'unknown'))
  })

  it('takes context, size and purpose from the extras of llama-server, LM Studio and OpenRouter', async (t) => {
    const { runtime } = await ready(t, (_request, response) => {
      sendJson(response, 200, {
        data: [
          { id: 'gguf', meta: { n_ctx_train: 32_768, n_params: 1_500_000_000, size: 986_000_000 } },
          { id: 'embedder', type: 'embeddings' },
          { id: 'seer', context_length: 128_000, architecture: { input_modalities: ['text', 'image'] } },
        ],
      })
    })
    const [gguf, embedder, seer] = runtime.snapshot().offers
    assert.equal(gguf?.contextTokens, 32_768)
    assert.equal(gguf?.parameters, 1_500_000_000)
    assert.deepEqual(embedder?.endpoints, ['embeddings'])
    assert.equal(seer?.contextTokens, 128_000)
    assert.equal(seer?.vision, true)
    assert.equal(gguf?.vision, undefined)
  })
})

describe('OpenAiRuntime health', () => {
  it('withdraws a server after three bad checks in a row and takes it back at the first good one', async (t) => {
    let healthy = true
    const { runtime, clock } = await ready(t, (request, response) => {
      if (healthy) withModels(() => {})(request, response)
      else request.socket.resetAndDestroy()
    })
    const states: string[] = []
    runtime.onChange(() => states.push(runtime.snapshot().state))
    healthy = false
    await clock.nextCheck(limit('healthIntervalMs'))
    await clock.nextCheck(limit('registrationIntervalMs'))
    assert.equal(runtime.snapshot().state, 'ready')
    await clock.nextCheck(limit('registrationIntervalMs'))
    assert.equal(runtime.snapshot().state, 'unhealthy')
    assert.match(runtime.snapshot().reason, /broke off/)
    assert.equal(runtime.snapshot().offers.length, 1)
    healthy = true
    await clock.nextCheck(limit('registrationIntervalMs'))
    assert.equal(runtime.snapshot().state, 'ready')
    assert.deepEqual(states, ['unhealthy', 'ready'])
  })

  it('does not withdraw a server that fails twice and then answers, however often', async (t) => {
    let failuresLeft = 0
    const { runtime, clock } = await ready(t, (request, response) => {
      if (request.url === '/health' && failuresLeft > 0) {
        failuresLeft -= 1
        request.socket.resetAndDestroy()
      } else withModels(() => {})(request, response)
    })
    let changes = 0
    runtime.onChange(() => {
      changes += 1
    })
    for (let round = 0; round < 2; round += 1) {
      failuresLeft = 2
      await clock.nextCheck(limit('healthIntervalMs'))
      await clock.nextCheck(limit('registrationIntervalMs'))
      await clock.nextCheck(limit('registrationIntervalMs'))
      assert.equal(failuresLeft, 0)
    }
    assert.equal(changes, 0)
    assert.equal(runtime.snapshot().state, 'ready')
  })

  it('looks again soon when a request could not get through', async (t) => {
    const { runtime, clock, server } = await ready(
      t,
      withModels((request) => request.socket.resetAndDestroy()),
    )
    await assert.rejects(
      runtime.send(inferenceRequest('/v1/chat/completions', { model: 'm' }), { signal: t.signal }),
      (error: HeddleError) => error.code === 'upstream_failed',
    )
    assert.equal(runtime.inFlight(), 0)
    assert.equal(clock.delays.at(-1), limit('registrationIntervalMs'))
    await server[Symbol.asyncDispose]()
    for (let failures = 0; failures < 3; failures += 1) {
      assert.equal(runtime.snapshot().state, 'ready')
      await clock.nextCheck(limit('registrationIntervalMs'))
    }
    assert.equal(runtime.snapshot().state, 'unhealthy')
    assert.match(runtime.snapshot().reason, /ECONNREFUSED/)
  })

  it('notices models that come and go, and says nothing while nothing changes', async (t) => {
    let ids = ['a']
    const { runtime, clock } = await ready(t, (_request, response) => {
      sendJson(response, 200, { data: ids.map((id) => ({ id })) })
    })
    let changes = 0
    runtime.onChange(() => {
      changes += 1
    })
    const before = runtime.snapshot()
    await clock.nextCheck(limit('healthIntervalMs'))
    assert.equal(runtime.snapshot(), before)
    ids = ['a', 'b']
    await clock.nextCheck(limit('healthIntervalMs'))
    assert.equal(changes, 1)
    assert.deepEqual(
      runtime.snapshot().offers.map(({ id }) => id),
      ['a', 'b'],
    )
  })
})

describe('OpenAiRuntime requests', () => {
  it('sends the key of the key file and never what the client sent', async (t) => {
    const seen: (string | undefined)[] = []
    const server = await served(t, (request, response) => {
      seen.push(request.headers.authorization)
      withModels((_request, answer) => sendJson(answer, 200, {}))(request, response)
    })
    const { runtime } = opened(
      t,
      { url: server.url, keyFile: '/keys/upstream' },
      { readSecret: async () => ' sk-upstream\n' },
    )
    runtime.start()
    await until(() => runtime.snapshot().state === 'ready')
    const request = inferenceRequest('/v1/chat/completions', { model: 'm' })
    const headers = { ...request.headers, authorization: 'Bearer sk-client', 'x-api-key': 'sk-client' }
    await readWhole((await runtime.send({ ...request, headers }, { signal: t.signal })).body, 1000)
    assert.deepEqual([...new Set(seen)], ['Bearer sk-upstream'])
    assert.doesNotMatch(JSON.stringify(runtime.snapshot()) + runtime.location + runtime.id, /sk-upstream/)
  })

  it('says so when the key file is missing or holds no key', async (t) => {
    for (const secret of [undefined, '', 'two\nlines']) {
      const server = await served(
        t,
        withModels(() => {}),
      )
      const { runtime } = opened(t, { url: server.url, keyFile: '/keys/upstream' }, { readSecret: async () => secret })
      runtime.start()
      await until(() => runtime.snapshot().tries === 1)
      assert.match(runtime.snapshot().reason, /\/keys\/upstream/)
      assert.doesNotMatch(runtime.snapshot().reason, /lines/)
    }
  })

  it('breaks off its answers when it is disposed', async (t) => {
    const { runtime } = await ready(
      t,
      withModels((_request, response) => response.write('data: 1\n\n')),
    )
    const response = await runtime.send(inferenceRequest('/v1/chat/completions', { model: 'm' }), { signal: t.signal })
    const body = response.body[Symbol.asyncIterator]()
    await body.next()
    const next = body.next()
    const disposed = runtime[Symbol.asyncDispose]()
    await assert.rejects(next, (error: HeddleError) => error.code === 'upstream_interrupted')
    await disposed
    assert.equal(runtime.inFlight(), 0)
  })
})
