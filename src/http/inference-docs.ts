/** Describes the inference endpoints, which the server answers before Fastify sees them. */
import { z } from 'zod'
import { HeddleError } from '../core/errors.ts'
import type { ZodApp } from './zod-app.ts'

const common = { model: z.string(), user: z.string().optional() }
const sampling = {
  stream: z.boolean().optional(),
  stream_options: z.object({ include_usage: z.boolean().optional() }).optional(),
  max_tokens: z.int().positive().optional(),
  temperature: z.number().min(0).max(2).optional(),
  top_p: z.number().min(0).max(1).optional(),
  stop: z.union([z.string(), z.array(z.string()).max(4)]).optional(),
  seed: z.int().optional(),
}
const Message = z.looseObject({
  role: z.enum(['system', 'developer', 'user', 'assistant', 'tool']),
  content: z.union([z.string(), z.array(z.looseObject({ type: z.string() })), z.null()]).optional(),
})

/** Fields beyond these travel to the runtime as they are. */
const ChatRequest = z
  .looseObject({
    ...common,
    ...sampling,
    messages: z.array(Message).min(1),
    max_completion_tokens: z.int().positive().optional(),
  })
  .meta({ id: 'ChatCompletionRequest' })
const CompletionRequest = z
  .looseObject({ ...common, ...sampling, prompt: z.union([z.string(), z.array(z.string())]) })
  .meta({ id: 'CompletionRequest' })
const EmbeddingRequest = z
  .looseObject({
    ...common,
    input: z.union([z.string(), z.array(z.string()), z.array(z.int()), z.array(z.array(z.int()))]),
    encoding_format: z.enum(['float', 'base64']).optional(),
    dimensions: z.int().positive().optional(),
  })
  .meta({ id: 'EmbeddingRequest' })

const Usage = z.looseObject({ prompt_tokens: z.int(), total_tokens: z.int() })
const Completion = z
  .looseObject({
    id: z.string(),
    object: z.string(),
    created: z.int(),
    model: z.string(),
    choices: z.array(z.looseObject({})),
    usage: Usage,
  })
  .meta({ id: 'Completion' })
const Embeddings = z
  .looseObject({ object: z.literal('list'), model: z.string(), data: z.array(z.looseObject({})), usage: Usage })
  .meta({ id: 'Embeddings' })

const ENDPOINTS = [
  { url: '/v1/chat/completions', summary: 'Chat', body: ChatRequest, answer: Completion, streams: true },
  { url: '/v1/completions', summary: 'Complete a text', body: CompletionRequest, answer: Completion, streams: true },
  { url: '/v1/embeddings', summary: 'Embed texts', body: EmbeddingRequest, answer: Embeddings, streams: false },
] as const

export function inferenceDocs(app: ZodApp): void {
  for (const { url, summary, body, answer, streams } of ENDPOINTS) {
    const whole = { 'application/json': { schema: answer } }
    const events = { 'text/event-stream': { schema: z.string() } }
    const content = streams ? { ...whole, ...events } : whole
    app.route({
      method: 'POST',
      url,
      schema: { summary, tags: ['OpenAI'], body, response: { 200: { description: 'The answer', content } } },
      config: { access: 'inference' },
      // Only an oddly encoded path comes here, e.g. `/v1/chat/%63ompletions`; the server knows these by their exact names.
      onRequest: () => {
        throw new HeddleError('not_found', `write this path as ${url}`)
      },
      handler: () => undefined,
    })
  }
}
