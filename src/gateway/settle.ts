/** The end of every request: tokens charged, metrics counted, one row for the request log. */
import { notedExclusions } from '../core/routing/route-refusal.ts'
import type { RequestMeasure } from '../ports/metrics.ts'
import type { AttemptRecord, ExclusionRecord } from '../ports/request-log.ts'
import type { GatewayDeps } from './deps.ts'
import type { RequestStory } from './story.ts'

const OPERATIONS = { chat: 'chat', completions: 'text_completion', embeddings: 'embeddings' } as const
const NO_EXCLUSIONS: readonly ExclusionRecord[] = []

export function settle(
  { clock, requestLog, log }: Pick<GatewayDeps, 'clock' | 'requestLog' | 'log'>,
  story: RequestStory,
  finished: (measure: RequestMeasure) => void,
): void {
  const { inbound, request, usage, plan, servedBy } = story
  const durationMs = clock.monotonic() - inbound.arrivedAt
  const firstByteMs = story.firstByteAt === undefined ? undefined : story.firstByteAt - inbound.arrivedAt
  const outcome = story.failure?.code ?? 'ok'
  const inputTokens = usage?.inputTokens
  const outputTokens = usage?.outputTokens
  if (usage !== undefined) story.admitted?.charge(usage.inputTokens + usage.outputTokens)
  finished({
    model: servedBy?.offer.id ?? '',
    operation: OPERATIONS[inbound.endpoint],
    stream: request?.stream ?? false,
    outcome,
    durationMs,
    firstByteMs,
    inputTokens,
    outputTokens,
    attempts: story.attempts.length,
    connector: servedBy?.connector,
  })
  requestLog.append({
    id: inbound.id,
    at: clock.now(),
    endpoint: inbound.endpoint,
    model: request?.model ?? '',
    keyId: story.admitted?.keyId,
    stream: request?.stream ?? false,
    status: story.status,
    outcome,
    node: servedBy?.nodeName,
    runtime: servedBy?.runtime,
    candidates: plan === undefined ? 0 : plan.ordered.length + plan.excluded.length,
    exclusions: plan === undefined || plan.excluded.length === 0 ? NO_EXCLUSIONS : notedExclusions(plan.excluded),
    attempts: attemptsOf(story, durationMs, outcome),
    inputTokens,
    outputTokens,
    firstByteMs,
    durationMs,
    finishReason: story.finishReason,
  })
  log.debug({ requestId: inbound.id, outcome, durationMs }, 'request settled')
}

/** The last attempt lasted as long as its answer, and ended as the request did. */
function attemptsOf(
  { attempts, servedBy }: RequestStory,
  durationMs: number,
  outcome: string,
): readonly AttemptRecord[] {
  const last = attempts.at(-1)
  if (last === undefined || servedBy === undefined) return attempts
  return [...attempts.slice(0, -1), { ...last, endedMs: durationMs, outcome }]
}
