/** A llama runtime with the model that the repository ships, for tests that want a real engine. */
import { mkdtemp, open, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { LlamaRuntime, type LlamaRuntimeConfig } from '../../src/adapters/runtimes/llama/llama-runtime.ts'
import { SystemClock } from '../../src/adapters/system/system-clock.ts'
import { type GgufSummary, summariseGguf } from '../../src/core/gguf/gguf-summary.ts'
import { parseGgufHeader } from '../../src/core/gguf/parse-gguf-header.ts'
import { asRequestId, asRuntimeId } from '../../src/core/ids.ts'
import type { MessageResponse } from '../../src/core/message.ts'
import { RecordingLogger } from './recording-logger.ts'

export const TINY_MODEL_PATH = fileURLToPath(new URL('../../models/tinychat-1.2m-q8_0.gguf', import.meta.url))
export const TINY_MODEL = 'tinychat'

export interface LlamaEngine extends AsyncDisposable {
  readonly runtime: LlamaRuntime
  readonly log: RecordingLogger
}

export interface ChatMessage {
  readonly role: string
  readonly content: string
}

/** Not started yet. */
export async function makeLlama(config: Partial<LlamaRuntimeConfig> = {}): Promise<LlamaEngine> {
  const socketFolder = await mkdtemp(join(tmpdir(), 'heddle-llama-'))
  const log = new RecordingLogger()
  const runtime = new LlamaRuntime(
    { clock: new SystemClock(), log, validate: validateGguf },
    {
      id: asRuntimeId('llama'),
      models: [{ id: TINY_MODEL, path: TINY_MODEL_PATH }],
      socketFolder,
      threads: 1,
      ...config,
    },
  )
  return {
    runtime,
    log,
    [Symbol.asyncDispose]: async () => {
      await runtime[Symbol.asyncDispose]()
      await rm(socketFolder, { recursive: true, force: true })
    },
  }
}

/** Started, and in `state`. */
export async function startLlama(config: Partial<LlamaRuntimeConfig> = {}, state = 'ready'): Promise<LlamaEngine> {
  const engine = await makeLlama(config)
  engine.runtime.start()
  await reached(engine.runtime, state)
  return engine
}

export function reached(runtime: LlamaRuntime, state: string): Promise<void> {
  if (runtime.snapshot().state === state) return Promise.resolve()
  return new Promise((resolve) => {
    const stop = runtime.onChange(() => {
      if (runtime.snapshot().state !== state) return
      stop()
      resolve()
    })
  })
}

export async function validateGguf(path: string): Promise<GgufSummary> {
  await using file = await open(path)
  const { size } = await file.stat()
  const read = async (offset: number, length: number): Promise<Uint8Array> => {
    const bytes = Buffer.alloc(length)
    const { bytesRead } = await file.read(bytes, 0, length, offset)
    return bytes.subarray(0, bytesRead)
  }
  return summariseGguf(await parseGgufHeader(read, size))
}

let requests = 0

export function sendTo(
  runtime: LlamaRuntime,
  path: string,
  body: unknown,
  signal: AbortSignal,
): Promise<MessageResponse> {
  requests += 1
  return runtime.send(
    {
      id: asRequestId(`req_llama${requests}`),
      service: 'llm',
      method: 'POST',
      path,
      headers: { 'content-type': 'application/json' },
      body: Buffer.from(JSON.stringify(body)),
    },
    { signal },
  )
}

export async function readText(response: MessageResponse): Promise<string> {
  const decoder = new TextDecoder('utf-8', { fatal: true })
  let text = ''
  for await (const chunk of response.body) text += decoder.decode(chunk, { stream: true })
  return text + decoder.decode()
}

/** One request whose answer is JSON; `T` is what the test expects of it. */
// oxlint-disable-next-line typescript/no-unnecessary-type-parameters
export async function ask<T>(
  runtime: LlamaRuntime,
  path: string,
  body: Readonly<Record<string, unknown>>,
): Promise<{ readonly status: number; readonly json: T }> {
  const response = await sendTo(runtime, path, { model: TINY_MODEL, ...body }, new AbortController().signal)
  return { status: response.status, json: JSON.parse(await readText(response)) as T }
}

export interface ChatAnswer {
  readonly choices: readonly {
    readonly index: number
    readonly message: { readonly role: string; readonly content: string }
    readonly finish_reason: string
    readonly logprobs: {
      readonly content: readonly {
        readonly token: string
        readonly logprob: number
        readonly bytes: readonly number[] | null
        readonly top_logprobs: readonly { readonly token: string; readonly logprob: number }[]
      }[]
    } | null
  }[]
  readonly usage: {
    readonly prompt_tokens: number
    readonly completion_tokens: number
    readonly prompt_tokens_details: { readonly cached_tokens: number }
  }
}

export interface CompletionAnswer {
  readonly choices: readonly { readonly index: number; readonly text: string; readonly finish_reason: string }[]
  readonly usage: ChatAnswer['usage']
}

export interface ErrorAnswer {
  readonly error: {
    readonly message: string
    readonly code: string
    readonly param: string | null
    readonly type: string
  }
}

/** The answer to a chat at temperature 0. */
export async function chat(
  runtime: LlamaRuntime,
  messages: string | readonly ChatMessage[],
  fields: Readonly<Record<string, unknown>> = {},
): Promise<ChatAnswer> {
  const list = typeof messages === 'string' ? [{ role: 'user', content: messages }] : messages
  const { status, json } = await ask<ChatAnswer>(runtime, '/v1/chat/completions', {
    messages: list,
    temperature: 0,
    ...fields,
  })
  if (status !== 200) throw new Error(`status ${status}: ${JSON.stringify(json)}`)
  return json
}

/** The one text that a chat was answered with. */
export async function chatText(...parameters: Parameters<typeof chat>): Promise<string> {
  return (await chat(...parameters)).choices[0]?.message.content ?? ''
}
