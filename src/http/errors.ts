/** The one way from a failure to an HTTP answer: status, headers and OpenAI's error body. */
import { Buffer } from 'node:buffer'
import { ERROR_CODES, type HeddleError, heddleErrorOf } from '../core/errors.ts'
import type { RequestId } from '../core/ids.ts'
import { limit } from '../core/limits.ts'
import type { ErrorObject } from '../core/wire/error-body.ts'

export interface ErrorReply {
  readonly status: number
  /** Lower-case names; `content-type` and `content-length` are among them. */
  readonly headers: Readonly<Record<string, string>>
  /** JSON text. */
  readonly body: string
}

/** The `error` object of OpenAI's body; also what goes into a broken stream. Anything but a HeddleError says nothing of itself. */
export function errorObjectOf(error: unknown): ErrorObject {
  const known = heddleErrorOf(error)
  const { param, fix, metadata } = known.details
  const facts = { ...metadata, ...(fix === undefined ? {} : { fix }) }
  return {
    message: known.message,
    type: ERROR_CODES[known.code].type,
    param: param ?? null,
    code: known.code,
    ...(Object.keys(facts).length === 0 ? {} : { metadata: facts }),
  }
}

/**
 * The answer that ends a request which failed before its first byte. `x-should-retry` overrides what SDKs conclude from the status,
 * `retry-after` is in whole seconds, `retry-after-ms` exact; both are sent with every 429 and 503 that may be tried again.
 */
export function errorReply(error: unknown, requestId: RequestId): ErrorReply {
  const known = heddleErrorOf(error)
  const body = JSON.stringify({ error: errorObjectOf(known) })
  const shouldRetry = known.details.shouldRetry ?? ERROR_CODES[known.code].retry !== 'never'
  return {
    status: known.status,
    headers: {
      'content-type': 'application/json; charset=utf-8',
      'content-length': String(Buffer.byteLength(body)),
      'cache-control': 'no-store',
      'x-content-type-options': 'nosniff',
      'x-request-id': requestId,
      'x-should-retry': String(shouldRetry),
      ...retryAfter(known, shouldRetry),
      ...special(known),
    },
    body,
  }
}

function retryAfter(error: HeddleError, shouldRetry: boolean): Record<string, string> {
  const expected = shouldRetry && (error.status === 429 || error.status === 503)
  const waitMs = error.details.retryAfterMs ?? (expected ? limit('retryAfterMs') : undefined)
  if (waitMs === undefined || !Number.isFinite(waitMs)) return {}
  const wholeMs = Math.max(0, Math.ceil(waitMs))
  return { 'retry-after': String(Math.ceil(wholeMs / 1_000)), 'retry-after-ms': String(wholeMs) }
}

/** Headers that HTTP asks for with particular statuses (RFC 9110 §15.5.2 and §15.5.6). */
function special(error: HeddleError): Record<string, string> {
  if (error.code === 'invalid_api_key') return { 'www-authenticate': 'Bearer realm="heddle"' }
  const allow = error.details.metadata?.['allow']
  if (error.code === 'method_not_allowed' && Array.isArray(allow)) return { allow: allow.join(', ') }
  return {}
}
