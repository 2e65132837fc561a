/** What a client is told where no candidate may or can serve its request. */
import { HeddleError } from '../errors.ts'
import { limit } from '../limits.ts'
import type { InferenceRequest } from '../openai/inference-request.ts'
import { describeExclusion, type Exclusion } from './exclude.ts'
import type { ExcludedCandidate, RoutePlan } from './plan-route.ts'

/** How long a client should wait for a runtime that is known but not ready. */
const NOT_READY_RETRY_MS = 5_000

export interface NotedExclusion {
  readonly node: string
  readonly runtime: string
  readonly reason: string
}

/** The exclusions as logs and errors show them: the first of them, for a network may hold thousands. */
export function notedExclusions(excluded: readonly ExcludedCandidate[]): readonly NotedExclusion[] {
  return excluded.slice(0, limit('notedExclusions')).map(({ candidate, exclusion }) => ({
    node: candidate.nodeName,
    runtime: candidate.runtime,
    reason: describeExclusion(exclusion),
  }))
}

/** The truth about a plan without a candidate. Only for models that somebody offers. */
export function refusalOf(
  { excluded }: Pick<RoutePlan, 'excluded'>,
  request: Pick<InferenceRequest, 'model'>,
): HeddleError {
  const metadata = { excluded: notedExclusions(excluded) }
  const waiting = excluded.find(({ exclusion }) => exclusion.kind === 'not_ready')
  if (waiting !== undefined) {
    return new HeddleError(
      'no_capacity',
      `"${request.model}" is known, but nothing that serves it is ready now (${describeExclusion(waiting.exclusion)})`,
      { retryAfterMs: NOT_READY_RETRY_MS, metadata, fix: 'heddle status' },
    )
  }
  // Of those that the prompt may reach, the reason is one that the client can mend in its request.
  const telling = excluded.find(({ exclusion }) => exclusion.kind !== 'trust') ?? excluded[0]
  return refusalFor(telling?.exclusion, request, metadata)
}

function refusalFor(
  exclusion: Exclusion | undefined,
  { model }: Pick<InferenceRequest, 'model'>,
  metadata: Readonly<Record<string, unknown>>,
): HeddleError {
  switch (exclusion?.kind) {
    case 'trust':
      return outsideTrust(exclusion, model, metadata)
    case 'parameter':
      return new HeddleError(
        'unsupported_parameter',
        `nothing that serves "${model}" honours "${exclusion.parameter}"; leave it out or choose another model`,
        { param: exclusion.parameter, metadata },
      )
    case 'endpoint':
      return new HeddleError('invalid_request', `"${model}" does not serve ${exclusion.endpoint}`, {
        param: 'model',
        metadata,
      })
    case 'images':
      return new HeddleError('invalid_request', `"${model}" does not take images`, { param: 'messages', metadata })
    case 'not_ready':
    case undefined:
      return new HeddleError('no_route', `no route to "${model}"`, { retryAfterMs: NOT_READY_RETRY_MS, metadata })
    default:
      return exclusion satisfies never
  }
}

function outsideTrust(
  { scope, needed }: Extract<Exclusion, { readonly kind: 'trust' }>,
  model: string,
  metadata: Readonly<Record<string, unknown>>,
): HeddleError {
  const whose = scope === 'self' ? 'machines of its own account' : 'members of its own network'
  return new HeddleError(
    'prompt_outside_trust',
    `"${model}" is served only outside the prompt trust of this key, which is "${scope}": ${whose}`,
    {
      param: 'model',
      metadata: { ...metadata, promptTrust: scope },
      fix: `heddle keys create <name> --prompt-trust ${needed}`,
    },
  )
}
