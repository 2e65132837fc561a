/** One answer of a model, streamed from the node's OpenAI API. */
import { createParser } from 'eventsource-parser'
import { HeddleError } from '../core/errors.ts'
import { type ApiClient, wireError } from './api-client.ts'

export interface ChatMessage {
  readonly role: 'system' | 'user' | 'assistant'
  readonly content: string
}

export interface ChatRequest {
  readonly model: string
  readonly messages: readonly ChatMessage[]
  readonly temperature?: number | undefined
  readonly maxTokens?: number | undefined
  readonly seed?: number | undefined
  /** OpenAI's `response_format`. */
  readonly format?: object | undefined
}

/** How an answer went; times since the request was sent. */
export interface ChatResult {
  readonly text: string
  readonly finishReason: string | null
  readonly inputTokens: number | null
  readonly outputTokens: number | null
  readonly firstTokenMs: number | null
  readonly totalMs: number
  readonly node: string | null
  readonly runtime: string | null
  readonly requestId: string | null
}

interface Chunk {
  readonly choices?: readonly {
    readonly delta?: { readonly content?: string | null }
    readonly finish_reason?: string | null
  }[]
  readonly usage?: { readonly prompt_tokens: number; readonly completion_tokens: number } | null
  readonly error?: { readonly message?: unknown; readonly code?: unknown }
}

/**
 * Calls `onText` with each piece as it comes. A stream that breaks or carries an error throws it, whatever has come before;
 * aborting stops the generation.
 */
export async function chat(
  client: ApiClient,
  request: ChatRequest,
  { onText, signal }: { readonly onText: (text: string) => void; readonly signal: AbortSignal },
): Promise<ChatResult> {
  const startedAt = performance.now()
  const answer = await client.open('POST', '/v1/chat/completions', bodyOf(request), { signal })
  const pieces: string[] = []
  let finishReason: string | null = null
  let usage: Chunk['usage']
  let firstTokenMs: number | null = null
  let done = false
  const parser = createParser({
    onEvent({ data }) {
      if (data === '[DONE]') {
        done = true
        return
      }
      const chunk = JSON.parse(data) as Chunk
      if (chunk.error !== undefined) throw wireError(chunk.error)
      usage = chunk.usage ?? usage
      const choice = chunk.choices?.[0]
      finishReason = choice?.finish_reason ?? finishReason
      const text = choice?.delta?.content ?? ''
      if (text === '') return
      firstTokenMs ??= performance.now() - startedAt
      pieces.push(text)
      onText(text)
    },
  })
  const decoder = new TextDecoder()
  try {
    for await (const bytes of answer) parser.feed(decoder.decode(bytes as Buffer, { stream: true }))
  } catch (cause) {
    signal.throwIfAborted()
    if (cause instanceof HeddleError) throw cause
    throw new HeddleError('upstream_interrupted', 'the answer broke off', { cause })
  }
  if (!done) throw new HeddleError('upstream_interrupted', 'the answer broke off', { fix: 'heddle trace last' })
  const header = (name: string): string | null => {
    const value = answer.headers[name]
    return typeof value === 'string' ? value : null
  }
  return {
    text: pieces.join(''),
    finishReason,
    inputTokens: usage?.prompt_tokens ?? null,
    outputTokens: usage?.completion_tokens ?? null,
    firstTokenMs,
    totalMs: performance.now() - startedAt,
    node: header('x-heddle-node'),
    runtime: header('x-heddle-runtime'),
    requestId: header('x-request-id'),
  }
}

function bodyOf({ model, messages, temperature, maxTokens, seed, format }: ChatRequest): object {
  return {
    model,
    messages,
    stream: true,
    stream_options: { include_usage: true },
    ...(temperature === undefined ? {} : { temperature }),
    ...(maxTokens === undefined ? {} : { max_tokens: maxTokens }),
    ...(seed === undefined ? {} : { seed }),
    ...(format === undefined ? {} : { response_format: format }),
  }
}
