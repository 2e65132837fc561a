/** The tables of the state database as queries see them. Times are milliseconds, lists are JSON text, truth is 0 or 1, on every database. */
import type { RequestRecord } from '../../ports/request-log.ts'

export interface ApiKeyTable {
  id: string
  name: string
  hash: string
  hint: string
  scopes: string
  models: string
  requests_per_minute: number | null
  tokens_per_minute: number | null
  created_at: number
  expires_at: number | null
  revoked_at: number | null
  prompt_trust: string
}

export interface RuntimeTable {
  id: string
  spec: string
  key_file: string | null
  added_at: number
}

export interface SeenModelTable {
  id: string
  runtime: string
  last_seen_at: number
}

export interface ServiceTable {
  name: string
  instance: string
  url: string
  groups: string
  capacity: number
  paths: string
  health_path: string | null
  added_at: number
}

export interface RequestLogTable {
  id: string
  at: number
  endpoint: string
  model: string
  key_id: string | null
  stream: number
  status: number
  outcome: string
  node: string | null
  runtime: string | null
  candidates: number
  exclusions: string
  attempts: string
  input_tokens: number | null
  output_tokens: number | null
  first_byte_ms: number | null
  duration_ms: number
  finish_reason: string | null
}

export interface StateSchema {
  api_key: ApiKeyTable
  runtime: RuntimeTable
  seen_model: SeenModelTable
  service: ServiceTable
  request_log: RequestLogTable
}

/** Columns of `request_log` in the order in which `valuesOf` gives their values. */
export const REQUEST_LOG_COLUMNS = [
  'id',
  'at',
  'endpoint',
  'model',
  'key_id',
  'stream',
  'status',
  'outcome',
  'node',
  'runtime',
  'candidates',
  'exclusions',
  'attempts',
  'input_tokens',
  'output_tokens',
  'first_byte_ms',
  'duration_ms',
  'finish_reason',
] as const satisfies readonly (keyof RequestLogTable)[]

export type SqlValue = string | number | null

/** One record's values in the order of `REQUEST_LOG_COLUMNS`. */
export function valuesOf(record: RequestRecord): SqlValue[] {
  return [
    record.id,
    record.at,
    record.endpoint,
    record.model,
    record.keyId ?? null,
    record.stream ? 1 : 0,
    record.status,
    record.outcome,
    record.node ?? null,
    record.runtime ?? null,
    record.candidates,
    record.exclusions.length === 0 ? '[]' : JSON.stringify(record.exclusions),
    record.attempts.length === 0 ? '[]' : JSON.stringify(record.attempts),
    record.inputTokens ?? null,
    record.outputTokens ?? null,
    record.firstByteMs ?? null,
    record.durationMs,
    record.finishReason ?? null,
  ]
}
