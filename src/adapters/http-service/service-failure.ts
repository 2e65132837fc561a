/** What went wrong on the way to a service, as errors of our table; no message holds an address. */
import { type ErrorCode, HeddleError } from '../../core/errors.ts'

/** Before the head of the answer; `sent` says whether a socket had taken the request. */
export function failureOf(error: unknown, sent: boolean): HeddleError {
  if (error instanceof HeddleError) return error
  const code = codeOf(error)
  const [row, what] = ((): readonly [ErrorCode, string] => {
    if (code === 'UND_ERR_INVALID_ARG') return ['invalid_request', 'the request cannot be written as HTTP']
    if (code === 'UND_ERR_REQ_CONTENT_LENGTH_MISMATCH')
      return ['invalid_request', 'the body is not as long as its content-length says']
    if (code === 'UND_ERR_HEADERS_TIMEOUT') return ['timeout', 'the service sent no answer in time']
    if (!sent) return ['runtime_unavailable', 'the service cannot be reached']
    if (code.startsWith('HPE_')) return ['upstream_failed', 'the service answered something that is not valid HTTP']
    return ['upstream_failed', 'the service broke off before it answered']
  })()
  return new HeddleError(row, code === '' ? what : `${what} (${code})`, { cause: error })
}

/** What cut an answer whose head had come. */
export function interruptionOf(error: unknown): HeddleError {
  if (error instanceof HeddleError) return error
  const code = codeOf(error)
  const what =
    code === 'UND_ERR_BODY_TIMEOUT'
      ? 'the service went silent in the middle of its answer'
      : 'the service broke off its answer'
  return new HeddleError('upstream_interrupted', code === '' ? what : `${what} (${code})`, { cause: error })
}

/** The client's or the operating system's code; an AggregateError of several addresses has it on its parts. */
function codeOf(error: unknown): string {
  if (!(error instanceof Error)) return ''
  const { code } = error as { code?: unknown }
  if (typeof code === 'string') return code
  return error instanceof AggregateError ? codeOf(error.errors[0]) : ''
}
