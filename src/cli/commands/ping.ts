/** `heddle ping`: whether a node answers, on which path, and how long that takes on each layer. */
import { setTimeout as sleep } from 'node:timers/promises'
import { HeddleError } from '../../core/errors.ts'
import { PING_LAYERS, type PingReply, type PingRequest } from '../../core/wire/admin-mesh.ts'
import { counted } from '../amounts.ts'
import type { ApiClient } from '../api-client.ts'
import type { Context } from '../context.ts'
import { EXIT, type ExitCode } from '../exit-codes.ts'
import { pathText, shortText } from '../node-text.ts'
import { choiceOption, durationOption, numberOption } from '../option-values.ts'
import { printable } from '../terminal.ts'

export interface PingOptions {
  readonly layer: string
  readonly count?: string
  readonly interval: string
}

/** One ping: the answer, or why there is none. */
type Attempt =
  | { readonly ok: true; readonly ms: number; readonly reply: PingReply }
  | { readonly ok: false; readonly reason: string; readonly reply: PingReply | null }

const MOST = 1_000
const DEFAULT_COUNT = { path: 4, http: 4, inference: 1 } as const
/** What one ping may come to without being the end of it. */
const NO_ANSWER: ReadonlySet<string> = new Set([
  'peer_unreachable',
  'timeout',
  'upstream_failed',
  'upstream_interrupted',
])

export async function ping(context: Context, which: string, options: PingOptions): Promise<ExitCode> {
  const layer = choiceOption('--layer', options.layer, PING_LAYERS)
  const count =
    options.count === undefined
      ? DEFAULT_COUNT[layer]
      : numberOption('--count', options.count, { least: 1, most: MOST, whole: true })
  const intervalMs = durationOption('--interval', options.interval)
  const node = await context.node()
  const attempts: Attempt[] = []
  while (attempts.length < count) {
    if (attempts.length > 0) await sleep(intervalMs, undefined, { signal: context.signal })
    const attempt = await once(node, { node: which, layer }, context)
    attempts.push(attempt)
    if (!context.json) context.terminal.line(printable(attemptText(attempt, which)))
  }
  const times = attempts.flatMap((attempt) => (attempt.ok ? [attempt.ms] : []))
  const summary = {
    sent: attempts.length,
    answered: times.length,
    minMs: times.length === 0 ? null : Math.min(...times),
    avgMs: times.length === 0 ? null : times.reduce((sum, ms) => sum + ms, 0) / times.length,
    maxMs: times.length === 0 ? null : Math.max(...times),
  }
  if (context.json) {
    const pings = attempts.map((attempt) => (attempt.ok ? attempt.reply : { ...attempt.reply, error: attempt.reason }))
    context.document({ schema: 'heddle.pings/v1', layer, pings, summary })
  } else context.terminal.line(summaryText(summary))
  return times.length === 0 ? EXIT.unreachable : EXIT.ok
}

async function once(node: ApiClient, request: PingRequest, { signal }: Context): Promise<Attempt> {
  try {
    return judged(await node.call<PingReply>('POST', '/api/v1/ping', request, { signal }))
  } catch (error) {
    signal.throwIfAborted()
    if (!(error instanceof HeddleError) || !NO_ANSWER.has(error.code)) throw error
    return { ok: false, reason: error.message, reply: null }
  }
}

/** The time of the layer that was asked for; an answer that is a refusal is none. */
function judged(reply: PingReply): Attempt {
  const { http, inference, rttMs } = reply
  const upper = inference ?? http
  if (upper === null) return { ok: true, ms: rttMs, reply }
  if (upper.status >= 200 && upper.status < 300) return { ok: true, ms: upper.ms, reply }
  return { ok: false, reason: `it answers with HTTP ${upper.status}`, reply }
}

function attemptText(attempt: Attempt, which: string): string {
  const name = attempt.reply?.node.name ?? which
  if (!attempt.ok) return `no answer from ${name}: ${attempt.reason}`
  const { path, rttMs, http, inference } = attempt.reply
  const parts = [`pong ${name}`, path === null ? 'unknown path' : pathText(path), shortText(rttMs)]
  if (http !== null) parts.push(`http ${shortText(http.ms)}`)
  if (inference !== null) parts.push(`one token of ${inference.model} ${shortText(inference.ms)}`)
  return parts.join('  ')
}

function summaryText({
  sent,
  answered,
  minMs,
  avgMs,
  maxMs,
}: {
  readonly sent: number
  readonly answered: number
  readonly minMs: number | null
  readonly avgMs: number | null
  readonly maxMs: number | null
}): string {
  const head = `${counted(answered, 'answer')} to ${counted(sent, 'ping')}`
  if (minMs === null || avgMs === null || maxMs === null) return head
  return `${head} · least ${shortText(minMs)} · mean ${shortText(avgMs)} · most ${shortText(maxMs)}`
}
