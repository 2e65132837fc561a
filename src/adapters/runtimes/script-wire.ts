/** A scripted answer as OpenAI's API writes it: stream events, whole JSON bodies and errors. */
import { ERROR_CODES, type ErrorCode } from '../../core/errors.ts'
import type { MessageHeaders } from '../../core/message.ts'
import type { Endpoint } from '../../core/routing/candidate.ts'
import type { ScriptChoice, ScriptEmbedding, ScriptPlan } from './script-answer.ts'
import { alternativesAt, logprobAt, vectorOf } from './script-text.ts'

export const SSE_HEADERS: MessageHeaders = { 'content-type': 'text/event-stream; charset=utf-8' }
export const SSE_DONE = Buffer.from('data: [DONE]\n\n')

/** What all chunks and the whole answer of one request have in common. */
export interface Envelope {
  readonly endpoint: Endpoint
  readonly id: string
  readonly createdSeconds: number
  readonly model: string
}

export function usageOf(plan: Pick<ScriptPlan, 'promptTokens' | 'choices'>) {
  const completion = plan.choices.reduce((sum, choice) => sum + choice.pieces.length, 0)
  return {
    prompt_tokens: plan.promptTokens,
    completion_tokens: completion,
    total_tokens: plan.promptTokens + completion,
  }
}

/** One `data:` event with some choices. */
export function sseChunk(envelope: Envelope, choices: readonly unknown[], usage: unknown): Buffer {
  return sse({
    id: envelope.id,
    object: envelope.endpoint === 'chat' ? 'chat.completion.chunk' : 'text_completion',
    created: envelope.createdSeconds,
    model: envelope.model,
    choices,
    ...(usage === undefined ? {} : { usage }),
  })
}

export function sse(value: unknown): Buffer {
  return Buffer.from(`data: ${JSON.stringify(value)}\n\n`)
}

/** The choices that open a stream: the role, and for a tool call its identity; none for text completions. */
export function openingChoices(envelope: Envelope, choice: ScriptChoice): readonly unknown[] {
  if (envelope.endpoint !== 'chat') {
    if (choice.echo === '') return []
    return [{ index: choice.index, text: choice.echo, logprobs: null, finish_reason: null }]
  }
  if (choice.tool === undefined) return [chatDelta(choice, { role: 'assistant', content: '' }, null)]
  const call = { index: 0, id: choice.tool.id, type: 'function', function: { name: choice.tool.name, arguments: '' } }
  return [chatDelta(choice, { role: 'assistant', content: null, tool_calls: [call] }, null)]
}

/** The choice that carries one token. */
export function tokenChoice(envelope: Envelope, plan: ScriptPlan, choice: ScriptChoice, position: number): unknown {
  const piece = choice.pieces[position] as string
  if (envelope.endpoint !== 'chat') {
    const logprobs = plan.logprobs === undefined ? null : textLogprobs(plan, choice, position, position + 1)
    return { index: choice.index, text: piece, logprobs, finish_reason: null }
  }
  if (choice.tool !== undefined)
    return chatDelta(choice, { tool_calls: [{ index: 0, function: { arguments: piece } }] }, null)
  const delta = chatDelta(choice, { content: piece }, null)
  return plan.logprobs === undefined
    ? delta
    : { ...delta, logprobs: { content: [tokenLogprob(plan, choice, position)] } }
}

export function finishChoice(envelope: Envelope, choice: ScriptChoice): unknown {
  if (envelope.endpoint === 'chat') return chatDelta(choice, {}, choice.finish)
  return { index: choice.index, text: '', logprobs: null, finish_reason: choice.finish }
}

function chatDelta(choice: ScriptChoice, delta: unknown, finish: string | null) {
  return { index: choice.index, delta, logprobs: null, finish_reason: finish }
}

/** The whole answer in one body; `finished: false` leaves the finish reason out, as a broken runtime does. */
export function wholeAnswer(envelope: Envelope, plan: ScriptPlan, finished: boolean): Buffer {
  const choices = plan.choices.map((choice) => {
    const finish = finished ? choice.finish : null
    const text = choice.echo + choice.pieces.join('')
    if (envelope.endpoint !== 'chat') {
      const logprobs = plan.logprobs === undefined ? null : textLogprobs(plan, choice, 0, choice.pieces.length)
      return { index: choice.index, text, logprobs, finish_reason: finish }
    }
    const call = choice.tool && {
      id: choice.tool.id,
      type: 'function',
      function: { name: choice.tool.name, arguments: text },
    }
    const message =
      call === undefined
        ? { role: 'assistant', content: text, refusal: null }
        : { role: 'assistant', content: null, refusal: null, tool_calls: [call] }
    const logprobs =
      plan.logprobs === undefined || call !== undefined
        ? null
        : { content: choice.pieces.map((_piece, position) => tokenLogprob(plan, choice, position)) }
    return { index: choice.index, message, logprobs, finish_reason: finish }
  })
  return json({
    id: envelope.id,
    object: envelope.endpoint === 'chat' ? 'chat.completion' : 'text_completion',
    created: envelope.createdSeconds,
    model: envelope.model,
    choices,
    usage: usageOf(plan),
  })
}

export function embeddingAnswer(model: string, request: ScriptEmbedding): Buffer {
  const data = request.inputs.map((input, index) => {
    const vector = vectorOf(model, input, request.dimensions)
    return { object: 'embedding', index, embedding: request.base64 ? base64Of(vector) : [...vector] }
  })
  return json({
    object: 'list',
    data,
    model,
    usage: { prompt_tokens: request.promptTokens, total_tokens: request.promptTokens },
  })
}

/** Little-endian float32, as OpenAI's clients decode it. */
function base64Of(vector: Float32Array): string {
  const bytes = Buffer.alloc(vector.length * 4)
  for (const [index, value] of vector.entries()) bytes.writeFloatLE(value, index * 4)
  return bytes.toString('base64')
}

export function errorBody(code: ErrorCode, message: string, param: string | null) {
  return { error: { message, type: ERROR_CODES[code].type, param, code } }
}

export function json(value: unknown): Buffer {
  return Buffer.from(JSON.stringify(value))
}

function tokenLogprob(plan: ScriptPlan, choice: ScriptChoice, position: number) {
  const own = logprobEntry(choice.pieces[position] as string, logprobAt(choice.seed, choice.start + position))
  const count = plan.logprobs ?? 0
  const others = count < 2 ? [] : alternativesAt(choice.seed, choice.start + position, count - 1)
  const top = count === 0 ? [] : [own, ...others.map((other) => logprobEntry(other.token, other.logprob))]
  return { ...own, top_logprobs: top }
}

function logprobEntry(token: string, logprob: number) {
  return { token, logprob, bytes: [...Buffer.from(token)] }
}

/** The older format of `/v1/completions`, for the tokens from `from` to before `to`. */
function textLogprobs(plan: ScriptPlan, choice: ScriptChoice, from: number, to: number) {
  const entries = Array.from({ length: to - from }, (_entry, offset) => tokenLogprob(plan, choice, from + offset))
  let at = choice.echo.length + choice.pieces.slice(0, from).join('').length
  const offsets = entries.map((entry) => {
    const offset = at
    at += entry.token.length
    return offset
  })
  return {
    tokens: entries.map((entry) => entry.token),
    token_logprobs: entries.map((entry) => entry.logprob),
    top_logprobs: entries.map((entry) => Object.fromEntries(entry.top_logprobs.map((top) => [top.token, top.logprob]))),
    text_offset: offsets,
  }
}
