/** What the exit code of every command means, and which error ends with which. */
import type { ErrorCode } from '../core/errors.ts'

export const EXIT = {
  ok: 0,
  failed: 1,
  usage: 2,
  daemonDown: 3,
  notAuthorised: 4,
  notFound: 5,
  noCapacity: 6,
  noCredits: 7,
  unreachable: 8,
  notVerified: 9,
  configInvalid: 10,
  versionMismatch: 11,
  timedOut: 12,
  interrupted: 130,
  terminated: 143,
} as const

export type ExitCode = (typeof EXIT)[keyof typeof EXIT]

/** Codes that end otherwise than with 1. */
const BY_ERROR: Readonly<Partial<Record<ErrorCode, ExitCode>>> = {
  usage: EXIT.usage,
  invalid_request: EXIT.usage,
  unsupported_parameter: EXIT.usage,
  context_length_exceeded: EXIT.usage,
  daemon_down: EXIT.daemonDown,
  invalid_api_key: EXIT.notAuthorised,
  insufficient_scope: EXIT.notAuthorised,
  model_not_allowed: EXIT.notAuthorised,
  prompt_outside_trust: EXIT.notAuthorised,
  origin_not_allowed: EXIT.notAuthorised,
  misdirected_request: EXIT.notAuthorised,
  not_found: EXIT.notFound,
  model_not_found: EXIT.notFound,
  no_capacity: EXIT.noCapacity,
  no_route: EXIT.noCapacity,
  model_loading: EXIT.noCapacity,
  runtime_unavailable: EXIT.noCapacity,
  queue_full: EXIT.noCapacity,
  draining: EXIT.noCapacity,
  insufficient_credits: EXIT.noCredits,
  download_failed: EXIT.unreachable,
  upstream_failed: EXIT.unreachable,
  peer_unreachable: EXIT.unreachable,
  digest_mismatch: EXIT.notVerified,
  gguf_invalid: EXIT.notVerified,
  config_invalid: EXIT.configInvalid,
  insecure_file_mode: EXIT.configInvalid,
  key_locked: EXIT.notAuthorised,
  wrong_passphrase: EXIT.notAuthorised,
  identity_refused: EXIT.notAuthorised,
  request_timeout: EXIT.timedOut,
  timeout: EXIT.timedOut,
}

export function exitCodeOf(code: ErrorCode): ExitCode {
  return BY_ERROR[code] ?? EXIT.failed
}
