/** A service's answer on its way to whoever asked, at its pace; one that breaks off is never made to look whole. */
import type { ServerResponse } from 'node:http'
import { HeddleError } from '../../core/errors.ts'
import { limit } from '../../core/limits.ts'
import type { MessageResponse } from '../../core/message.ts'
import type { HeaderPairs } from '../../gateway/inbound.ts'
import type { Clock } from '../../ports/clock.ts'
import { untilDrained } from '../drained.ts'

interface SendDeps {
  readonly clock: Pick<Clock, 'after'>
}

/**
 * Resolves when all is sent. `more` headers go out beside the service's own.
 * @throws HeddleError `upstream_failed` where nothing was sent yet; after the head the connection is cut instead of an end
 */
export async function sendAnswer(
  deps: SendDeps,
  response: ServerResponse,
  { status, headers, body }: MessageResponse,
  more: HeaderPairs,
): Promise<void> {
  const chunks = body[Symbol.asyncIterator]()
  try {
    // What a service serves must not run as a page of this node.
    const safe = ['content-security-policy', 'sandbox', 'x-content-type-options', 'nosniff']
    response.writeHead(checkStatus(status), [...Object.entries(headers).flat(), ...sse(headers), ...safe, ...more])
    response.flushHeaders()
  } catch (cause) {
    await chunks.return?.()
    throw new HeddleError('upstream_failed', 'the service answered with something that is no HTTP', { cause })
  }
  try {
    for (let next = await chunks.next(); next.done !== true; next = await chunks.next()) {
      if (response.destroyed) throw new HeddleError('client_closed', 'the client closed the connection')
      if (!response.write(next.value)) await untilDrained(deps, response)
    }
  } catch (error) {
    await chunks.return?.()
    response.destroy()
    throw error
  }
  response.end()
  dropRest(deps, response)
}

/** One of our own, whole. */
export function sendJson(response: ServerResponse, value: object, headers: HeaderPairs): void {
  const body = Buffer.from(JSON.stringify(value))
  const own = ['content-type', 'application/json; charset=utf-8', 'content-length', String(body.length)]
  response.writeHead(200, [...own, ...headers])
  response.end(body)
}

/** Who is still sending what nobody wants any more may do so for a moment only. */
function dropRest({ clock }: SendDeps, response: ServerResponse): void {
  const { req: request } = response
  if (request.complete || request.destroyed) return
  const timer = clock.after(limit('lingerMs'), () => request.socket.destroy())
  request.once('close', () => timer.cancel())
  request.resume()
}

/** Proxies hold back events unless they are told not to; OCF tells them. */
function sse(headers: MessageResponse['headers']): HeaderPairs {
  if (headers['content-type']?.startsWith('text/event-stream') !== true) return []
  const cache = headers['cache-control'] === undefined ? ['cache-control', 'no-cache'] : []
  return headers['x-accel-buffering'] === undefined ? [...cache, 'x-accel-buffering', 'no'] : cache
}

/** An answer has one final status; 101 would give the socket away. */
function checkStatus(status: number): number {
  if (Number.isInteger(status) && status >= 200 && status <= 599) return status
  throw new RangeError('not a final status')
}
