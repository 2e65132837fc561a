/** What routing would do with a request for a model now. Nothing is sent to anybody. */
import type { HeddleError } from '../core/errors.ts'
import type { Candidate, Endpoint } from '../core/routing/candidate.ts'
import { describeExclusion } from '../core/routing/exclude.ts'
import { planRoute, type RoutePlan } from '../core/routing/plan-route.ts'
import type { PromptTrust } from '../core/routing/prompt-trust.ts'
import { rankOf, rankReason } from '../core/routing/rank.ts'
import { refusalOf } from '../core/routing/route-refusal.ts'
import type { Catalogue } from './catalogue.ts'

export interface Question {
  readonly model: string
  readonly endpoint: Endpoint
  readonly promptTrust: PromptTrust
}

export interface Considered {
  readonly candidate: Candidate
  /** For people: why it stands where it does, or why it is left out. */
  readonly why: string
}

export interface RouteExplanation {
  readonly reason: RoutePlan['reason']
  /** Best first. */
  readonly ordered: readonly Considered[]
  readonly excluded: readonly Considered[]
  /** What a client would be told where nobody may or can serve. */
  readonly refusal: HeddleError | undefined
}

/** @throws HeddleError `model_not_found` or `no_capacity` where nobody offers the model */
export function explainRoute(
  { catalogue }: { readonly catalogue: Pick<Catalogue, 'candidatesFor'> },
  { model, endpoint, promptTrust }: Question,
): RouteExplanation {
  const request = { model, endpoint, parameters: [], hasImages: false }
  const plan = planRoute(request, catalogue.candidatesFor(model), { promptTrust })
  return {
    reason: plan.reason,
    ordered: plan.ordered.map((candidate, index) => ({
      candidate,
      why: whyBefore(candidate, plan.ordered[index + 1]),
    })),
    excluded: plan.excluded.map(({ candidate, exclusion }) => ({ candidate, why: describeExclusion(exclusion) })),
    refusal: plan.ordered.length === 0 ? refusalOf(plan, request) : undefined,
  }
}

function whyBefore(candidate: Candidate, next: Candidate | undefined): string {
  const load = `${candidate.inFlight} of ${candidate.capacity} in flight`
  if (next === undefined) return load
  switch (rankReason(rankOf(candidate), rankOf(next))) {
    case 'local':
      return `this node, and it has room: ${load}`
    case 'nearest':
      return `as busy as the next but nearer: ${load}, ${Math.round(candidate.rttMs ?? 0)} ms`
    case 'least-busy':
      return rankOf(candidate).busyness === rankOf(next).busyness ? `like the next: ${load}` : `less busy: ${load}`
  }
}
