/** A failure as OpenAI's clients read it: the body, and the headers that steer their retries. */
import { ERROR_CODES, type HeddleError } from '../errors.ts'
import { limit } from '../limits.ts'
import type { ErrorBody } from '../wire/error-body.ts'

/** `metadata.fix` is the command that mends it, where there is one. */
export function errorBody(error: HeddleError): ErrorBody {
  const { param, fix, metadata } = error.details
  const facts = fix === undefined ? metadata : { ...metadata, fix }
  return {
    error: {
      message: error.message,
      type: ERROR_CODES[error.code].type,
      param: param ?? null,
      code: error.code,
      ...(facts === undefined ? {} : { metadata: facts }),
    },
  }
}

/**
 * Name and value in turn. `x-should-retry` overrides what SDKs conclude from the status; `retry-after` is in whole seconds,
 * `retry-after-ms` exact; both go with every 429 and 503 that may be tried again.
 */
export function errorHeaders(error: HeddleError): readonly string[] {
  const shouldRetry = error.details.shouldRetry ?? ERROR_CODES[error.code].retry !== 'never'
  const headers = [
    'content-type',
    'application/json; charset=utf-8',
    'cache-control',
    'no-store',
    'x-content-type-options',
    'nosniff',
  ]
  headers.push('x-should-retry', String(shouldRetry))
  const expected = shouldRetry && (error.status === 429 || error.status === 503)
  const waitMs = error.details.retryAfterMs ?? (expected ? limit('retryAfterMs') : undefined)
  if (waitMs !== undefined && Number.isFinite(waitMs)) {
    const wholeMs = Math.max(0, Math.ceil(waitMs))
    headers.push('retry-after', String(Math.ceil(wholeMs / 1_000)), 'retry-after-ms', String(wholeMs))
  }
  if (error.details.headers !== undefined) headers.push(...error.details.headers)
  // RFC 9110 §15.5.2 and §15.5.6 ask for these.
  if (error.code === 'invalid_api_key') headers.push('www-authenticate', 'Bearer realm="heddle"')
  const allow = error.details.metadata?.['allow']
  if (error.code === 'method_not_allowed' && Array.isArray(allow)) headers.push('allow', allow.join(', '))
  return headers
}
