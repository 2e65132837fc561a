/** An HTTP server on loopback whose answers come from a function. */
import { once } from 'node:events'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Serve } from '../../src/adapters/memory/memory-forwarder.ts'
import type { MessageHeaders } from '../../src/core/message.ts'
import { type LoopbackServer, listenOnLoopback } from './runtime-server.ts'

/** A function that throws closes its socket; a body that throws is cut. */
export function startServiceServer(serve: Serve, port = 0): Promise<LoopbackServer> {
  return listenOnLoopback((request, response) => void answer(serve, request, response), port)
}

async function answer(serve: Serve, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const left = new AbortController()
  response.on('close', () => left.abort())
  try {
    const { method = 'GET', url: path = '/' } = request
    const { status, headers, body } = await serve({ method, path, headers: headersOf(request), body: request })
    response.writeHead(status, headers)
    response.flushHeaders()
    for await (const chunk of body) {
      if (!response.write(chunk)) await once(response, 'drain', { signal: left.signal })
    }
    response.end()
  } catch {
    request.socket.resetAndDestroy()
  }
}

function headersOf({ headers }: IncomingMessage): MessageHeaders {
  return Object.fromEntries(
    Object.entries(headers).map(([name, value]) => [name, Array.isArray(value) ? value.join(', ') : (value ?? '')]),
  )
}
