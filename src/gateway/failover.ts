/** Sends a request to the first candidate that answers; the client notices nothing of those that failed before. */
import { HeddleError, heddleErrorOf, mayTryNextCandidate } from '../core/errors.ts'
import { limit } from '../core/limits.ts'
import type { InferenceRequest } from '../core/openai/inference-request.ts'
import type { Candidate } from '../core/routing/candidate.ts'
import { type Answer, attempt } from './attempt.ts'
import type { GatewayDeps } from './deps.ts'
import { bodyForProvider } from './provider-body.ts'
import type { RequestStory } from './story.ts'

const UNAVAILABLE_RETRY_MS = 1_000

/** Aborting `signal` rejects with its reason. */
export async function sendToFirst(
  deps: GatewayDeps,
  story: RequestStory,
  request: InferenceRequest,
  { signal }: { readonly signal: AbortSignal },
): Promise<Answer> {
  const candidates = (story.plan?.ordered ?? []).slice(0, limit('attempts'))
  const message = {
    id: story.inbound.id,
    service: 'llm',
    method: 'POST',
    path: request.path,
    headers: { 'content-type': 'application/json' },
    body: bodyForProvider(request, { isJudged: story.admitted?.limitsModels === true }),
  }
  let last: HeddleError | undefined
  for (const candidate of candidates) {
    const startedAt = deps.clock.monotonic()
    try {
      const answer = await attempt(deps, candidate, request, message, { signal })
      note(deps, story, candidate, startedAt, 'ok')
      story.servedBy = candidate
      return answer
    } catch (error) {
      signal.throwIfAborted() // the client left: not the candidate's fault
      last = heddleErrorOf(error)
      note(deps, story, candidate, startedAt, last.code)
      if (!mayTryNextCandidate(last)) throw last
      deps.metrics.attemptFailed('before_first_byte')
      deps.log.warn(
        { requestId: story.inbound.id, node: candidate.nodeName, runtime: candidate.runtime, code: last.code },
        'candidate failed before the first byte',
      )
    }
  }
  throw exhausted(story, last)
}

function note(deps: GatewayDeps, story: RequestStory, candidate: Candidate, startedAt: number, outcome: string): void {
  const endedAt = deps.clock.monotonic()
  const { arrivedAt } = story.inbound
  story.providerMs += endedAt - startedAt
  story.attempts.push({
    node: candidate.nodeName,
    runtime: candidate.runtime,
    connector: candidate.connector,
    startedMs: startedAt - arrivedAt,
    endedMs: endedAt - arrivedAt,
    outcome,
  })
}

/** What to say when every candidate failed: busy is 503, silence 504, anything else 502. */
function exhausted(story: RequestStory, last: HeddleError | undefined): HeddleError {
  const metadata = { attempts: story.attempts.map(({ node, runtime, outcome }) => ({ node, runtime, outcome })) }
  const reason = last?.message ?? 'no candidate answered'
  if (last?.code === 'runtime_unavailable' || last?.code === 'model_loading') {
    const retryAfterMs = last.details.retryAfterMs ?? UNAVAILABLE_RETRY_MS
    return new HeddleError('no_capacity', reason, { cause: last, metadata, retryAfterMs, fix: 'heddle status' })
  }
  const code = last?.code === 'timeout' ? 'timeout' : 'upstream_failed'
  return new HeddleError(code, reason, { cause: last, metadata, fix: last?.details.fix ?? 'heddle trace last' })
}
