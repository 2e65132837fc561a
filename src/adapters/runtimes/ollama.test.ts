/** OllamaRuntime in front of a server that behaves as Ollama does: the contract, offers, pulls, and what its `/v1` ignores. */
import assert from 'node:assert/strict'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { describe, it, type TestContext } from 'node:test'
import { inferenceRequest, runtimeContract } from '../../../test/contracts/runtime.contract.ts'
import { answerFromRuntime, listenOnLoopback, readBody, sendJson } from '../../../test/support/runtime-server.ts'
import type { HeddleError } from '../../core/errors.ts'
import { SystemClock } from '../system/system-clock.ts'
import { readWhole } from './http-exchange.ts'
import { OllamaRuntime } from './ollama.ts'
import { ScriptRuntime } from './script.ts'

interface FakeModel {
  readonly name: string
  readonly digest: string
  readonly show?: object | undefined
}

const LLAMA: FakeModel = {
  name: 'llama3.2:3b',
  digest: 'aa11',
  show: {
    capabilities: ['completion', 'tools'],
    parameters: 'num_ctx                        8192\nstop    "<|eot_id|>"',
    model_info: {
      'general.architecture': 'llama',
      'general.parameter_count': 3_212_749_888,
      'llama.context_length': 131_072,
    },
  },
}
const EMBEDDER: FakeModel = {
  name: 'all-minilm:latest',
  digest: 'bb22',
  show: { capabilities: ['embedding'], model_info: { 'general.architecture': 'bert', 'bert.context_length': 512 } },
}

/** Ollama's own API, with what was asked for later inspection. */
class FakeOllama {
  models: FakeModel[] = [LLAMA, EMBEDDER]
  loaded: object[] = []
  version: unknown = '0.40.1'
  /** Lines of the next pull; an empty list cuts the connection. */
  pullLines: object[] = []
  readonly shown: string[] = []
  readonly inferences: { path: string; body: Record<string, unknown> }[] = []
  showsAtOnce = 0
  mostShowsAtOnce = 0

  answer = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const body = request.method === 'GET' ? {} : JSON.parse((await readBody(request)).toString())
    switch (`${request.method} ${request.url}`) {
      case 'GET /api/version':
        return sendJson(response, 200, { version: this.version })
      case 'GET /api/tags':
        return sendJson(response, 200, {
          models: this.models.map(({ name, digest }) => ({
            name,
            model: name,
            digest,
            size: 2_000_000_000,
            modified_at: '2025-06-01T10:00:00.5+02:00',
            details: { family: 'llama', parameter_size: '3.2B', quantization_level: 'Q4_K_M' },
          })),
        })
      case 'GET /api/ps':
        return sendJson(response, 200, { models: this.loaded })
      case 'POST /api/show': {
        this.shown.push(body.model)
        this.showsAtOnce += 1
        this.mostShowsAtOnce = Math.max(this.mostShowsAtOnce, this.showsAtOnce)
        await new Promise((resolve) => setTimeout(resolve, 5))
        this.showsAtOnce -= 1
        const show = this.models.find(({ name }) => name === body.model)?.show
        return show === undefined
          ? sendJson(response, 404, { error: 'model not found' })
          : sendJson(response, 200, show)
      }
      case 'DELETE /api/delete': {
        const before = this.models.length
        this.models = this.models.filter(({ name }) => name !== body.model)
        response.writeHead(this.models.length < before ? 200 : 404).end()
        return
      }
      case 'POST /api/pull':
        if (body.model === 'refused')
          return sendJson(response, 500, { error: 'pull model manifest: file does not exist' })
        response.writeHead(200, { 'content-type': 'application/x-ndjson' })
        for (const line of this.pullLines) response.write(`${JSON.stringify(line)}\n`)
        if (this.pullLines.length === 0)
          response.write('{"status":"pulling manifest"}\n', () => request.socket.resetAndDestroy())
        else response.end()
        return
      default:
        this.inferences.push({ path: request.url ?? '', body })
        return sendJson(response, 200, { choices: [] })
    }
  }
}

runtimeContract('OllamaRuntime', async () => {
  const script = new ScriptRuntime({ clock: new SystemClock() }, { model: LLAMA.name, tokens: 2000, rate: 1000 })
  script.start()
  const fake = new FakeOllama()
  fake.models = [{ ...LLAMA, show: undefined }]
  const server = await listenOnLoopback((request, response) => {
    if (request.url?.startsWith('/api/') === true) void fake.answer(request, response)
    else answerFromRuntime(script, request, response)
  })
  return {
    runtime: new OllamaRuntime({ clock: new SystemClock() }, { url: server.url }),
    model: LLAMA.name,
    embeddingModel: LLAMA.name,
    generating: () => script.inFlight(),
    async [Symbol.asyncDispose]() {
      await script[Symbol.asyncDispose]()
      await server[Symbol.asyncDispose]()
    },
  }
})

async function until(isSo: () => boolean): Promise<void> {
  const endMs = performance.now() + 5_000
  while (!isSo()) {
    assert.ok(performance.now() < endMs, 'it did not happen within 5 s')
    await new Promise((resolve) => setTimeout(resolve, 1))
  }
}

async function started(t: TestContext, change: (fake: FakeOllama) => void = () => {}) {
  const fake = new FakeOllama()
  change(fake)
  const server = await listenOnLoopback((request, response) => void fake.answer(request, response))
  t.after(() => server[Symbol.asyncDispose]())
  const runtime = new OllamaRuntime({ clock: new SystemClock() }, { url: server.url })
  t.after(() => runtime[Symbol.asyncDispose]())
  runtime.start()
  await until(() => runtime.snapshot().state === 'ready' || runtime.snapshot().tries > 0)
  return { fake, runtime }
}

describe('OllamaRuntime', () => {
  it('offers each model for what it can do, with its context and size', async (t) => {
    const { runtime } = await started(t)
    const [llama, embedder] = runtime.snapshot().offers
    assert.deepEqual(llama?.endpoints, ['chat', 'completions'])
    assert.equal(llama?.contextTokens, 8192)
    assert.equal(llama?.architecture, 'llama')
    assert.equal(llama?.quantisation, 'Q4_K_M')
    assert.equal(llama?.parameters, 3_212_749_888)
    assert.equal(llama?.createdSeconds, Date.UTC(2025, 5, 1, 8) / 1000)
    assert.equal(llama?.vision, false)
    assert.deepEqual(embedder?.endpoints, ['embeddings'])
    assert.equal(embedder?.contextTokens, 512)
  })

  it('admits to no parameter that its /v1 drops without a word', async (t) => {
    const { runtime } = await started(t)
    const [llama, embedder] = runtime.snapshot().offers
    const accepts = llama?.accepts
    assert.equal(accepts?.mode, 'only')
    for (const name of [
      'n',
      'tool_choice',
      'logprobs',
      'top_logprobs',
      'logit_bias',
      'best_of',
      'echo',
      'top_k',
      'suffix',
    ]) {
      assert.ok(!accepts?.names.includes(name), name)
    }
    for (const name of ['temperature', 'seed', 'stop', 'response_format', 'max_completion_tokens', 'tools']) {
      assert.ok(accepts?.names.includes(name), name)
    }
    assert.ok(!embedder?.accepts.names.includes('tools'))
  })

  it('sends max_completion_tokens under the name that Ollama reads, and touches nothing else', async (t) => {
    const { runtime, fake } = await started(t)
    const ask = async (body: object | string): Promise<void> => {
      const response = await runtime.send(inferenceRequest('/v1/chat/completions', body), { signal: t.signal })
      await readWhole(response.body, 10_000)
    }
    const messages = [{ role: 'user', content: 'What does "max_completion_tokens" mean? ü' }]
    await ask({ model: 'm', messages, max_completion_tokens: 5, max_tokens: 9 })
    await ask({ model: 'm', messages, temperature: 0 })
    assert.deepEqual(
      fake.inferences.map(({ body }) => body),
      [
        { model: 'm', messages, max_tokens: 5 },
        { model: 'm', messages, temperature: 0 },
      ],
    )
  })

  it('asks about a model once, a few at a time, and again only when its digest changes', async (t) => {
    const many = Array.from({ length: 20 }, (_model, index) => ({ ...LLAMA, name: `m${index}`, digest: `d${index}` }))
    const { fake, runtime } = await started(t, (ollama) => {
      ollama.models = many
    })
    assert.equal(runtime.snapshot().offers.length, 20)
    assert.equal(fake.shown.length, 20)
    assert.ok(fake.mostShowsAtOnce > 1 && fake.mostShowsAtOnce <= 4, `${fake.mostShowsAtOnce} at once`)
    fake.models = [{ ...LLAMA, name: 'm0', digest: 'other' }, ...many.slice(1)]
    for await (const _line of pulled(fake, runtime, t));
    await until(() => fake.shown.length === 21)
    assert.equal(fake.shown.at(-1), 'm0')
  })

  it('says what is loaded and where it runs', async (t) => {
    const { runtime } = await started(t, (ollama) => {
      ollama.loaded = [{ name: 'llama3.2:3b', size: 4_000_000_000, size_vram: 3_000_000_000 }]
    })
    const { facts } = runtime.snapshot()
    assert.equal(facts['loaded'], 'llama3.2:3b')
    assert.equal(facts['processor'], '25%/75% CPU/GPU')
    assert.equal(facts['version'], '0.40.1')
  })

  it('is not ready in front of something that is no Ollama', async (t) => {
    const { runtime } = await started(t, (ollama) => {
      ollama.version = 7
    })
    assert.equal(runtime.snapshot().state, 'starting')
    assert.match(runtime.snapshot().reason, /is no Ollama: \/api\/version names no version/)
  })

  it('pulls with progress and then offers the model', async (t) => {
    const { fake, runtime } = await started(t)
    fake.models.push({ ...LLAMA, name: 'new:latest', digest: 'cc33' })
    const lines = await Array.fromAsync(pulled(fake, runtime, t))
    assert.deepEqual(lines[1], { status: 'pulling aa', digest: 'sha256:aa', totalBytes: 100, completedBytes: 40 })
    assert.equal(lines.at(-1)?.status, 'success')
    await until(() => runtime.snapshot().offers.some(({ id }) => id === 'new:latest'))
  })

  it('tells when a pull was refused, failed, was cut, or ended early', async (t) => {
    const { fake, runtime } = await started(t)
    const failing: readonly (readonly [string, object[], RegExp])[] = [
      ['refused', [], /refused to pull \(HTTP 500\): pull model manifest/],
      [
        'broken',
        [{ status: 'pulling manifest' }, { error: 'no space left on device' }],
        /could not pull: no space left/,
      ],
      ['early', [{ status: 'pulling manifest' }], /stopped the pull before its end/],
      ['cut', [], /broke off/],
    ]
    for (const [model, lines, message] of failing) {
      fake.pullLines = lines
      await assert.rejects(
        Array.fromAsync(runtime.pull(model, { signal: t.signal })),
        (error: HeddleError) => message.test(error.message),
        model,
      )
    }
  })

  it('removes a model and says false where there is none', async (t) => {
    const { runtime } = await started(t)
    assert.equal(await runtime.remove(LLAMA.name, { signal: t.signal }), true)
    assert.equal(await runtime.remove('nothing:latest', { signal: t.signal }), false)
    await until(() => runtime.snapshot().offers.length === 1)
  })
})

function pulled(fake: FakeOllama, runtime: OllamaRuntime, t: TestContext) {
  fake.pullLines = [
    { status: 'pulling manifest' },
    { status: 'pulling aa', digest: 'sha256:aa', total: 100, completed: 40 },
    { status: 'success' },
  ]
  return runtime.pull('new', { signal: t.signal })
}
