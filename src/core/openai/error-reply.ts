/** A failure as OpenAI's clients read it: the body, and the headers that steer their retries. */
import { ERROR_CODES, type HeddleError } from '../errors.ts'
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

/** Name and value in turn. OpenAI's clients obey `x-should-retry` above all, then `retry-after-ms`, then `retry-after`. */
export function errorHeaders(error: HeddleError): readonly string[] {
  const { retryAfterMs, shouldRetry } = error.details
  const headers = ['x-should-retry', String(shouldRetry ?? ERROR_CODES[error.code].retry !== 'never')]
  if (retryAfterMs !== undefined) {
    headers.push('retry-after', String(Math.max(1, Math.ceil(retryAfterMs / 1000))), 'retry-after-ms', String(Math.ceil(retryAfterMs)))
  }
  return headers
}
