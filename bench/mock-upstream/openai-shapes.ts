/** What the mock upstream answers: OpenAI-shaped JSON and stream chunks, the same bytes every time. */

/** Chunks of one stream: the first gives the role, the last the finish reason, those between a word each. */
export const CHUNKS_PER_STREAM = 100

/** How each model of the streaming mock paces its chunks; 0 sends them in one burst. */
export const STREAM_PACE_MS = {
  'bench-burst': 0,
  'bench-paced': 2,
  'bench-slow': 100,
} as const satisfies Record<string, number>

export type StreamModel = keyof typeof STREAM_PACE_MS

export const JSON_MODEL = 'bench-json'
const JSON_ANSWER_BYTES = 700
const CREATED = 1_760_000_000

export function isStreamModel(model: unknown): model is StreamModel {
  return typeof model === 'string' && Object.hasOwn(STREAM_PACE_MS, model)
}

function completionWith(content: string): string {
  return JSON.stringify({
    id: 'chatcmpl-bench',
    object: 'chat.completion',
    created: CREATED,
    model: JSON_MODEL,
    choices: [
      { index: 0, message: { role: 'assistant', content, refusal: null }, logprobs: null, finish_reason: 'stop' },
    ],
    usage: { prompt_tokens: 180, completion_tokens: 90, total_tokens: 270 },
    system_fingerprint: 'fp_bench',
  })
}

/** A whole chat completion of exactly 700 bytes. */
export function jsonAnswer(): string {
  return completionWith('x'.repeat(JSON_ANSWER_BYTES - completionWith('').length))
}

/** The answer of `GET /v1/models`. */
export function modelList(ids: readonly string[]): string {
  return JSON.stringify({
    object: 'list',
    data: ids.map((id) => ({ id, object: 'model', created: CREATED, owned_by: 'bench', max_model_len: 8192 })),
  })
}

/** What one chunk says; everything else in it is decoration that a proxy may change. */
export interface ChunkMeaning {
  readonly role: string | null
  readonly content: string | null
  readonly finishReason: string | null
}

/** The meaning of chunk `index`; every content differs, so that a lost, doubled or swapped chunk shows. */
export function chunkMeaning(index: number): ChunkMeaning {
  if (index === 0) return { role: 'assistant', content: '', finishReason: null }
  if (index === CHUNKS_PER_STREAM - 1) return { role: null, content: null, finishReason: 'stop' }
  return { role: null, content: `word${String(index).padStart(3, '0')} `, finishReason: null }
}

/** The JSON of chunk `index` as the mock sends it. */
export function chunkJson(model: StreamModel, index: number): string {
  const { role, content, finishReason } = chunkMeaning(index)
  return JSON.stringify({
    id: 'chatcmpl-bench',
    object: 'chat.completion.chunk',
    created: CREATED,
    model,
    system_fingerprint: 'fp_bench',
    choices: [
      {
        index: 0,
        delta: { ...(role === null ? {} : { role }), ...(content === null ? {} : { content }) },
        logprobs: null,
        finish_reason: finishReason,
      },
    ],
  })
}

/** The last chunk of a stream whose request asked for `stream_options.include_usage`. */
export function usageJson(model: StreamModel): string {
  return JSON.stringify({
    id: 'chatcmpl-bench',
    object: 'chat.completion.chunk',
    created: CREATED,
    model,
    system_fingerprint: 'fp_bench',
    choices: [],
    usage: { prompt_tokens: 180, completion_tokens: CHUNKS_PER_STREAM - 2, total_tokens: 180 + CHUNKS_PER_STREAM - 2 },
  })
}

/** A chat request of one kilobyte. */
export function chatRequest(model: string, stream: boolean): string {
  const withUser = (content: string): string =>
    JSON.stringify({
      model,
      messages: [
        { role: 'system', content: 'You are a helpful assistant.' },
        { role: 'user', content },
      ],
      max_tokens: 100,
      temperature: 0.7,
      ...(stream ? { stream: true } : {}),
    })
  return withUser('hello world '.repeat(100).slice(0, 1024 - withUser('').length))
}
