/** An error answered straight on Node's HTTP, where neither the gateway nor Fastify had the request yet. */
import type { ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import type { HeddleError } from '../core/errors.ts'
import { errorBody, errorHeaders } from '../core/openai/error-reply.ts'
import type { HeaderPairs } from '../gateway/inbound.ts'
import type { Clock } from '../ports/clock.ts'
import { answerUnread } from './unread-body.ts'

/** `common` headers go out with every answer: the request id, CORS. */
export function sendError(
  deps: { readonly clock: Pick<Clock, 'after'> },
  response: ServerResponse,
  error: HeddleError,
  common: HeaderPairs,
): void {
  if (response.headersSent || response.destroyed) return
  const body = Buffer.from(JSON.stringify(errorBody(error)))
  answerUnread(
    deps,
    response,
    error.status,
    [...errorHeaders(error), ...common, 'content-length', String(body.length)],
    body,
  )
}

/** For requests that Node's parser refused: there is only a socket, and nothing more can be read from it. */
export function sendErrorOnSocket(socket: Socket, error: HeddleError, reason: string, common: HeaderPairs): void {
  if (!socket.writable) {
    socket.destroy()
    return
  }
  const body = JSON.stringify(errorBody(error))
  const pairs = [
    ...errorHeaders(error),
    ...common,
    'content-length',
    String(Buffer.byteLength(body)),
    'connection',
    'close',
  ]
  const lines = [`HTTP/1.1 ${error.status} ${reason}`]
  for (let index = 0; index < pairs.length; index += 2) lines.push(`${pairs[index]}: ${pairs[index + 1]}`)
  socket.end(`${lines.join('\r\n')}\r\n\r\n${body}`)
}
