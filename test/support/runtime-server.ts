/** A runtime behind a small HTTP server of the shape that OpenAI-compatible servers have, for tests of those who speak to such servers. */
import { once } from 'node:events'
import { createServer, type IncomingMessage, type RequestListener, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { HeddleError } from '../../src/core/errors.ts'
import { asRequestId } from '../../src/core/ids.ts'
import type { Runtime } from '../../src/ports/runtime.ts'

export interface LoopbackServer extends AsyncDisposable {
  readonly url: string
  readonly port: number
  readonly server: Server
}

/** Serves `listener` on a free port of loopback, or on `port`. */
export async function listenOnLoopback(listener: RequestListener, port = 0): Promise<LoopbackServer> {
  const server = createServer(listener)
  server.listen(port, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address() as AddressInfo
  return {
    url: `http://127.0.0.1:${address.port}`,
    port: address.port,
    server,
    async [Symbol.asyncDispose]() {
      if (!server.listening) return
      const closed = once(server, 'close')
      server.close()
      server.closeAllConnections()
      await closed
    },
  }
}

/** Answers `/health`, `/v1/models` and inference from `runtime`; false where the path is none of these. */
export function answerFromRuntime(runtime: Runtime, request: IncomingMessage, response: ServerResponse): boolean {
  const path = request.url ?? ''
  if (request.method === 'GET' && path === '/health') {
    response.end()
    return true
  }
  if (request.method === 'GET' && path === '/v1/models') {
    const data = runtime.snapshot().offers.map((offer) => ({
      id: offer.id,
      object: 'model',
      created: 1_760_000_000,
      owned_by: 'test',
      max_model_len: offer.contextTokens,
    }))
    sendJson(response, 200, { object: 'list', data })
    return true
  }
  if (request.method !== 'POST' || !path.startsWith('/v1/')) return false
  void infer(runtime, request, response)
  return true
}

export function sendJson(response: ServerResponse, status: number, value: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(value))
}

/** Everything that a request carried. */
export async function readBody(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = []
  for await (const chunk of request) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks)
}

async function infer(runtime: Runtime, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const left = new AbortController()
  response.on('close', () => left.abort())
  try {
    const body = await readBody(request)
    const answer = await runtime.send(
      { id: asRequestId('req_server'), service: 'llm', method: 'POST', path: request.url ?? '', headers: {}, body },
      { signal: left.signal },
    )
    response.writeHead(answer.status, answer.headers)
    for await (const chunk of answer.body) {
      if (!response.write(chunk)) await once(response, 'drain', { signal: left.signal })
    }
    response.end()
  } catch (error) {
    if (left.signal.aborted) return
    // What a broken program does: before the head a refusal, after it a reset.
    if (response.headersSent) request.socket.resetAndDestroy()
    else sendJson(response, error instanceof HeddleError ? error.status : 500, { error: { message: 'broken' } })
  }
}
