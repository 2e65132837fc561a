/** The bodies of OpenAI's answers: chats and completions, whole and in chunks. */
import { chatLogprobs, completionLogprobs, type TokenLogprob } from './logprobs.ts'

export interface Usage {
  readonly promptTokens: number
  readonly completionTokens: number
  readonly cachedTokens: number
}

export interface AnswerHead {
  readonly id: string
  readonly createdSeconds: number
  readonly model: string
}

/** One choice when it is complete. */
export interface FinishedChoice {
  readonly index: number
  readonly text: string
  readonly finishReason: 'stop' | 'length'
  /** Undefined where they were not asked for. */
  readonly logprobs: readonly TokenLogprob[] | undefined
}

export interface ChunkParts {
  readonly index: number
  readonly text: string
  readonly logprobs: readonly TokenLogprob[] | undefined
  /** Characters of this choice before this chunk. */
  readonly offset: number
}

/** How an endpoint writes an answer. Chunks are JSON texts. */
export interface AnswerFormat {
  /** What comes before the first text of a choice; undefined where nothing does. */
  opening(index: number): string | undefined
  chunk(parts: ChunkParts): string
  closing(index: number, finishReason: 'stop' | 'length'): string
  /** The last chunk of a stream that was asked for its usage. */
  usage(usage: Usage): string
  whole(choices: readonly FinishedChoice[], usage: Usage): string
}

export function chatFormat(head: AnswerHead): AnswerFormat {
  const start = chunkStart(head, 'chat.completion.chunk')
  const delta = (index: number, json: string, logprobs: string, finish: string): string =>
    `${start}"choices":[{"index":${index},"delta":${json},"logprobs":${logprobs},"finish_reason":${finish}}]}`
  return {
    opening: (index) => delta(index, '{"role":"assistant","content":""}', 'null', 'null'),
    chunk: ({ index, text, logprobs }) =>
      delta(
        index,
        `{"content":${JSON.stringify(text)}}`,
        logprobs === undefined ? 'null' : JSON.stringify(chatLogprobs(logprobs)),
        'null',
      ),
    closing: (index, finishReason) => delta(index, '{}', 'null', `"${finishReason}"`),
    usage: (usage) => `${start}"choices":[],"usage":${JSON.stringify(usageJson(usage))}}`,
    whole: (choices, usage) =>
      wholeAnswer(
        head,
        'chat.completion',
        choices.map(({ index, text, finishReason, logprobs }) => ({
          index,
          message: { role: 'assistant', content: text, refusal: null },
          logprobs: logprobs === undefined ? null : chatLogprobs(logprobs),
          finish_reason: finishReason,
        })),
        usage,
      ),
  }
}

export function completionFormat(head: AnswerHead): AnswerFormat {
  const start = chunkStart(head, 'text_completion')
  const choice = (index: number, text: string, logprobs: string, finish: string): string =>
    `${start}"choices":[{"index":${index},"text":${JSON.stringify(text)},"logprobs":${logprobs},"finish_reason":${finish}}]}`
  return {
    opening: () => undefined,
    chunk: ({ index, text, logprobs, offset }) =>
      choice(
        index,
        text,
        logprobs === undefined ? 'null' : JSON.stringify(completionLogprobs(logprobs, offset)),
        'null',
      ),
    closing: (index, finishReason) => choice(index, '', 'null', `"${finishReason}"`),
    usage: (usage) => `${start}"choices":[],"usage":${JSON.stringify(usageJson(usage))}}`,
    whole: (choices, usage) =>
      wholeAnswer(
        head,
        'text_completion',
        choices.map(({ index, text, finishReason, logprobs }) => ({
          index,
          text,
          logprobs: logprobs === undefined ? null : completionLogprobs(logprobs, 0),
          finish_reason: finishReason,
        })),
        usage,
      ),
  }
}

/** Everything of a chunk that is the same in all chunks of an answer. */
function chunkStart({ id, createdSeconds, model }: AnswerHead, object: string): string {
  return `{"id":${JSON.stringify(id)},"object":"${object}","created":${createdSeconds},"model":${JSON.stringify(model)},`
}

function wholeAnswer(
  { id, createdSeconds, model }: AnswerHead,
  object: string,
  choices: readonly object[],
  usage: Usage,
): string {
  return JSON.stringify({ id, object, created: createdSeconds, model, choices, usage: usageJson(usage) })
}

function usageJson({ promptTokens, completionTokens, cachedTokens }: Usage): object {
  return {
    prompt_tokens: promptTokens,
    completion_tokens: completionTokens,
    total_tokens: promptTokens + completionTokens,
    prompt_tokens_details: { cached_tokens: cachedTokens },
  }
}
