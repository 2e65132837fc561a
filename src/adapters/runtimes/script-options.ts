/** How a scripted model behaves, and the spec that says so: `script:<model>?tokens=64&rate=100&fail=cut&fail_at=10`. */
import { HeddleError } from '../../core/errors.ts'
import { limit } from '../../core/limits.ts'

/**
 * How an answer fails once `failAt` tokens were made:
 * `cut` breaks the connection, `error` reports an error (as a status where nothing was sent yet), `garbage` sends bytes that are no answer,
 * `stall` goes silent until the caller leaves, `nofinish` ends without a finish reason, `kill` takes the whole runtime down for a second.
 */
export const SCRIPT_FAILURES = ['cut', 'error', 'garbage', 'stall', 'nofinish', 'kill'] as const
export type ScriptFailure = (typeof SCRIPT_FAILURES)[number]

export interface ScriptOptions {
  readonly model: string
  /** Length of an answer that nothing else shortens. */
  readonly tokens: number
  /** Tokens a second of each answer; 0 means as fast as they are read. */
  readonly rate: number
  /** Before the first token. */
  readonly delayMs: number
  readonly fail: ScriptFailure | undefined
  /** Tokens made before the failure. */
  readonly failAt: number
  /** How many requests fail before the others succeed; undefined means all do. */
  readonly failTimes: number | undefined
  /** Requests worked on at once; more wait. */
  readonly capacity: number
  /** Whether it calls tools. */
  readonly tools: boolean
  /** Tokens of prompt and answer together. */
  readonly contextTokens: number
}

export const SCRIPT_DEFAULTS = {
  tokens: 64,
  rate: 0,
  delayMs: 0,
  fail: undefined,
  failAt: 0,
  failTimes: undefined,
  capacity: 4,
  tools: true,
  contextTokens: 8192,
} as const satisfies Omit<ScriptOptions, 'model'>

const EXAMPLE = 'script:demo?tokens=64&rate=100'
const NAMES = ['tokens', 'rate', 'delay', 'fail', 'fail_at', 'fail_times', 'capacity', 'tools', 'context'] as const

/** Parses what follows `script:`. Throws `config_invalid`. */
export function parseScriptSpec(text: string): ScriptOptions {
  const question = text.indexOf('?')
  const model = question < 0 ? text : text.slice(0, question)
  if (!/^[\w.:@/-]+$/.test(model) || model.length > limit('modelIdBytes')) {
    throw invalid(`'${text}' names no model: write script:<model>`, EXAMPLE)
  }
  const query = new URLSearchParams(question < 0 ? '' : text.slice(question + 1))
  for (const name of query.keys()) {
    if (!(NAMES as readonly string[]).includes(name)) {
      throw invalid(`a scripted model has no option '${name}'; it has ${NAMES.join(', ')}`, EXAMPLE)
    }
  }
  const fail = query.get('fail') ?? undefined
  if (fail !== undefined && !isScriptFailure(fail)) {
    throw invalid(
      `a scripted model cannot fail by '${fail}', only by ${SCRIPT_FAILURES.join(', ')}`,
      `script:${model}?fail=cut&fail_at=10`,
    )
  }
  return {
    model,
    tokens: number(query, 'tokens', 1, 1_000_000) ?? SCRIPT_DEFAULTS.tokens,
    rate: number(query, 'rate', 0, 1_000_000) ?? SCRIPT_DEFAULTS.rate,
    delayMs: number(query, 'delay', 0, 3_600_000) ?? SCRIPT_DEFAULTS.delayMs,
    fail,
    failAt: number(query, 'fail_at', 0, 1_000_000) ?? SCRIPT_DEFAULTS.failAt,
    failTimes: number(query, 'fail_times', 1, 1_000_000),
    capacity: number(query, 'capacity', 1, 100_000) ?? SCRIPT_DEFAULTS.capacity,
    tools: (number(query, 'tools', 0, 1) ?? 1) === 1,
    contextTokens: number(query, 'context', 1, 10_000_000) ?? SCRIPT_DEFAULTS.contextTokens,
  }
}

function isScriptFailure(text: string): text is ScriptFailure {
  return (SCRIPT_FAILURES as readonly string[]).includes(text)
}

function number(query: URLSearchParams, name: (typeof NAMES)[number], least: number, most: number): number | undefined {
  const text = query.get(name)
  if (text === null) return undefined
  const value = Number(text)
  if (/^\d+$/.test(text) && value >= least && value <= most) return value
  throw invalid(`a scripted model's '${name}' must be a whole number from ${least} to ${most}, not '${text}'`, EXAMPLE)
}

function invalid(message: string, example: string): HeddleError {
  return new HeddleError('config_invalid', message, { fix: `write it like ${example}` })
}
