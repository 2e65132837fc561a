/** Wrong fields are named; right ones become what we route on. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { HeddleError } from '../errors.ts'
import type { Endpoint } from '../routing/candidate.ts'
import { parseInferenceRequest } from './parse-inference-request.ts'

const BODY = new Uint8Array(0)
const chat = { model: 'm', messages: [{ role: 'user', content: 'hi' }] }
const parse = (endpoint: Endpoint, json: unknown) => parseInferenceRequest(endpoint, json, BODY)

describe('parseInferenceRequest', () => {
  it('names the field that is wrong', () => {
    const cases: readonly [Endpoint, unknown, string | undefined][] = [
      ['chat', [], undefined],
      ['chat', 'x', undefined],
      ['chat', null, undefined],
      ['chat', { messages: chat.messages }, 'model'],
      ['chat', { ...chat, model: 3 }, 'model'],
      ['chat', { ...chat, model: '' }, 'model'],
      ['chat', { ...chat, model: 'm'.repeat(300) }, 'model'],
      ['chat', { model: 'm' }, 'messages'],
      ['chat', { model: 'm', messages: [] }, 'messages'],
      ['chat', { model: 'm', messages: 'hi' }, 'messages'],
      ['chat', { model: 'm', messages: ['hi'] }, 'messages[0]'],
      ['chat', { model: 'm', messages: [{ role: 'wizard', content: 'x' }] }, 'messages[0].role'],
      ['chat', { model: 'm', messages: [{ role: 'user' }] }, 'messages[0].content'],
      ['chat', { model: 'm', messages: [{ role: 'user', content: 5 }] }, 'messages[0].content'],
      ['chat', { model: 'm', messages: [{ role: 'user', content: ['x'] }] }, 'messages[0].content[0]'],
      [
        'chat',
        { model: 'm', messages: [{ role: 'user', content: [{ type: 'text' }] }] },
        'messages[0].content[0].text',
      ],
      ['chat', { ...chat, temperature: 'hot' }, 'temperature'],
      ['chat', { ...chat, temperature: 3 }, 'temperature'],
      ['chat', { ...chat, top_p: -1 }, 'top_p'],
      ['chat', { ...chat, n: 0 }, 'n'],
      ['chat', { ...chat, n: 1.5 }, 'n'],
      ['chat', { ...chat, max_tokens: 0 }, 'max_tokens'],
      ['chat', { ...chat, stream: 'yes' }, 'stream'],
      ['chat', { ...chat, stream_options: { include_usage: true } }, 'stream_options'],
      ['chat', { ...chat, stop: ['a', 'b', 'c', 'd', 'e'] }, 'stop'],
      ['chat', { ...chat, stop: 7 }, 'stop'],
      ['chat', { ...chat, response_format: 'json' }, 'response_format'],
      ['chat', { ...chat, tools: {} }, 'tools'],
      ['chat', { ...chat, top_logprobs: 50 }, 'top_logprobs'],
      ['chat', { ...chat, seed: 'x' }, 'seed'],
      ['completions', { model: 'm' }, 'prompt'],
      ['completions', { model: 'm', prompt: 7 }, 'prompt'],
      ['completions', { model: 'm', prompt: [1.5] }, 'prompt'],
      ['embeddings', { model: 'm' }, 'input'],
      ['embeddings', { model: 'm', input: '' }, 'input'],
      ['embeddings', { model: 'm', input: 'x', encoding_format: 'hex' }, 'encoding_format'],
    ]
    for (const [endpoint, json, param] of cases) {
      assert.throws(
        () => parse(endpoint, json),
        (error) => error instanceof HeddleError && error.code === 'invalid_request' && error.details.param === param,
        `${endpoint} ${JSON.stringify(json).slice(0, 80)}`,
      )
    }
  })

  it('asks a runtime only for what changes the answer', () => {
    const request = parse('chat', {
      ...chat,
      n: 1,
      stop: null,
      user: 'me',
      metadata: {},
      logprobs: false,
      presence_penalty: 0,
      frequency_penalty: 0.5,
      tool_choice: 'auto',
      response_format: { type: 'text' },
      top_k: 40,
      chat_template_kwargs: null,
    })
    assert.deepEqual(request.parameters, ['frequency_penalty', 'top_k'])
  })

  it('keeps tool parameters when there are tools', () => {
    const request = parse('chat', {
      ...chat,
      tools: [{ type: 'function', function: { name: 'f' } }],
      tool_choice: 'required',
    })
    assert.deepEqual(request.parameters, ['tools', 'tool_choice'])
  })

  it('reads streaming, usage, choices and bounds', () => {
    const request = parse('chat', {
      ...chat,
      stream: true,
      stream_options: { include_usage: true },
      n: 3,
      max_tokens: 5,
      max_completion_tokens: 7,
    })
    assert.equal(request.stream, true)
    assert.equal(request.includeUsage, true)
    assert.equal(request.choices, 3)
    assert.equal(request.maxTokens, 7)
  })

  it('sees images', () => {
    const image = { type: 'image_url', image_url: { url: 'data:image/png;base64,AA' } }
    assert.equal(
      parse('chat', { model: 'm', messages: [{ role: 'user', content: [{ type: 'text', text: 'x' }, image] }] })
        .hasImages,
      true,
    )
    assert.equal(parse('chat', chat).hasImages, false)
  })

  it('takes every form of prompt and input', () => {
    for (const prompt of ['x', '', ['x', 'y'], [1, 2], [[1], [2, 3]]])
      assert.ok(parse('completions', { model: 'm', prompt }))
    for (const input of ['x', ['x', 'y'], [1, 2], [[1], [2, 3]]])
      assert.equal(parse('embeddings', { model: 'm', input }).encodingFormat, 'float')
  })

  it('refuses input that nests too deep without running out of stack', () => {
    let deep: unknown = 1
    for (let level = 0; level < 100_000; level += 1) deep = [deep]
    assert.throws(
      () => parse('chat', { ...chat, metadata: { deep } }),
      (error) => error instanceof HeddleError && /nests deeper/.test(error.message),
    )
  })
})
