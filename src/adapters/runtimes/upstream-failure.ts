/** What went wrong on the way to a runtime, as errors of our table. */
import { type ErrorCode, HeddleError } from '../../core/errors.ts'

/** Why our own HTTP client gave an exchange up; `code` stands in the message that people see. */
export class UpstreamError extends Error {
  override readonly name = 'UpstreamError'
  readonly code: 'CONNECT_TIMEOUT' | 'HEADERS_TIMEOUT' | 'BODY_TIMEOUT' | 'NOT_HTTP' | 'CLOSED' | 'DESTROYED'

  constructor(code: UpstreamError['code'], message: string) {
    super(message)
    this.code = code
  }
}

/** What went wrong before the head: `sent` says whether a socket had taken the request. */
export function failureOf(error: unknown, sent: boolean): HeddleError {
  if (error instanceof HeddleError) return error
  const code = codeOf(error)
  const [row, what] = ((): readonly [ErrorCode, string] => {
    if (code === 'UND_ERR_INVALID_ARG') return ['internal', 'the request for the runtime is malformed']
    if (code === 'UND_ERR_HEADERS_TIMEOUT' || code === 'HEADERS_TIMEOUT')
      return ['timeout', 'the runtime sent no answer in time']
    if (!sent) return ['runtime_unavailable', 'the runtime cannot be reached']
    if (code === 'NOT_HTTP') return ['upstream_failed', 'the runtime answered something that is not valid HTTP']
    return ['upstream_failed', 'the runtime broke off before it answered']
  })()
  return new HeddleError(row, code === '' ? what : `${what} (${code})`, { cause: error })
}

/** What cut an answer whose head had come. */
export function interruptionOf(error: unknown): HeddleError {
  if (error instanceof HeddleError) return error
  const code = codeOf(error)
  const what =
    code === 'UND_ERR_BODY_TIMEOUT' || code === 'BODY_TIMEOUT'
      ? 'the runtime went silent in the middle of its answer'
      : 'the runtime broke off its answer'
  return new HeddleError('upstream_interrupted', code === '' ? what : `${what} (${code})`, { cause: error })
}

/** The client's or the operating system's code; an AggregateError of several addresses has it on its parts. */
function codeOf(error: unknown): string {
  if (!(error instanceof Error)) return ''
  const { code } = error as { code?: unknown }
  if (typeof code === 'string') return code
  return error instanceof AggregateError ? codeOf(error.errors[0]) : ''
}
