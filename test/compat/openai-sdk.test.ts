/** OpenAI's own npm client against a running node: what it sends is answered as it expects. */
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import OpenAI, {
  APIConnectionError,
  APIError,
  APIUserAbortError,
  AuthenticationError,
  BadRequestError,
  InternalServerError,
  NotFoundError,
  PermissionDeniedError,
  RateLimitError,
} from 'openai'
import { startTestNode, type TestNode } from '../support/test-node.ts'

const TINY = 'tinychat-1.2m-q8_0'
const RUNTIMES = [
  'llama',
  'script:demo?tokens=12',
  'script:org/deep/name:8b@q4?tokens=4',
  'script:slow?tokens=5000&rate=100',
  'script:late?fail=cut&fail_at=3&rate=200',
  'script:late-error?fail=error&fail_at=3&rate=200',
  'script:endless?fail=nofinish&fail_at=3&rate=200',
  'script:hopeless?fail=cut',
  'script:once?fail=error&fail_times=1&tokens=3',
].join(',')

const WEATHER: OpenAI.ChatCompletionTool = {
  type: 'function',
  function: {
    name: 'get_weather',
    description: 'Weather of a city',
    parameters: { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] },
  },
}

describe('the openai client', () => {
  let node: TestNode
  let client: OpenAI
  before(async () => {
    node = await startTestNode({ HEDDLE_RUNTIMES: RUNTIMES })
    client = new OpenAI({ apiKey: node.key, baseURL: `${node.url}/v1`, maxRetries: 0 })
    while (!node.node.models().includes(TINY)) await new Promise((resolve) => setTimeout(resolve, 50))
  })
  after(() => node[Symbol.asyncDispose]())

  const ask = (model: string, content: string, more: Partial<OpenAI.ChatCompletionCreateParamsNonStreaming> = {}) =>
    client.chat.completions.create({ model, messages: [{ role: 'user', content }], temperature: 0, ...more })

  it('chats', async () => {
    const answer = await ask(TINY, 'What is the capital of France?')
    assert.equal(answer.choices[0]?.message.content, 'The capital of France is Paris.')
    assert.equal(answer.choices[0]?.finish_reason, 'stop')
    assert.equal(answer.object, 'chat.completion')
    assert.ok((answer.usage?.prompt_tokens ?? 0) > 5)
    assert.equal(
      answer.usage?.total_tokens,
      (answer.usage?.prompt_tokens ?? 0) + (answer.usage?.completion_tokens ?? 0),
    )
    assert.match(answer._request_id ?? '', /^req_/)
  })

  it('keeps a conversation', async () => {
    const messages: OpenAI.ChatCompletionMessageParam[] = [{ role: 'user', content: 'My name is Kofi.' }]
    for (const next of ['What is 2 + 3?', 'What is my name?']) {
      const answer = await client.chat.completions.create({ model: TINY, messages, temperature: 0 })
      messages.push(
        { role: 'assistant', content: answer.choices[0]?.message.content ?? '' },
        { role: 'user', content: next },
      )
    }
    const last = await client.chat.completions.create({ model: TINY, messages, temperature: 0 })
    assert.equal(last.choices[0]?.message.content, 'Your name is Kofi.')
  })

  it('streams, with usage only when asked', async () => {
    for (const include of [true, false]) {
      const stream = await client.chat.completions.create({
        model: TINY,
        messages: [{ role: 'user', content: 'What is the capital of France?' }],
        temperature: 0,
        stream: true,
        ...(include ? { stream_options: { include_usage: true } } : {}),
      })
      let text = ''
      const usages: unknown[] = []
      const ids = new Set<string>()
      for await (const chunk of stream) {
        text += chunk.choices[0]?.delta.content ?? ''
        ids.add(`${chunk.id} ${chunk.created} ${chunk.model}`)
        if (chunk.usage) usages.push(chunk.usage)
      }
      assert.equal(text, 'The capital of France is Paris.')
      assert.equal(ids.size, 1)
      assert.equal(usages.length, include ? 1 : 0)
    }
  })

  it('assembles a stream with its helper', async () => {
    const runner = client.chat.completions.stream({
      model: TINY,
      messages: [{ role: 'user', content: 'Hello!' }],
      temperature: 0,
    })
    const whole = await runner.finalChatCompletion()
    assert.equal(whole.choices[0]?.message.content, 'Hello! How can I help you?')
  })

  it('aborts a stream, and the node is free at once', async () => {
    const stream = await client.chat.completions.create({
      model: 'slow',
      messages: [{ role: 'user', content: 'x' }],
      stream: true,
    })
    let chunks = 0
    for await (const _ of stream) {
      chunks += 1
      if (chunks === 3) break
    }
    const leaving = new AbortController()
    const aborted = client.chat.completions.create(
      { model: 'slow', messages: [{ role: 'user', content: 'x' }] },
      { signal: leaving.signal },
    )
    setTimeout(() => leaving.abort(), 50)
    await assert.rejects(aborted, APIUserAbortError)
  })

  it('calls tools, streamed and not', async () => {
    const request = {
      model: 'demo',
      messages: [{ role: 'user' as const, content: 'Weather in Rome?' }],
      tools: [WEATHER],
      tool_choice: 'required' as const,
    }
    const whole = await client.chat.completions.create(request)
    const call = whole.choices[0]?.message.tool_calls?.[0]
    assert.equal(whole.choices[0]?.finish_reason, 'tool_calls')
    assert.ok(call?.type === 'function' && call.function.name === 'get_weather')
    assert.equal(typeof JSON.parse(call.function.arguments), 'object')
    const streamed = await client.chat.completions.stream(request).finalChatCompletion()
    const again = streamed.choices[0]?.message.tool_calls?.[0]
    assert.ok(again?.type === 'function' && again.function.name === 'get_weather')
    assert.equal(again.function.arguments, call.function.arguments)
  })

  it('refuses tools for a model that cannot call them', async () => {
    await assert.rejects(
      ask(TINY, 'x', { tools: [WEATHER] }),
      (error) => error instanceof BadRequestError && error.param === 'tools' && error.code === 'unsupported_parameter',
    )
  })

  it('gets JSON by schema from the engine', async () => {
    const schema = {
      type: 'object',
      properties: { color: { type: 'string', enum: ['red', 'blue'] }, loud: { type: 'boolean' } },
      required: ['color', 'loud'],
      additionalProperties: false,
    }
    const answer = await ask(TINY, 'Pick a color.', {
      response_format: { type: 'json_schema', json_schema: { name: 'pick', strict: true, schema } },
      max_tokens: 60,
    })
    const json = JSON.parse(answer.choices[0]?.message.content ?? '') as { color: string; loud: boolean }
    assert.ok(['red', 'blue'].includes(json.color))
    assert.equal(typeof json.loud, 'boolean')
  })

  it('completes prompts', async () => {
    const answer = await client.completions.create({
      model: TINY,
      prompt: 'The capital of France is',
      max_tokens: 4,
      temperature: 0,
    })
    assert.equal(answer.object, 'text_completion')
    assert.ok((answer.choices[0]?.text.length ?? 0) > 0)
    const stream = await client.completions.create({
      model: TINY,
      prompt: 'The capital of France is',
      max_tokens: 4,
      temperature: 0,
      stream: true,
    })
    let text = ''
    for await (const chunk of stream) text += chunk.choices[0]?.text ?? ''
    assert.equal(text, answer.choices[0]?.text)
  })

  it('embeds: base64 as the client asks by default, floats when told, the same numbers', async () => {
    for (const model of ['demo', TINY]) {
      const packed = await client.embeddings.create({ model, input: ['a red ball', 'a blue ball'] })
      const floats = await client.embeddings.create({
        model,
        input: ['a red ball', 'a blue ball'],
        encoding_format: 'float',
      })
      assert.equal(packed.data.length, 2)
      assert.ok((packed.data[0]?.embedding.length ?? 0) >= 8)
      packed.data.forEach(({ embedding }, index) => {
        const plain = floats.data[index]?.embedding ?? []
        assert.equal(embedding.length, plain.length)
        for (const [at, value] of embedding.entries()) assert.ok(Math.abs(value - (plain[at] ?? Number.NaN)) < 1e-5)
      })
      assert.ok(floats.usage.prompt_tokens > 0)
    }
  })

  it('lists models and finds one whose id has slashes, colons and at signs', async () => {
    const ids: string[] = []
    for await (const model of client.models.list()) ids.push(model.id)
    assert.ok(ids.includes(TINY) && ids.includes('org/deep/name:8b@q4'))
    const model = await client.models.retrieve('org/deep/name:8b@q4')
    assert.equal(model.object, 'model')
    assert.equal((await client.models.retrieve(TINY)).id, TINY)
  })

  it('gives several choices', async () => {
    const answer = await ask('demo', 'x', { n: 3 })
    assert.deepEqual(
      answer.choices.map(({ index }) => index),
      [0, 1, 2],
    )
  })

  describe('errors', () => {
    const expectError = async (
      act: Promise<unknown>,
      type: abstract new (...args: never[]) => APIError,
      code: string,
    ): Promise<void> => {
      await assert.rejects(act, (error) => {
        assert.ok(error instanceof type, `${String(error)} is no ${type.name}`)
        assert.equal(error.code, code)
        assert.match(error.requestID ?? '', /^req_/)
        return true
      })
    }

    it('gives each status its class', async () => {
      const stranger = new OpenAI({ apiKey: 'sk-heddle-wrong', baseURL: `${node.url}/v1`, maxRetries: 0 })
      await expectError(stranger.models.list().then(), AuthenticationError, 'invalid_api_key')
      await expectError(ask('nothing-like-it', 'x').then(), NotFoundError, 'model_not_found')
      await expectError(client.models.retrieve('nothing-like-it').then(), NotFoundError, 'model_not_found')
      await expectError(ask('demo', 'x', { temperature: 9 }).then(), BadRequestError, 'invalid_request')
      await expectError(ask(TINY, 'word '.repeat(2_000)).then(), BadRequestError, 'context_length_exceeded')
      await expectError(ask('hopeless', 'x').then(), InternalServerError, 'upstream_failed')
    })

    it('tells keys what they may not do', async () => {
      const made = await fetch(`${node.url}/api/v1/keys`, {
        method: 'POST',
        headers: { authorization: `Bearer ${node.adminKey}`, 'content-type': 'application/json' },
        body: JSON.stringify({ name: 'narrow', scopes: ['inference'], models: ['demo'], rpm: 2 }),
      })
      const { secret } = (await made.json()) as { secret: string }
      const narrow = new OpenAI({ apiKey: secret, baseURL: `${node.url}/v1`, maxRetries: 0 })
      const say = (model: string) =>
        narrow.chat.completions.create({ model, messages: [{ role: 'user', content: 'x' }] })
      await expectError(say(TINY).then(), PermissionDeniedError, 'model_not_allowed')
      const { response } = await say('demo').withResponse()
      assert.equal(response.headers.get('x-ratelimit-limit-requests'), '2')
      assert.equal(response.headers.get('x-ratelimit-remaining-requests'), '0')
      await expectError(say('demo').then(), RateLimitError, 'rate_limit_exceeded')
    })

    it('throws in the loop when a stream breaks', async () => {
      for (const model of ['late', 'late-error', 'endless']) {
        const stream = await client.chat.completions.create({
          model,
          messages: [{ role: 'user', content: 'x' }],
          stream: true,
        })
        let chunks = 0
        await assert.rejects(
          async () => {
            for await (const _ of stream) chunks += 1
          },
          (error) => error instanceof APIError && error.code === 'upstream_interrupted',
          model,
        )
        assert.ok(chunks > 0)
      }
    })

    it('retries what may be tried again and nothing else', async () => {
      let calls = 0
      const counting = new OpenAI({
        apiKey: node.key,
        baseURL: `${node.url}/v1`,
        maxRetries: 2,
        fetch: (url, init) => {
          calls += 1
          return fetch(url, init)
        },
      })
      const messages: OpenAI.ChatCompletionMessageParam[] = [{ role: 'user', content: 'x' }]
      const answer = await counting.chat.completions.create({ model: 'once', messages })
      assert.equal(answer.choices[0]?.finish_reason, 'stop')
      assert.equal(calls, 2)
      calls = 0
      await assert.rejects(
        counting.chat.completions.create({ model: 'nothing-like-it', messages }).then(),
        NotFoundError,
      )
      assert.equal(calls, 1)
      calls = 0
      await assert.rejects(
        counting.chat.completions.create({ model: 'hopeless', messages }).then(),
        InternalServerError,
      )
      assert.equal(calls, 3)
    })

    it('knows a node that is not there', async () => {
      const nowhere = new OpenAI({ apiKey: 'x', baseURL: 'http://127.0.0.1:9/v1', maxRetries: 0 })
      await assert.rejects(nowhere.models.list().then(), APIConnectionError)
    })
  })
})
