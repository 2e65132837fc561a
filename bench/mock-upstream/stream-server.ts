/** The streaming mock upstream: a process of its own that answers chat requests with 100 chunks, paced as the model's name says. */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import {
  CHUNKS_PER_STREAM,
  chunkJson,
  isStreamModel,
  modelList,
  STREAM_PACE_MS,
  type StreamModel,
  usageJson,
} from './openai-shapes.ts'

/** Frames of one model, made once. */
interface Script {
  readonly frames: readonly Buffer[]
  readonly usage: Buffer
  readonly burst: Buffer
}

const DONE = Buffer.from('data: [DONE]\n\n')
const MODELS = Object.keys(STREAM_PACE_MS) as StreamModel[]

function scriptOf(model: StreamModel): Script {
  const frames = Array.from({ length: CHUNKS_PER_STREAM }, (_, index) =>
    Buffer.from(`data: ${chunkJson(model, index)}\n\n`),
  )
  return { frames, usage: Buffer.from(`data: ${usageJson(model)}\n\n`), burst: Buffer.concat(frames) }
}

function sendJson(response: ServerResponse, status: number, body: string): void {
  response.writeHead(status, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) })
  response.end(body)
}

function stream(response: ServerResponse, script: Script, paceMs: number, withUsage: boolean): void {
  response.writeHead(200, { 'content-type': 'text/event-stream; charset=utf-8', 'cache-control': 'no-cache' })
  const tail = withUsage ? [script.usage, DONE] : [DONE]
  if (paceMs === 0) {
    response.write(script.burst)
    response.end(Buffer.concat(tail))
    return
  }
  let next = 0
  const timer = setInterval(() => {
    response.write(script.frames[next])
    next += 1
    if (next < CHUNKS_PER_STREAM) return
    clearInterval(timer)
    response.end(Buffer.concat(tail))
  }, paceMs)
  response.on('close', () => clearInterval(timer))
}

async function answerChat(
  scripts: ReadonlyMap<StreamModel, Script>,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const parts: Buffer[] = []
  for await (const part of request) parts.push(part as Buffer)
  const body = JSON.parse(Buffer.concat(parts).toString()) as {
    model?: unknown
    stream?: unknown
    stream_options?: { include_usage?: unknown } | null
  }
  const script = isStreamModel(body.model) ? scripts.get(body.model) : undefined
  if (script === undefined || !isStreamModel(body.model) || body.stream !== true) {
    sendJson(
      response,
      400,
      '{"error":{"message":"the mock streams its own models only","type":"invalid_request_error"}}',
    )
    return
  }
  stream(response, script, STREAM_PACE_MS[body.model], body.stream_options?.include_usage === true)
}

function serve(ports: readonly number[]): void {
  const scripts = new Map(MODELS.map((model) => [model, scriptOf(model)]))
  for (const port of ports) {
    const server = createServer({ keepAliveTimeout: 120_000, noDelay: true }, (request, response) => {
      if (request.url === '/health') sendJson(response, 200, '{"status":"ok"}')
      else if (request.url === '/v1/models') sendJson(response, 200, modelList(MODELS))
      else if (request.url === '/v1/chat/completions') {
        answerChat(scripts, request, response).catch((error: unknown) =>
          response.destroy(error instanceof Error ? error : undefined),
        )
      } else sendJson(response, 404, '{"error":{"message":"not found"}}')
    })
    // Two thousand streams may knock at the same moment.
    server.listen({ port, host: '127.0.0.1', backlog: 4096 })
  }
}

serve(process.argv.slice(2).map(Number))
