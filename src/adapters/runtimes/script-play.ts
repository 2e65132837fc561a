/** Plays a planned answer in time, token by token or as one body, up to the point where it was told to fail. */
import { bodyOf } from '../../core/byte-channel.ts'
import { ERROR_CODES, type ErrorCode, HeddleError } from '../../core/errors.ts'
import { unreachable } from '../../core/ids.ts'
import type { MessageResponse } from '../../core/message.ts'
import type { Clock } from '../../ports/clock.ts'
import type { ScriptPlan } from './script-answer.ts'
import type { ScriptFailure, ScriptOptions } from './script-options.ts'
import {
  type Envelope,
  errorBody,
  finishChoice,
  json,
  openingChoices,
  SSE_DONE,
  sse,
  sseChunk,
  tokenChoice,
  usageOf,
  wholeAnswer,
} from './script-wire.ts'

export interface PlayDeps {
  readonly clock: Clock
  /** Takes the whole runtime down. */
  readonly die: () => void
}

export interface Play {
  readonly options: Pick<ScriptOptions, 'rate' | 'failAt'>
  readonly envelope: Envelope
  readonly plan: ScriptPlan
  readonly failure: ScriptFailure | undefined
}

const JSON_HEADERS = { 'content-type': 'application/json' } as const
const GARBAGE = Buffer.from('data: {"choices":[{"delta":\u0007<html>502</html>\n\n')

/** The answer as events. Aborting the signal makes the next read throw its reason. */
export async function* playStream(
  deps: PlayDeps,
  play: Play,
  { signal }: { readonly signal: AbortSignal },
): AsyncGenerator<Uint8Array, undefined> {
  const { envelope, plan, failure, options } = play
  const noUsage = plan.includeUsage ? null : undefined
  for (const choice of plan.choices) {
    const opening = openingChoices(envelope, choice)
    if (opening.length > 0) yield sseChunk(envelope, opening, noUsage)
  }
  const beganMs = deps.clock.monotonic()
  const longest = longestOf(plan)
  for (let position = 0; position < longest; position += 1) {
    if (failure !== undefined && position === options.failAt) return yield* fail(deps, failure, signal)
    if (options.rate > 0) {
      await sleep(deps.clock, beganMs + (position * 1000) / options.rate - deps.clock.monotonic(), signal)
    }
    for (const choice of plan.choices) {
      signal.throwIfAborted()
      if (position < choice.pieces.length)
        yield sseChunk(envelope, [tokenChoice(envelope, plan, choice, position)], noUsage)
    }
  }
  if (failure !== undefined) return yield* fail(deps, failure, signal)
  for (const choice of plan.choices) {
    signal.throwIfAborted()
    yield sseChunk(envelope, [finishChoice(envelope, choice)], noUsage)
  }
  if (plan.includeUsage) yield sseChunk(envelope, [], usageOf(plan))
  yield SSE_DONE
  return undefined
}

async function* fail(
  { die }: PlayDeps,
  failure: ScriptFailure,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array, undefined> {
  switch (failure) {
    case 'cut':
      throw brokenOff()
    case 'error':
      yield sse(errorBody('internal', 'the scripted model was told to fail here', null))
      return undefined
    case 'garbage':
      yield GARBAGE
      return undefined
    case 'stall':
      return await untilAborted(signal)
    case 'nofinish':
      return undefined
    case 'kill':
      die()
      throw new HeddleError('upstream_interrupted', 'the scripted model died in the middle of its answer')
    default:
      return unreachable(failure)
  }
}

/** The answer as one body, after the time that its tokens take. */
export async function playWhole(
  { clock, die }: PlayDeps,
  { envelope, plan, failure, options }: Play,
  { signal }: { readonly signal: AbortSignal },
): Promise<MessageResponse> {
  const made = failure === undefined ? longestOf(plan) : Math.min(longestOf(plan), options.failAt)
  if (options.rate > 0) await sleep(clock, (made * 1000) / options.rate, signal)
  const bytes = wholeAnswer(envelope, plan, failure !== 'nofinish')
  switch (failure) {
    case undefined:
    case 'nofinish':
      return jsonResponse(200, bytes)
    case 'error':
      return scriptedError()
    case 'garbage':
      return { status: 200, headers: JSON_HEADERS, body: bodyOf(GARBAGE) }
    case 'cut':
      return { status: 200, headers: JSON_HEADERS, body: cutBody(bytes.subarray(0, bytes.length >> 1)) }
    case 'stall':
      return await untilAborted(signal)
    case 'kill':
      die()
      throw new HeddleError('upstream_failed', 'the scripted model died before it answered')
    default:
      return unreachable(failure)
  }
}

export function jsonResponse(status: number, bytes: Uint8Array): MessageResponse {
  return { status, headers: { ...JSON_HEADERS, 'content-length': String(bytes.length) }, body: bodyOf(bytes) }
}

export function refusalResponse(code: ErrorCode, message: string, param: string | null): MessageResponse {
  return jsonResponse(ERROR_CODES[code].status, json(errorBody(code, message, param)))
}

/** The error of a model that fails before its first byte. */
export function scriptedError(): MessageResponse {
  return refusalResponse('internal', 'the scripted model was told to fail', null)
}

/** Waits, unless the time has passed already; rejects with the signal's reason in any case. */
export async function sleep(clock: Clock, delayMs: number, signal: AbortSignal): Promise<void> {
  signal.throwIfAborted()
  if (delayMs > 0) await clock.sleep(delayMs, { signal })
}

function longestOf(plan: ScriptPlan): number {
  return Math.max(...plan.choices.map((choice) => choice.pieces.length))
}

function brokenOff(): HeddleError {
  return new HeddleError('upstream_interrupted', 'the scripted model was told to break off here')
}

async function* cutBody(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes
  throw brokenOff()
}

function untilAborted(signal: AbortSignal): Promise<never> {
  signal.throwIfAborted()
  return new Promise((_resolve, reject) => {
    signal.addEventListener('abort', () => reject(signal.reason as Error), { once: true })
  })
}
