/** A request on Node's HTTP as the message that travels between nodes. */
import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from 'node:http'
import { HeddleError } from '../../core/errors.ts'
import { limit } from '../../core/limits.ts'
import type { MessageBody, MessageHeaders } from '../../core/message.ts'
import type { Clock } from '../../ports/clock.ts'

/** CONNECT and TRACE speak of the way, not of what is at its end. */
const METHODS: readonly string[] = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS']

/** @throws HeddleError `method_not_allowed` */
export function checkMethod(method: string | undefined): string {
  if (method !== undefined && METHODS.includes(method)) return method
  throw new HeddleError('method_not_allowed', `a service is not asked with this method; use ${METHODS.join(', ')}`, {
    metadata: { allow: METHODS },
  })
}

export function messageHeaders(headers: IncomingHttpHeaders): MessageHeaders {
  const all: Record<string, string> = {}
  for (const [name, value] of Object.entries(headers)) {
    if (value !== undefined) all[name] = Array.isArray(value) ? value.join(', ') : value
  }
  return all
}

/** The body as it comes, read only as fast as it is asked for; undefined where there is none. */
export function messageBody(
  deps: { readonly clock: Pick<Clock, 'after'> },
  request: IncomingMessage,
  response: ServerResponse,
): MessageBody | undefined {
  const { 'content-length': length, 'transfer-encoding': coding } = request.headers
  if (coding === undefined && (length === undefined || length === '0')) return undefined
  return { [Symbol.asyncIterator]: () => chunksOf(deps, request, response) }
}

async function* chunksOf(
  { clock }: { readonly clock: Pick<Clock, 'after'> },
  request: IncomingMessage,
  response: ServerResponse,
): AsyncGenerator<Uint8Array, undefined> {
  if (request.headers.expect !== undefined) response.writeContinue()
  // The connection lives on when nobody wants the rest: the answer still goes over it.
  const chunks = request.iterator({ destroyOnReturn: false })
  for (;;) {
    const late = Promise.withResolvers<never>()
    // Only the wait for a client that owes bytes counts, not that for a service which takes them slowly.
    using _ = clock.after(limit('bodyTimeoutMs'), () => late.reject(stopped()))
    const next = await Promise.race([chunks.next(), late.promise]).catch((cause: unknown) => {
      if (cause instanceof HeddleError) throw cause
      throw new HeddleError('client_closed', 'the client left before its body was here', { cause })
    })
    if (next.done === true) return undefined
    yield next.value as Buffer
  }
}

function stopped(): HeddleError {
  return new HeddleError('request_timeout', 'the body stopped coming', { shouldRetry: false })
}
