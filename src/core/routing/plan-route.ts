/** Orders the candidates for one request and says why the others were left out. */
import { HeddleError } from '../errors.ts'
import type { InferenceRequest } from '../openai/inference-request.ts'
import type { Candidate } from './candidate.ts'
import { describeExclusion, type Exclusion, exclusionOf } from './exclude.ts'

export interface ExcludedCandidate {
  readonly candidate: Candidate
  readonly exclusion: Exclusion
}

export interface RoutePlan {
  /** Best first. */
  readonly ordered: readonly Candidate[]
  readonly excluded: readonly ExcludedCandidate[]
  /** Why the first one is first, in one word for the `x-heddle-route` header. */
  readonly reason: 'only' | 'least-busy' | 'none'
}

/** How long a client should wait for a runtime that is known but not ready. */
const NOT_READY_RETRY_MS = 5_000

export function planRoute(request: InferenceRequest, candidates: readonly Candidate[]): RoutePlan {
  const ordered: Candidate[] = []
  const excluded: ExcludedCandidate[] = []
  for (const candidate of candidates) {
    const exclusion = exclusionOf(candidate, request)
    if (exclusion === undefined) ordered.push(candidate)
    else excluded.push({ candidate, exclusion })
  }
  if (ordered.length > 1) ordered.sort((a, b) => busyness(a) - busyness(b))
  return { ordered, excluded, reason: ordered.length === 0 ? 'none' : ordered.length === 1 ? 'only' : 'least-busy' }
}

/** Requests in flight per request that it can work on at once. */
function busyness(candidate: Candidate): number {
  return candidate.inFlight / Math.max(1, candidate.capacity)
}

/** The truth about a plan without a candidate. Only for models that somebody offers. */
export function refusalOf(plan: RoutePlan, request: InferenceRequest): HeddleError {
  const metadata = {
    excluded: plan.excluded.map(({ candidate, exclusion }) => ({
      node: candidate.nodeName,
      runtime: candidate.runtime,
      reason: describeExclusion(exclusion),
    })),
  }
  const waiting = plan.excluded.find(({ exclusion }) => exclusion.kind === 'not_ready')
  if (waiting !== undefined) {
    return new HeddleError(
      'no_capacity',
      `"${request.model}" is known, but nothing that serves it is ready now (${describeExclusion(waiting.exclusion)})`,
      { retryAfterMs: NOT_READY_RETRY_MS, metadata, fix: 'heddle status' },
    )
  }
  const exclusion = plan.excluded[0]?.exclusion
  switch (exclusion?.kind) {
    case 'parameter':
      return new HeddleError(
        'unsupported_parameter',
        `nothing that serves "${request.model}" honours "${exclusion.parameter}"; leave it out or choose another model`,
        { param: exclusion.parameter, metadata },
      )
    case 'endpoint':
      return new HeddleError('invalid_request', `"${request.model}" does not serve ${exclusion.endpoint}`, {
        param: 'model',
        metadata,
      })
    case 'images':
      return new HeddleError('invalid_request', `"${request.model}" does not take images`, {
        param: 'messages',
        metadata,
      })
    case 'not_ready':
    case undefined:
      return new HeddleError('no_route', `no route to "${request.model}"`, {
        retryAfterMs: NOT_READY_RETRY_MS,
        metadata,
      })
    default:
      return exclusion satisfies never
  }
}
