/** An OpenAI-compatible server whose models misbehave as they are told, for tests of a node with such a runtime. */
import type { IncomingMessage, ServerResponse } from 'node:http'
import { type LoopbackServer, listenOnLoopback, readBody, sendJson } from './runtime-server.ts'

/** Answers one inference request; `body` is its JSON. */
export type Behaviour = (response: ServerResponse, body: UpstreamBody, request: IncomingMessage) => void

export interface UpstreamBody {
  readonly model: string
  readonly stream?: boolean
}

export interface FakeUpstream extends AsyncDisposable {
  readonly server: LoopbackServer
  /** For `HEDDLE_RUNTIMES`. */
  readonly spec: string
  /** Inference requests that came for a model. */
  requests(model: string): number
  /** All inference requests, as they came. */
  readonly seen: readonly SeenRequest[]
}

export interface SeenRequest {
  readonly path: string
  readonly headers: IncomingMessage['headers']
  readonly body: string
}

/** Serves `behaviours` by model name on a free port, or on `port`. */
export async function startFakeUpstream(
  behaviours: Readonly<Record<string, Behaviour>>,
  port = 0,
): Promise<FakeUpstream> {
  const seen: (SeenRequest & { readonly model: string })[] = []
  const answer = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const path = request.url ?? ''
    if (path === '/health') return void response.end('ok')
    if (path === '/v1/models') {
      const data = Object.keys(behaviours).map((id) => ({
        id,
        object: 'model',
        created: 1_760_000_000,
        owned_by: 'test',
      }))
      return sendJson(response, 200, { object: 'list', data })
    }
    const text = (await readBody(request)).toString('utf8')
    const body = JSON.parse(text) as UpstreamBody
    seen.push({ path, headers: request.headers, body: text, model: body.model })
    const behave = behaviours[body.model]
    if (behave === undefined) return sendJson(response, 404, { error: { message: 'no such model' } })
    behave(response, body, request)
  }
  const server = await listenOnLoopback((request, response) => {
    // Whoever asked may leave before its body is here.
    answer(request, response).catch(() => response.destroy())
  }, port)
  return {
    server,
    spec: `openai:${server.url}`,
    seen,
    requests: (model) => seen.filter((request) => request.model === model).length,
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
  }
}

/** One chunk of a chat stream as an event. */
export function chunkEvent(content: string, finishReason: string | null = null): string {
  const choices = [{ index: 0, delta: { content }, finish_reason: finishReason }]
  return `data: ${JSON.stringify({ id: 'chatcmpl-1', object: 'chat.completion.chunk', created: 1, model: 'm', choices })}\n\n`
}

export function beginStream(response: ServerResponse, contentType = 'text/event-stream'): void {
  response.writeHead(200, { 'content-type': contentType })
}

/** Answers in full, streamed or not, as a well-behaved server does. */
export const answerWell: Behaviour = (response, { stream }) => {
  if (stream !== true) return sendJson(response, 200, wholeAnswer('fine'))
  beginStream(response)
  response.end(`${chunkEvent('fine')}${chunkEvent('', 'stop')}data: [DONE]\n\n`)
}

export function wholeAnswer(content: string): unknown {
  return {
    id: 'chatcmpl-1',
    object: 'chat.completion',
    created: 1,
    model: 'm',
    choices: [{ index: 0, message: { role: 'assistant', content }, finish_reason: 'stop' }],
    usage: { prompt_tokens: 1, completion_tokens: 1, total_tokens: 2 },
  }
}
