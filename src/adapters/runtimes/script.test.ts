/** The scripted runtime: the Runtime contract, and each of its own behaviours. */
import assert from 'node:assert/strict'
import { describe, it, type TestContext } from 'node:test'
import { inferenceRequest, runtimeContract } from '../../../test/contracts/runtime.contract.ts'
import type { HeddleError } from '../../core/errors.ts'
import type { MessageResponse } from '../../core/message.ts'
import { MemoryClock } from '../memory/memory-clock.ts'
import { SystemClock } from '../system/system-clock.ts'
import { readWhole } from './http-exchange.ts'
import { ScriptRuntime } from './script.ts'
import type { ScriptOptions } from './script-options.ts'

runtimeContract('ScriptRuntime', async () => ({
  runtime: new ScriptRuntime({ clock: new SystemClock() }, { model: 'weaver', tokens: 2000, rate: 1000 }),
  model: 'weaver',
  embeddingModel: 'weaver',
  async [Symbol.asyncDispose]() {},
}))

const MESSAGES = [{ role: 'user', content: 'Say something.' }]
const QUICK: Partial<ScriptOptions> = { tokens: 12 }

function started(t: TestContext, options: Partial<ScriptOptions> = QUICK, clock = new MemoryClock()): ScriptRuntime {
  const runtime = new ScriptRuntime({ clock }, { model: 'demo', ...options })
  runtime.start()
  t.after(() => runtime[Symbol.asyncDispose]())
  return runtime
}

function ask(
  runtime: ScriptRuntime,
  t: TestContext,
  fields: object,
  path = '/v1/chat/completions',
): Promise<MessageResponse> {
  return runtime.send(inferenceRequest(path, { model: 'demo', ...fields }), { signal: t.signal })
}

async function bodyText(response: MessageResponse): Promise<string> {
  return (await readWhole(response.body, 10_000_000)).toString()
}

async function answerOf(runtime: ScriptRuntime, t: TestContext, fields: object, path?: string) {
  return JSON.parse(await bodyText(await ask(runtime, t, fields, path)))
}

function chunksIn(text: string) {
  const events = text
    .trim()
    .split('\n\n')
    .map((event) => event.replace(/^data: /, ''))
  return events.filter((event) => event !== '[DONE]').map((event) => JSON.parse(event))
}

describe('a scripted answer', () => {
  it('depends on model and messages, not on the runtime that gives it', async (t) => {
    const first = await answerOf(started(t), t, { messages: MESSAGES })
    const second = await answerOf(started(t), t, { messages: MESSAGES })
    const other = await answerOf(started(t), t, { messages: [{ role: 'user', content: 'Something else.' }] })
    assert.equal(first.choices[0].message.content, second.choices[0].message.content)
    assert.notEqual(first.choices[0].message.content, other.choices[0].message.content)
    assert.equal(first.choices[0].finish_reason, 'stop')
    assert.equal(first.usage.completion_tokens, 12)
  })

  it('goes on where a last assistant message ends', async (t) => {
    const runtime = started(t)
    const whole = (await answerOf(runtime, t, { messages: MESSAGES })).choices[0].message.content as string
    const begun = whole.split(' ').slice(0, 5).join(' ')
    const rest = await answerOf(runtime, t, { messages: [...MESSAGES, { role: 'assistant', content: begun }] })
    assert.equal(begun + rest.choices[0].message.content, whole)
  })

  it('stops before a stop string, wherever in the tokens it stands', async (t) => {
    const runtime = started(t)
    const whole = (await answerOf(runtime, t, { messages: MESSAGES })).choices[0].message.content as string
    const [first, second, third] = whole.split(' ') as [string, string, string]
    for (const stop of [`${second} ${third}`, ` ${second}`, [third, second]]) {
      const answer = await answerOf(runtime, t, { messages: MESSAGES, stop })
      const expected = Array.isArray(stop) || stop.startsWith(second) ? `${first} ` : first
      assert.equal(answer.choices[0].message.content, expected)
      assert.equal(answer.choices[0].finish_reason, 'stop')
    }
    const streamed = chunksIn(
      await bodyText(await ask(runtime, t, { messages: MESSAGES, stop: ` ${second}`, stream: true })),
    )
    assert.equal(streamed.map((chunk) => chunk.choices[0].delta.content ?? '').join(''), first)
  })

  it('gives n answers that differ, whole and streamed', async (t) => {
    const runtime = started(t)
    const whole = await answerOf(runtime, t, { messages: MESSAGES, n: 3 })
    const texts = whole.choices.map((choice: { message: { content: string } }) => choice.message.content)
    assert.equal(new Set(texts).size, 3)
    assert.equal(whole.usage.completion_tokens, 36)
    const chunks = chunksIn(await bodyText(await ask(runtime, t, { messages: MESSAGES, n: 3, stream: true })))
    const streamed = ['', '', '']
    for (const { choices } of chunks) streamed[choices[0].index] += choices[0].delta.content ?? ''
    assert.deepEqual(streamed, texts)
    assert.equal(chunks.filter((chunk) => chunk.choices[0].finish_reason === 'stop').length, 3)
  })

  it('gives log probabilities in both formats', async (t) => {
    const runtime = started(t)
    const chat = await answerOf(runtime, t, { messages: MESSAGES, logprobs: true, top_logprobs: 3 })
    const entries = chat.choices[0].logprobs.content
    assert.equal(entries.length, 12)
    assert.equal(entries.map((entry: { token: string }) => entry.token).join(''), chat.choices[0].message.content)
    assert.equal(entries[0].top_logprobs.length, 3)
    assert.equal(entries[0].top_logprobs[0].token, entries[0].token)
    assert.ok(entries[0].top_logprobs[0].logprob > entries[0].top_logprobs[1].logprob)
    assert.equal(Buffer.from(entries[5].bytes).toString(), entries[5].token)
    const text = await answerOf(
      runtime,
      t,
      { prompt: 'Once', logprobs: 2, echo: true, max_tokens: 4 },
      '/v1/completions',
    )
    const { tokens, text_offset: offsets } = text.choices[0].logprobs
    assert.ok(text.choices[0].text.startsWith('Once'))
    for (const [index, token] of tokens.entries()) assert.ok(text.choices[0].text.startsWith(token, offsets[index]))
  })

  it('makes unit vectors, in base64 as little-endian floats when asked', async (t) => {
    const runtime = started(t)
    const floats = await answerOf(runtime, t, { input: ['a', 'b'], dimensions: 8 }, '/v1/embeddings')
    const coded = await answerOf(
      runtime,
      t,
      { input: ['a', 'b'], dimensions: 8, encoding_format: 'base64' },
      '/v1/embeddings',
    )
    for (const index of [0, 1]) {
      const vector = floats.data[index].embedding as number[]
      const bytes = Buffer.from(coded.data[index].embedding, 'base64')
      assert.deepEqual(
        Array.from({ length: 8 }, (_value, at) => bytes.readFloatLE(at * 4)),
        vector,
      )
      assert.ok(Math.abs(Math.hypot(...vector) - 1) < 1e-6)
    }
  })

  it('refuses a prompt beyond its context', async (t) => {
    const response = await ask(started(t, { contextTokens: 10 }), t, {
      messages: [{ role: 'user', content: 'word '.repeat(20) }],
    })
    assert.equal(response.status, 400)
    assert.equal(JSON.parse(await bodyText(response)).error.code, 'context_length_exceeded')
  })
})

describe('scripted structure', () => {
  const parameters = {
    type: 'object',
    properties: { city: { type: 'string', minLength: 3 }, days: { $ref: '#/$defs/days' }, unit: { enum: ['C', 'F'] } },
    required: ['city', 'days', 'unit'],
    $defs: { days: { type: 'integer', exclusiveMinimum: 4, maximum: 9 } },
  }
  const tools = [{ type: 'function', function: { name: 'forecast', parameters } }]

  it('calls a tool with valid arguments, streamed in fragments under one identity', async (t) => {
    const runtime = started(t)
    const whole = await answerOf(runtime, t, { messages: MESSAGES, tools })
    const call = whole.choices[0].message.tool_calls[0]
    assert.equal(whole.choices[0].finish_reason, 'tool_calls')
    assert.equal(whole.choices[0].message.content, null)
    assert.equal(call.function.name, 'forecast')
    assert.deepEqual(JSON.parse(call.function.arguments), { city: 'xxx', days: 5, unit: 'C' })
    const chunks = chunksIn(await bodyText(await ask(runtime, t, { messages: MESSAGES, tools, stream: true })))
    const deltas = chunks.flatMap((chunk) => chunk.choices[0].delta.tool_calls ?? [])
    assert.ok(deltas.length > 3)
    assert.ok(deltas.every((delta) => delta.index === 0))
    assert.deepEqual(deltas[0], {
      index: 0,
      id: call.id,
      type: 'function',
      function: { name: 'forecast', arguments: '' },
    })
    assert.ok(deltas.slice(1).every((delta) => delta.id === undefined && delta.function.name === undefined))
    assert.equal(deltas.map((delta) => delta.function.arguments).join(''), call.function.arguments)
    assert.equal(chunks.at(-1).choices[0].finish_reason, 'tool_calls')
  })

  it('answers in words when tools are forbidden, or have answered', async (t) => {
    const runtime = started(t)
    const none = await answerOf(runtime, t, { messages: MESSAGES, tools, tool_choice: 'none' })
    assert.equal(none.choices[0].finish_reason, 'stop')
    const answered = [
      ...MESSAGES,
      { role: 'assistant', content: null, tool_calls: [{ id: 'call_1' }] },
      { role: 'tool', tool_call_id: 'call_1', content: '20 C' },
    ]
    const text = await answerOf(runtime, t, { messages: answered, tools })
    assert.ok(text.choices[0].message.content.length > 0)
    const required = await answerOf(runtime, t, { messages: answered, tools, tool_choice: 'required' })
    assert.equal(required.choices[0].finish_reason, 'tool_calls')
  })

  it('calls the tool that was asked for and refuses one that is not there', async (t) => {
    const runtime = started(t)
    const two = [...tools, { type: 'function', function: { name: 'clock' } }]
    const asked = await answerOf(runtime, t, {
      messages: MESSAGES,
      tools: two,
      tool_choice: { type: 'function', function: { name: 'clock' } },
    })
    assert.equal(asked.choices[0].message.tool_calls[0].function.name, 'clock')
    assert.equal(asked.choices[0].message.tool_calls[0].function.arguments, '{}')
    const missing = await ask(runtime, t, {
      messages: MESSAGES,
      tools,
      tool_choice: { type: 'function', function: { name: 'clock' } },
    })
    assert.equal(missing.status, 400)
    assert.equal(JSON.parse(await bodyText(missing)).error.param, 'tool_choice')
  })

  it('fills a JSON schema and gives an object for json_object', async (t) => {
    const runtime = started(t)
    const format = { type: 'json_schema', json_schema: { name: 'trip', strict: true, schema: parameters } }
    const shaped = await answerOf(runtime, t, { messages: MESSAGES, response_format: format })
    assert.deepEqual(JSON.parse(shaped.choices[0].message.content), { city: 'xxx', days: 5, unit: 'C' })
    const object = await answerOf(runtime, t, { messages: MESSAGES, response_format: { type: 'json_object' } })
    assert.equal(typeof JSON.parse(object.choices[0].message.content), 'object')
    const hopeless = { type: 'json_schema', json_schema: { name: 'x', schema: { type: 'string', pattern: '^a+$' } } }
    const refused = await ask(runtime, t, { messages: MESSAGES, response_format: hopeless })
    assert.equal(refused.status, 400)
    assert.equal(JSON.parse(await bodyText(refused)).error.param, 'response_format')
  })
})

describe('scripted time', () => {
  it('waits for the delay, then gives tokens at the rate', async (t) => {
    const clock = new MemoryClock()
    const runtime = started(t, { tokens: 10, rate: 100, delayMs: 500 }, clock)
    const pending = ask(runtime, t, { messages: MESSAGES, stream: true })
    await clock.advance(499)
    let text = ''
    let ended = false
    const read = async (): Promise<void> => {
      for await (const chunk of (await pending).body) text += Buffer.from(chunk).toString()
      ended = true
    }
    const reading = read()
    assert.equal(text, '')
    await clock.advance(1)
    // The role and the token at position 0.
    assert.equal(chunksIn(text).length, 2)
    await clock.advance(40)
    assert.equal(chunksIn(text).length, 6)
    await clock.advance(50)
    await reading
    assert.equal(ended, true)
  })

  it('takes no more requests at once than its capacity, first come first served', async (t) => {
    const clock = new MemoryClock()
    const runtime = started(t, { tokens: 2, delayMs: 100, capacity: 1 }, clock)
    const order: string[] = []
    const aborter = new AbortController()
    const asking = ['a', 'b', 'c'].map((name) =>
      runtime
        .send(inferenceRequest('/v1/chat/completions', { model: 'demo', messages: MESSAGES }), {
          signal: name === 'b' ? aborter.signal : t.signal,
        })
        .then(
          () => order.push(name),
          () => order.push(`${name} left`),
        ),
    )
    await clock.advance(50)
    assert.equal(runtime.inFlight(), 3)
    aborter.abort()
    await clock.advance(50)
    assert.deepEqual(order, ['b left', 'a'])
    await clock.advance(100)
    await Promise.all(asking)
    assert.deepEqual(order, ['b left', 'a', 'c'])
    assert.equal(runtime.inFlight(), 0)
  })
})

describe('scripted failure', () => {
  const failing = (t: TestContext, fail: ScriptOptions['fail'], failAt = 3, more: Partial<ScriptOptions> = {}) =>
    started(t, { tokens: 10, fail, failAt, ...more })

  async function readUntilBroken(response: MessageResponse): Promise<{ text: string; error: HeddleError | undefined }> {
    let text = ''
    try {
      for await (const chunk of response.body) text += Buffer.from(chunk).toString()
    } catch (error) {
      return { text, error: error as HeddleError }
    }
    return { text, error: undefined }
  }

  it('cut breaks the stream after that many tokens, and a whole answer in the middle', async (t) => {
    const runtime = failing(t, 'cut')
    const streamed = await readUntilBroken(await ask(runtime, t, { messages: MESSAGES, stream: true }))
    assert.equal(streamed.error?.code, 'upstream_interrupted')
    assert.equal(chunksIn(streamed.text).length, 4)
    const whole = await readUntilBroken(await ask(runtime, t, { messages: MESSAGES }))
    assert.equal(whole.error?.code, 'upstream_interrupted')
    assert.throws(() => JSON.parse(whole.text), SyntaxError)
    assert.equal(runtime.inFlight(), 0)
  })

  it('error is a status before the first token and an event after it, never [DONE]', async (t) => {
    const early = await ask(failing(t, 'error', 0), t, { messages: MESSAGES, stream: true })
    assert.equal(early.status, 500)
    assert.equal(typeof JSON.parse(await bodyText(early)).error.message, 'string')
    const late = await readUntilBroken(await ask(failing(t, 'error'), t, { messages: MESSAGES, stream: true }))
    assert.equal(late.error, undefined)
    assert.equal(typeof chunksIn(late.text).at(-1).error.message, 'string')
    assert.doesNotMatch(late.text, /\[DONE\]/)
  })

  it('garbage is no JSON, and nofinish lacks a finish reason', async (t) => {
    const garbage = await readUntilBroken(await ask(failing(t, 'garbage'), t, { messages: MESSAGES, stream: true }))
    assert.throws(() => chunksIn(garbage.text), SyntaxError)
    const whole = await ask(failing(t, 'garbage'), t, { messages: MESSAGES })
    const wholeText = await bodyText(whole)
    assert.equal(whole.status, 200)
    assert.throws(() => JSON.parse(wholeText), SyntaxError)
    const open = await readUntilBroken(await ask(failing(t, 'nofinish'), t, { messages: MESSAGES, stream: true }))
    assert.ok(chunksIn(open.text).every((chunk) => chunk.choices[0].finish_reason === null))
    assert.doesNotMatch(open.text, /\[DONE\]/)
  })

  it('stall is silent until the caller leaves', async (t) => {
    const runtime = failing(t, 'stall')
    const aborter = new AbortController()
    const reason = new Error('enough')
    const response = await runtime.send(
      inferenceRequest('/v1/chat/completions', { model: 'demo', messages: MESSAGES, stream: true }),
      {
        signal: aborter.signal,
      },
    )
    const body = response.body[Symbol.asyncIterator]()
    for (let read = 0; read < 4; read += 1) await body.next()
    const next = body.next()
    aborter.abort(reason)
    await assert.rejects(next, (error) => error === reason)
    assert.equal(runtime.inFlight(), 0)
  })

  it('kill takes every stream and the runtime down, for a second', async (t) => {
    const clock = new MemoryClock()
    const runtime = started(t, { tokens: 10, rate: 10, fail: 'kill', failAt: 3, failTimes: 1 }, clock)
    const states: string[] = []
    runtime.onChange(() => states.push(runtime.snapshot().state))
    const reading = [1, 2].map(async () => readUntilBroken(await ask(runtime, t, { messages: MESSAGES, stream: true })))
    await clock.advance(400)
    const results = await Promise.all(reading)
    assert.deepEqual(
      results.map(({ error }) => error?.code),
      ['upstream_interrupted', 'upstream_interrupted'],
    )
    await assert.rejects(
      ask(runtime, t, { messages: MESSAGES }),
      (error: HeddleError) => error.code === 'runtime_unavailable',
    )
    await clock.advance(1000)
    assert.deepEqual(states, ['unhealthy', 'ready'])
    const next = ask(runtime, t, { messages: MESSAGES })
    await clock.advance(1000)
    assert.equal((await next).status, 200)
  })

  it('fails only as often as it was told to', async (t) => {
    const runtime = failing(t, 'error', 0, { failTimes: 2 })
    const statuses: number[] = []
    for (let asked = 0; asked < 3; asked += 1) statuses.push((await ask(runtime, t, { messages: MESSAGES })).status)
    assert.deepEqual(statuses, [500, 500, 200])
  })
})
