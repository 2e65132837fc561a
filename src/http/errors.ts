/** The one way from a failure to a whole HTTP answer: status, headers and OpenAI's error body. */
import { Buffer } from 'node:buffer'
import { ERROR_CODES, HeddleError, heddleErrorOf } from '../core/errors.ts'
import type { RequestId } from '../core/ids.ts'
import { limit } from '../core/limits.ts'
import { errorBody, errorHeaders } from '../core/openai/error-reply.ts'

export interface ErrorReply {
  readonly status: number
  /** Lower-case names; `content-type` and `content-length` are among them. */
  readonly headers: Readonly<Record<string, string>>
  /** JSON text. */
  readonly body: string
}

/** The answer that ends a request which failed before its first byte. Of an error that is no HeddleError nothing is told. */
export function errorReply(error: unknown, requestId: RequestId): ErrorReply {
  const known = withWait(heddleErrorOf(error))
  const body = JSON.stringify(errorBody(known))
  return {
    status: known.status,
    headers: {
      'content-type': 'application/json; charset=utf-8',
      'content-length': String(Buffer.byteLength(body)),
      'cache-control': 'no-store',
      'x-content-type-options': 'nosniff',
      'x-request-id': requestId,
      ...recordOf(errorHeaders(known)),
      ...special(known),
    },
    body,
  }
}

/** Every 429 and 503 that may be tried again says when (RFC 9110 §15.6.4, RFC 6585 §4). */
function withWait(error: HeddleError): HeddleError {
  const { details, status, code } = error
  const again = details.shouldRetry ?? ERROR_CODES[code].retry !== 'never'
  if (details.retryAfterMs !== undefined || !again || (status !== 429 && status !== 503)) return error
  return new HeddleError(code, error.message, { ...details, retryAfterMs: limit('retryAfterMs') })
}

/** Headers that HTTP asks for with particular statuses (RFC 9110 §15.5.2 and §15.5.6). */
function special(error: HeddleError): Record<string, string> {
  if (error.code === 'invalid_api_key') return { 'www-authenticate': 'Bearer realm="heddle"' }
  const allow = error.details.metadata?.['allow']
  if (error.code === 'method_not_allowed' && Array.isArray(allow)) return { allow: allow.join(', ') }
  return {}
}

/** Names and values in turn, as an object. */
export function recordOf(pairs: readonly string[]): Record<string, string> {
  const record: Record<string, string> = {}
  for (let index = 0; index + 1 < pairs.length; index += 2) record[pairs[index] as string] = pairs[index + 1] as string
  return record
}
