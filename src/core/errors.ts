/** The one table of error codes: what each means on the wire, and the error class that carries one. */

type Retry = 'never' | 'later' | 'next-candidate'
interface ErrorRow {
  /** HTTP status where the code ends a request. */
  readonly status: number
  /** The `type` field of OpenAI's error body. */
  readonly type: string
  /** Who may try again: nobody, the client later, or we on the next candidate. */
  readonly retry: Retry
}

export const ERROR_CODES = {
  // The request itself is wrong.
  invalid_request: { status: 400, type: 'invalid_request_error', retry: 'never' },
  malformed_json: { status: 400, type: 'invalid_request_error', retry: 'never' },
  unsupported_parameter: { status: 400, type: 'invalid_request_error', retry: 'never' },
  context_length_exceeded: { status: 400, type: 'invalid_request_error', retry: 'never' },
  invalid_api_key: { status: 401, type: 'authentication_error', retry: 'never' },
  insufficient_credits: { status: 402, type: 'insufficient_quota', retry: 'never' },
  insufficient_scope: { status: 403, type: 'permission_error', retry: 'never' },
  model_not_allowed: { status: 403, type: 'permission_error', retry: 'never' },
  prompt_outside_trust: { status: 403, type: 'permission_error', retry: 'never' },
  origin_not_allowed: { status: 403, type: 'permission_error', retry: 'never' },
  model_not_found: { status: 404, type: 'invalid_request_error', retry: 'never' },
  not_found: { status: 404, type: 'not_found_error', retry: 'never' },
  method_not_allowed: { status: 405, type: 'invalid_request_error', retry: 'never' },
  request_timeout: { status: 408, type: 'invalid_request_error', retry: 'later' },
  conflict: { status: 409, type: 'invalid_request_error', retry: 'never' },
  payload_too_large: { status: 413, type: 'invalid_request_error', retry: 'never' },
  uri_too_long: { status: 414, type: 'invalid_request_error', retry: 'never' },
  unsupported_media_type: { status: 415, type: 'invalid_request_error', retry: 'never' },
  misdirected_request: { status: 421, type: 'invalid_request_error', retry: 'never' },
  headers_too_large: { status: 431, type: 'invalid_request_error', retry: 'never' },
  // Too much of it.
  rate_limit_exceeded: { status: 429, type: 'rate_limit_error', retry: 'later' },
  queue_full: { status: 429, type: 'rate_limit_error', retry: 'later' },
  // Our side.
  internal: { status: 500, type: 'server_error', retry: 'later' },
  upstream_failed: { status: 502, type: 'server_error', retry: 'next-candidate' },
  peer_unreachable: { status: 502, type: 'server_error', retry: 'next-candidate' },
  upstream_interrupted: { status: 502, type: 'stream_interrupted', retry: 'next-candidate' },
  no_capacity: { status: 503, type: 'service_unavailable', retry: 'later' },
  no_route: { status: 503, type: 'service_unavailable', retry: 'later' },
  model_loading: { status: 503, type: 'model_loading', retry: 'next-candidate' },
  runtime_unavailable: { status: 503, type: 'service_unavailable', retry: 'next-candidate' },
  draining: { status: 503, type: 'service_unavailable', retry: 'later' },
  timeout: { status: 504, type: 'server_error', retry: 'next-candidate' },
  storage_full: { status: 507, type: 'server_error', retry: 'later' },
  // The client left before the answer; never sent, only logged.
  client_closed: { status: 499, type: 'client_closed', retry: 'never' },
  // A person at the command line sees these.
  usage: { status: 400, type: 'usage', retry: 'never' },
  daemon_down: { status: 503, type: 'daemon', retry: 'later' },
  port_in_use: { status: 500, type: 'daemon', retry: 'never' },
  config_invalid: { status: 500, type: 'config', retry: 'never' },
  state_corrupt: { status: 500, type: 'state', retry: 'never' },
  state_newer: { status: 500, type: 'state', retry: 'never' },
  insecure_file_mode: { status: 500, type: 'state', retry: 'never' },
  key_locked: { status: 500, type: 'state', retry: 'never' },
  identity_refused: { status: 500, type: 'state', retry: 'never' },
  wrong_passphrase: { status: 500, type: 'state', retry: 'never' },
  gguf_invalid: { status: 400, type: 'invalid_request_error', retry: 'never' },
  digest_mismatch: { status: 400, type: 'invalid_request_error', retry: 'never' },
  download_failed: { status: 502, type: 'server_error', retry: 'later' },
  engine_missing: { status: 500, type: 'runtime', retry: 'never' },
} as const satisfies Record<string, ErrorRow>

export type ErrorCode = keyof typeof ERROR_CODES

export interface ErrorDetails {
  /** What made this fail; always pass it where there is one. */
  readonly cause?: unknown
  /** The request field at fault, e.g. `messages[0].role`. */
  readonly param?: string | undefined
  /** A literal command or edit that mends it. */
  readonly fix?: string | undefined
  /** When trying again makes sense; becomes `retry-after`. */
  readonly retryAfterMs?: number | undefined
  /** Overrides what the code says about trying again; becomes `x-should-retry`. */
  readonly shouldRetry?: boolean | undefined
  /** Further response headers, name and value in turn. */
  readonly headers?: readonly string[] | undefined
  /** Facts for machines, sent as `error.metadata`; never secrets, prompts or completions. */
  readonly metadata?: Readonly<Record<string, unknown>> | undefined
}

/** A failure with a code of the table. Its message is shown to people: lower case, no secrets, no prompt text. */
export class HeddleError extends Error {
  override readonly name = 'HeddleError'
  readonly code: ErrorCode
  readonly details: ErrorDetails

  constructor(code: ErrorCode, message: string, details: ErrorDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause })
    this.code = code
    this.details = details
  }

  get status(): number {
    return ERROR_CODES[this.code].status
  }
}

/** The HeddleError that `error` is or hides; anything else becomes `internal` with the original as its cause. */
export function heddleErrorOf(error: unknown): HeddleError {
  if (error instanceof HeddleError) return error
  return new HeddleError('internal', 'something went wrong inside heddle; the log has the cause', { cause: error })
}

/** Whether `error` says that another candidate may succeed where this one failed. */
export function mayTryNextCandidate(error: unknown): boolean {
  return error instanceof HeddleError && ERROR_CODES[error.code].retry === 'next-candidate'
}
