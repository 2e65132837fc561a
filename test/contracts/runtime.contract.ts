/** What every Runtime promises (src/ports/runtime.ts), checked against a running one. */
import assert from 'node:assert/strict'
import { after, before, describe, it, type TestContext } from 'node:test'
import { createParser } from 'eventsource-parser'
import { HeddleError } from '../../src/core/errors.ts'
import { asRequestId } from '../../src/core/ids.ts'
import type { MessageRequest, MessageResponse } from '../../src/core/message.ts'
import type { Runtime } from '../../src/ports/runtime.ts'

export interface RuntimeUnderTest extends AsyncDisposable {
  /** Not started yet; the contract starts and disposes it. */
  readonly runtime: Runtime
  /** A model that chats and completes, and goes on for 2,000 tokens at less than 2,000 a second when told to. */
  readonly model: string
  /** Extra fields that make `model` go on that long, e.g. `{ ignore_eos: true }`. */
  readonly longAnswer?: Readonly<Record<string, unknown>> | undefined
  /** A model that embeds; without one embeddings are not checked. */
  readonly embeddingModel?: string | undefined
  /** What is still being generated behind the runtime, where that can be seen from outside. */
  readonly generating?: (() => number) | undefined
}

/** How late a stop may be seen beyond the promised 100 ms: two busy cores schedule no better. */
const SCHEDULING_SLACK_MS = 150
const STOP_MS = 100 + SCHEDULING_SLACK_MS
const READY_MS = 60_000
const FINISH_REASONS = ['stop', 'length', 'tool_calls', 'content_filter']
const QUESTION = [{ role: 'user', content: 'What is the capital of France?' }]

type Fields = Record<string, unknown>
interface Usage {
  readonly prompt_tokens: number
  readonly completion_tokens: number
  readonly total_tokens: number
}
interface Choice {
  readonly index: number
  readonly text?: string
  readonly message?: { readonly role: string; readonly content: string | null }
  readonly delta?: { readonly role?: string; readonly content?: string | null }
  readonly finish_reason: string | null
}
interface Answer {
  readonly id: string
  readonly object: string
  readonly created: number
  readonly model: string
  readonly choices: readonly Choice[]
  readonly usage?: Usage | null
}

let requests = 0

export function inferenceRequest(path: string, body: unknown): MessageRequest {
  requests += 1
  const bytes = Buffer.from(typeof body === 'string' ? body : JSON.stringify(body))
  return {
    id: asRequestId(`req_contract${requests}`),
    service: 'llm',
    method: 'POST',
    path,
    headers: { 'content-type': 'application/json' },
    body: bytes,
  }
}

async function textOf(response: MessageResponse): Promise<string> {
  const chunks: Uint8Array[] = []
  for await (const chunk of response.body) chunks.push(chunk)
  return new TextDecoder('utf-8', { fatal: true }).decode(Buffer.concat(chunks))
}

/** The chunks of an event stream and whether it was closed with `[DONE]`, which nothing may follow. */
async function chunksOf(response: MessageResponse): Promise<{ chunks: Answer[]; done: boolean }> {
  assert.equal(response.status, 200)
  assert.match(response.headers['content-type'] ?? '', /^text\/event-stream/)
  const chunks: Answer[] = []
  let done = false
  const parser = createParser({
    onEvent: ({ data }) => {
      assert.equal(done, false, 'an event follows [DONE]')
      if (data === '[DONE]') done = true
      else chunks.push(JSON.parse(data) as Answer)
    },
  })
  parser.feed(await textOf(response))
  return { chunks, done }
}

function checkUsage(usage: Usage | null | undefined): asserts usage is Usage {
  assert.ok(usage, 'there is no usage')
  assert.ok(usage.prompt_tokens > 0 && usage.completion_tokens > 0, JSON.stringify(usage))
  assert.equal(usage.total_tokens, usage.prompt_tokens + usage.completion_tokens)
}

async function until(what: string, limitMs: number, isSo: () => boolean): Promise<void> {
  const endMs = performance.now() + limitMs
  while (!isSo()) {
    assert.ok(performance.now() < endMs, `${what} did not happen within ${limitMs} ms`)
    await new Promise((resolve) => setTimeout(resolve, 2))
  }
}

export function runtimeContract(name: string, open: () => Promise<RuntimeUnderTest>): void {
  describe(`${name} as a Runtime`, () => {
    let subject: RuntimeUnderTest
    const send = (path: string, fields: Fields, signal: AbortSignal): Promise<MessageResponse> =>
      subject.runtime.send(inferenceRequest(path, { model: subject.model, ...fields }), { signal })
    const chat = (fields: Fields, t: TestContext): Promise<MessageResponse> =>
      send('/v1/chat/completions', { messages: QUESTION, temperature: 0, max_tokens: 24, ...fields }, t.signal)
    const whole = async (response: MessageResponse): Promise<Answer> => {
      const text = await textOf(response)
      assert.equal(response.status, 200, text)
      assert.match(response.headers['content-type'] ?? '', /^application\/json/)
      return JSON.parse(text) as Answer
    }
    const isIdle = (): boolean => subject.runtime.inFlight() === 0 && (subject.generating?.() ?? 0) === 0

    before(async () => {
      subject = await open()
      await assert.rejects(
        subject.runtime.send(inferenceRequest('/v1/chat/completions', { model: subject.model, messages: QUESTION }), {
          signal: new AbortController().signal,
        }),
        (error) => error instanceof HeddleError && ['runtime_unavailable', 'model_loading'].includes(error.code),
        'a runtime that was not started must refuse at once',
      )
      let changes = 0
      const stopListening = subject.runtime.onChange(() => {
        changes += 1
      })
      const first = subject.runtime.snapshot()
      subject.runtime.start()
      await until('becoming ready', READY_MS, () => subject.runtime.snapshot().state === 'ready')
      assert.ok(changes > 0, 'becoming ready was not announced')
      assert.notEqual(subject.runtime.snapshot(), first)
      stopListening()
    })

    after(async () => {
      const { runtime } = subject
      await subject[Symbol.asyncDispose]()
      await runtime[Symbol.asyncDispose]()
      assert.equal(runtime.snapshot().state, 'stopped')
      await assert.rejects(
        runtime.send(inferenceRequest('/v1/chat/completions', { model: subject.model, messages: QUESTION }), {
          signal: new AbortController().signal,
        }),
        (error) => error instanceof HeddleError && error.code === 'runtime_unavailable',
        'a stopped runtime must refuse',
      )
    })

    it('offers the model and says how many requests it takes', () => {
      const { offers, capacity, reason } = subject.runtime.snapshot()
      const offer = offers.find(({ id }) => id === subject.model)
      assert.ok(offer, `no offer of ${subject.model}`)
      assert.ok(offer.endpoints.includes('chat') && offer.endpoints.includes('completions'))
      assert.ok(Number.isInteger(capacity) && capacity >= 1)
      assert.equal(reason, '')
    })

    it('answers a chat with one JSON body and its usage', async (t) => {
      const answer = await whole(await chat({}, t))
      assert.equal(answer.object, 'chat.completion')
      assert.equal(answer.choices.length, 1)
      const [choice] = answer.choices
      assert.equal(choice?.message?.role, 'assistant')
      assert.ok((choice?.message?.content ?? '').length > 0)
      assert.ok(FINISH_REASONS.includes(choice?.finish_reason ?? ''))
      assert.ok(answer.id !== '' && answer.created > 1_500_000_000)
      checkUsage(answer.usage)
      assert.ok(isIdle(), 'the slot is still taken')
    })

    it('streams the same text in chunks that belong together and ends with [DONE] after the finish reason', async (t) => {
      const expected = await whole(await chat({}, t))
      const { chunks, done } = await chunksOf(await chat({ stream: true }, t))
      assert.equal(done, true)
      assert.equal(new Set(chunks.map(({ id, model, created }) => `${id} ${model} ${created}`)).size, 1)
      assert.ok(chunks.every(({ object }) => object === 'chat.completion.chunk'))
      assert.ok(
        chunks.every(({ usage }) => usage === undefined || usage === null),
        'usage was not asked for',
      )
      const choices = chunks.flatMap((chunk) => chunk.choices)
      assert.equal(choices[0]?.delta?.role, 'assistant')
      const text = choices.map(({ delta }) => delta?.content ?? '').join('')
      assert.equal(text, expected.choices[0]?.message?.content)
      const finished = choices.filter((choice) => choice.finish_reason !== null && choice.finish_reason !== undefined)
      assert.deepEqual(
        finished.map((choice) => choice.finish_reason),
        [expected.choices[0]?.finish_reason],
      )
      assert.equal(choices.at(-1), finished[0], 'something follows the finish reason')
    })

    it('adds one last chunk with usage to a stream when asked', async (t) => {
      const expected = await whole(await chat({}, t))
      const { chunks, done } = await chunksOf(await chat({ stream: true, stream_options: { include_usage: true } }, t))
      assert.equal(done, true)
      const last = chunks.at(-1)
      assert.deepEqual(last?.choices, [])
      checkUsage(last?.usage)
      assert.equal(last.usage.prompt_tokens, expected.usage?.prompt_tokens)
      assert.equal(last.usage.completion_tokens, expected.usage?.completion_tokens)
      assert.ok(chunks.slice(0, -1).every(({ usage }) => usage === undefined || usage === null))
    })

    it('stops at max_tokens and says length', async (t) => {
      const answer = await whole(await chat({ max_tokens: 3 }, t))
      assert.equal(answer.choices[0]?.finish_reason, 'length')
      checkUsage(answer.usage)
      assert.ok(answer.usage.completion_tokens <= 3)
    })

    it('gives the same answer whoever asked in between', async (t) => {
      const first = await whole(await chat({ seed: 7 }, t))
      await whole(await chat({ messages: [{ role: 'user', content: 'Tell me about looms.' }] }, t))
      const second = await whole(await chat({ seed: 7 }, t))
      assert.equal(second.choices[0]?.message?.content, first.choices[0]?.message?.content)
    })

    it('completes a prompt, whole and streamed', async (t) => {
      const fields = { prompt: 'The weaver sat', max_tokens: 12, temperature: 0 }
      const expected = await whole(await send('/v1/completions', fields, t.signal))
      assert.equal(expected.object, 'text_completion')
      assert.ok(FINISH_REASONS.includes(expected.choices[0]?.finish_reason ?? ''))
      checkUsage(expected.usage)
      const { chunks, done } = await chunksOf(await send('/v1/completions', { ...fields, stream: true }, t.signal))
      assert.equal(done, true)
      const choices = chunks.flatMap((chunk) => chunk.choices)
      assert.equal(choices.map(({ text }) => text ?? '').join(''), expected.choices[0]?.text)
      assert.ok(FINISH_REASONS.includes(choices.at(-1)?.finish_reason ?? ''))
    })

    it('embeds texts, each on its own', async (t) => {
      if (subject.embeddingModel === undefined) return t.diagnostic('no model here embeds')
      const model = subject.embeddingModel
      const embed = async (fields: Fields) => {
        const request = inferenceRequest('/v1/embeddings', { model, ...fields })
        const response = await subject.runtime.send(request, { signal: t.signal })
        const text = await textOf(response)
        assert.equal(response.status, 200, text)
        return JSON.parse(text) as { object: string; data: { index: number; embedding: number[] }[]; usage: Usage }
      }
      const both = await embed({ input: ['warp', 'weft'], encoding_format: 'float' })
      assert.equal(both.object, 'list')
      assert.deepEqual(
        both.data.map(({ index }) => index),
        [0, 1],
      )
      assert.ok(both.usage.prompt_tokens > 0)
      const [warp, weft] = both.data.map(({ embedding }) => embedding)
      assert.ok(warp !== undefined && weft !== undefined && warp.length === weft.length && warp.length > 0)
      assert.notDeepEqual(warp, weft)
      const alone = await embed({ input: 'warp', encoding_format: 'float' })
      const cosine = dot(alone.data[0]?.embedding ?? [], warp) / (norm(alone.data[0]?.embedding ?? []) * norm(warp))
      assert.ok(cosine > 0.999, `the same text gave another vector (cosine ${cosine})`)
    })

    it('refuses a wrong request with a status and an OpenAI error body, also for a stream', async (t) => {
      const wrong: readonly (readonly [string, unknown])[] = [
        ['malformed JSON', '{"model": '],
        ['an unknown model', { model: 'no-such-model', messages: QUESTION, stream: true }],
        ['messages that are no list', { model: subject.model, messages: 'hello', stream: true }],
      ]
      for (const [what, body] of wrong) {
        const response = await subject.runtime.send(inferenceRequest('/v1/chat/completions', body), {
          signal: t.signal,
        })
        const text = await textOf(response)
        assert.ok(response.status >= 400 && response.status < 500, `${what}: status ${response.status}`)
        const { error } = JSON.parse(text) as { error?: { message?: unknown } }
        assert.equal(typeof error?.message, 'string', `${what}: ${text}`)
        assert.ok(isIdle(), `${what} left its slot taken`)
      }
    })

    it('rejects with the reason when the caller has left already', async () => {
      const reason = new Error('left before')
      await assert.rejects(
        send('/v1/chat/completions', { messages: QUESTION }, AbortSignal.abort(reason)),
        (error) => error === reason,
      )
      assert.ok(isIdle())
    })

    it('stops within 100 ms and frees the slot when the caller leaves mid-stream', async () => {
      const aborter = new AbortController()
      const reason = new Error('client left')
      const fields = { messages: QUESTION, stream: true, max_tokens: 2000, ...subject.longAnswer }
      const response = await send('/v1/chat/completions', fields, aborter.signal)
      const body = response.body[Symbol.asyncIterator]()
      for (let read = 0; read < 3; read += 1) assert.equal((await body.next()).done, false)
      assert.equal(subject.runtime.inFlight(), 1)
      aborter.abort(reason)
      await until('the end of generation', STOP_MS, isIdle)
      await assert.rejects(
        async () => {
          for (;;) if ((await body.next()).done === true) return
        },
        (error) => error === reason,
      )
    })

    it('stops when the caller leaves before the answer of a request that does not stream', async () => {
      const aborter = new AbortController()
      const reason = new Error('client left')
      const pending = send(
        '/v1/chat/completions',
        { messages: QUESTION, max_tokens: 2000, ...subject.longAnswer },
        aborter.signal,
      )
      await until('the request', STOP_MS, () => subject.runtime.inFlight() === 1)
      await new Promise((resolve) => setTimeout(resolve, 30))
      aborter.abort(reason)
      await assert.rejects(pending, (error) => error === reason)
      await until('the end of generation', STOP_MS, isIdle)
    })

    it('stops and frees the slot when the body is given up, and serves the next request', async (t) => {
      const response = await chat({ stream: true, max_tokens: 2000, ...subject.longAnswer }, t)
      for await (const _chunk of response.body) break
      await until('the end of generation', STOP_MS, isIdle)
      await whole(await chat({}, t))
    })

    it('works on several requests at once and keeps them apart', async (t) => {
      const contents = ['one', 'two', 'three'].map((word) => [{ role: 'user', content: `Say ${word}.` }])
      const expected: string[] = []
      for (const messages of contents)
        expected.push((await whole(await chat({ messages }, t))).choices[0]?.message?.content ?? '')
      const answers = await Promise.all(
        contents.map(async (messages) => chunksOf(await chat({ messages, stream: true }, t))),
      )
      assert.ok(answers.every(({ done }) => done))
      const texts = answers.map(({ chunks }) =>
        chunks.flatMap(({ choices }) => choices.map(({ delta }) => delta?.content ?? '')).join(''),
      )
      assert.deepEqual(texts, expected)
    })
  })
}

function dot(a: readonly number[], b: readonly number[]): number {
  return a.reduce((sum, value, index) => sum + value * (b[index] ?? 0), 0)
}

function norm(vector: readonly number[]): number {
  return Math.sqrt(dot(vector, vector))
}
