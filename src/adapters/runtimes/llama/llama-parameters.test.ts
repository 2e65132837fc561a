/** Tests of the request fields that the llama runtime honours, with the real model. */
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { createParser } from 'eventsource-parser'
import {
  ask,
  type ChatAnswer,
  chat,
  chatText,
  type ErrorAnswer,
  type LlamaEngine,
  readText,
  sendTo,
  startLlama,
  TINY_MODEL,
} from '../../../../test/support/llama-engine.ts'

const QUESTION = 'What is the capital of France?'
const ANSWER = 'The capital of France is Paris.'
const STORY = 'Tell me a story about a dog.'

let engine: LlamaEngine
before(async () => {
  engine = await startLlama()
})
after(() => engine[Symbol.asyncDispose]())

const refused = async (
  path: string,
  fields: Readonly<Record<string, unknown>>,
): Promise<readonly [number, ErrorAnswer['error']]> => {
  const { status, json } = await ask<ErrorAnswer>(engine.runtime, path, fields)
  return [status, json.error]
}
const refusedChat = (fields: Readonly<Record<string, unknown>>): Promise<readonly [number, ErrorAnswer['error']]> =>
  refused('/v1/chat/completions', { messages: [{ role: 'user', content: QUESTION }], ...fields })

interface Chunk {
  readonly choices: readonly {
    readonly index: number
    readonly delta: { readonly role?: string; readonly content?: string }
    readonly logprobs: { readonly content: readonly { readonly token: string }[] } | null
    readonly finish_reason: string | null
  }[]
}

async function chunksOf(fields: Readonly<Record<string, unknown>>): Promise<Chunk[]> {
  const body = {
    model: TINY_MODEL,
    messages: [{ role: 'user', content: STORY }],
    temperature: 0,
    stream: true,
    ...fields,
  }
  const text = await readText(await sendTo(engine.runtime, '/v1/chat/completions', body, new AbortController().signal))
  const chunks: Chunk[] = []
  createParser({ onEvent: ({ data }) => void (data === '[DONE]' || chunks.push(JSON.parse(data) as Chunk)) }).feed(text)
  return chunks
}

describe('sampling', () => {
  it('gives the same text for the same seed and others for others', async () => {
    const texts = await Promise.all(
      [1, 1, 2, 3, -4, -4].map((seed) => chatText(engine.runtime, STORY, { temperature: 1.2, seed })),
    )
    assert.equal(texts[0], texts[1])
    assert.equal(texts[4], texts[5])
    assert.equal(new Set(texts).size, 4)
  })

  it('takes OpenAI’s defaults: without a temperature answers differ', async () => {
    const body = { messages: [{ role: 'user', content: STORY }] }
    const answers = await Promise.all(
      [1, 2, 3].map(() => ask<ChatAnswer>(engine.runtime, '/v1/chat/completions', body)),
    )
    assert.ok(new Set(answers.map(({ json }) => json.choices[0]?.message.content)).size > 1)
  })

  it('is greedy when only the best token may be chosen, however that is said', async () => {
    const greedy = await chatText(engine.runtime, STORY)
    for (const fields of [{ top_k: 1 }, { top_p: 0 }, { min_p: 1 }]) {
      assert.equal(await chatText(engine.runtime, STORY, { temperature: 1, ...fields }), greedy, JSON.stringify(fields))
    }
  })

  it('answers several choices, each numbered and each of its own', async () => {
    const { choices, usage } = await chat(engine.runtime, STORY, { temperature: 1, n: 6, seed: 5, max_tokens: 30 })
    assert.deepEqual(
      choices.map(({ index }) => index),
      [0, 1, 2, 3, 4, 5],
    )
    assert.ok(new Set(choices.map(({ message }) => message.content)).size > 3)
    assert.equal(usage.completion_tokens, 180)
    const chunks = await chunksOf({ temperature: 1, n: 6, seed: 5, max_tokens: 30 })
    const texts = choices.map(() => '')
    for (const { index, delta } of chunks.flatMap((chunk) => chunk.choices)) texts[index] += delta.content ?? ''
    assert.deepEqual(
      texts,
      choices.map(({ message }) => message.content),
    )
  })

  it('honours biases and penalties', async () => {
    const { choices } = await chat(engine.runtime, QUESTION, { logprobs: true, max_tokens: 1 })
    assert.equal(choices[0]?.logprobs?.content[0]?.token, 'The')
    const biased = await chatText(engine.runtime, QUESTION, { logit_bias: { 500: -100 }, max_tokens: 4 })
    assert.ok(!biased.startsWith('The'), biased)
    const free = await chatText(engine.runtime, STORY, { max_tokens: 60 })
    for (const fields of [{ presence_penalty: 2 }, { frequency_penalty: 2 }, { repetition_penalty: 3 }]) {
      assert.notEqual(
        await chatText(engine.runtime, STORY, { max_tokens: 60, ...fields }),
        free,
        JSON.stringify(fields),
      )
    }
    const [status, error] = await refusedChat({ logit_bias: { 5000: 1 } })
    assert.deepEqual([status, error.param], [400, 'logit_bias'])
  })

  it('refuses values that mean nothing, naming the field', async () => {
    const wrong: readonly (readonly [string, unknown])[] = [
      ['temperature', 3],
      ['top_p', -1],
      ['n', 0],
      ['seed', 'x'],
      ['stop', ['a', 'b', 'c', 'd', 'e']],
      ['logit_bias', { x: 1 }],
      ['max_tokens', 1.5],
      ['top_logprobs', 3],
      ['response_format', { type: 'xml' }],
    ]
    for (const [name, value] of wrong) {
      const [status, error] = await refusedChat({ [name]: value })
      assert.deepEqual([status, error.param, error.type], [400, name, 'invalid_request_error'], name)
    }
  })
})

describe('JSON', () => {
  const answered = async (schema: unknown): Promise<unknown> =>
    JSON.parse(
      await chatText(engine.runtime, 'Give me a person as JSON.', {
        temperature: 1,
        seed: 3,
        response_format: { type: 'json_schema', json_schema: { name: 'x', strict: true, schema } },
      }),
    )

  it('writes an object when asked for one', async () => {
    const text = await chatText(engine.runtime, 'Give me a person as JSON.', {
      response_format: { type: 'json_object' },
    })
    assert.equal(typeof JSON.parse(text), 'object')
  })

  it('writes what a schema says', async () => {
    const pet = {
      type: 'object',
      properties: { kind: { enum: ['dog', 'cat'] }, age: { type: 'integer', minimum: 0 } },
      required: ['kind', 'age'],
    }
    const value = (await answered({
      type: 'object',
      properties: {
        name: { type: 'string', minLength: 2, maxLength: 12 },
        pets: { type: 'array', items: { $ref: '#/$defs/pet' }, minItems: 2, maxItems: 2 },
        born: { type: 'string', format: 'date' },
        height: { anyOf: [{ type: 'null' }, { const: 'tall' }] },
        nickname: { type: 'string', maxLength: 5 },
      },
      required: ['name', 'pets', 'born', 'height'],
      additionalProperties: false,
      $defs: { pet },
    })) as { name: string; pets: { kind: string; age: number }[]; born: string; height: unknown }
    assert.ok(value.name.length >= 2 && value.name.length <= 12)
    assert.equal(value.pets.length, 2)
    for (const { kind, age } of value.pets)
      assert.ok(['dog', 'cat'].includes(kind) && Number.isInteger(age) && age >= 0)
    assert.ok(!Number.isNaN(Date.parse(value.born)))
    assert.ok(value.height === null || value.height === 'tall')
    assert.deepEqual(
      Object.keys(value).filter((key) => !['name', 'pets', 'born', 'height', 'nickname'].includes(key)),
      [],
    )
  })

  it('refuses what it could not keep, and schemas that are none', async () => {
    for (const schema of [
      { type: 'string', pattern: '^a+$' },
      { type: 'integer', minimum: 5 },
      { $ref: '#/$defs/none' },
      { $ref: '#' },
      { type: 'thing' },
      { type: 'array', maxItems: 1e9 },
    ]) {
      const [status, error] = await refusedChat({
        response_format: { type: 'json_schema', json_schema: { name: 'x', schema } },
      })
      assert.deepEqual([status, error.param], [400, 'response_format'], JSON.stringify(schema))
    }
  })
})

describe('log probabilities', () => {
  it('come with each token, best rivals first', async () => {
    const { choices } = await chat(engine.runtime, QUESTION, { logprobs: true, top_logprobs: 3 })
    const tokens = choices[0]?.logprobs?.content ?? []
    assert.equal(tokens.map(({ token }) => token).join(''), ANSWER)
    for (const { token, logprob, bytes, top_logprobs: top } of tokens) {
      assert.equal(Buffer.from(bytes ?? []).toString(), token)
      assert.equal(top.length, 3)
      assert.deepEqual([top[0]?.token, top[0]?.logprob], [token, logprob])
      assert.ok(logprob <= 0 && (top[1]?.logprob ?? 0) <= logprob && (top[2]?.logprob ?? 0) <= (top[1]?.logprob ?? 0))
    }
  })

  it('are the model’s own, whatever the temperature', async () => {
    const first = async (temperature: number): Promise<Map<string, number>> => {
      const { choices } = await chat(engine.runtime, QUESTION, {
        logprobs: true,
        top_logprobs: 5,
        max_tokens: 1,
        temperature,
      })
      return new Map(choices[0]?.logprobs?.content[0]?.top_logprobs.map(({ token, logprob }) => [token, logprob]))
    }
    const [greedy, warm, hot] = await Promise.all([first(0), first(1), first(2)])
    for (const [token, logprob] of greedy) {
      for (const other of [warm, hot])
        assert.ok(Math.abs((other.get(token) ?? 0) - logprob) < 0.01, `${token}: ${logprob} and ${other.get(token)}`)
    }
  })

  it('have the older shape in completions', async () => {
    const { json } = await ask<{ choices: { text: string; logprobs: Record<string, unknown[]> }[] }>(
      engine.runtime,
      '/v1/completions',
      {
        prompt: 'Once upon a time',
        temperature: 0,
        max_tokens: 5,
        logprobs: 2,
      },
    )
    const [choice] = json.choices
    const {
      tokens = [],
      token_logprobs: logprobs = [],
      top_logprobs: top = [],
      text_offset: offsets = [],
    } = choice?.logprobs ?? {}
    assert.equal(tokens.join(''), choice?.text)
    assert.deepEqual([tokens.length, logprobs.length, top.length, offsets.length], [5, 5, 5, 5])
    assert.equal(offsets[1], String(tokens[0]).length)
    assert.equal(Object.keys(top[0] as object).length, 2)
  })
})
