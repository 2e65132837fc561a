/** Orders the candidates for one request and says why the others were left out. */
import type { Candidate } from './candidate.ts'
import { type Exclusion, exclusionOf, type RoutedRequest } from './exclude.ts'
import type { PromptTrust } from './prompt-trust.ts'
import { compareRanks, type Rank, type RankReason, rankOf, rankReason } from './rank.ts'

export interface ExcludedCandidate {
  readonly candidate: Candidate
  readonly exclusion: Exclusion
}

export interface RoutePlan {
  /** Best first. */
  readonly ordered: readonly Candidate[]
  readonly excluded: readonly ExcludedCandidate[]
  /** Why the first one is first, in one word for the `x-heddle-route` header. */
  readonly reason: RankReason | 'only' | 'none'
}

/** `promptTrust` is how far the prompt of this request may travel; nobody outside it is in the plan. */
export function planRoute(
  request: RoutedRequest,
  candidates: readonly Candidate[],
  { promptTrust }: { readonly promptTrust: PromptTrust },
): RoutePlan {
  const able: Candidate[] = []
  const excluded: ExcludedCandidate[] = []
  for (const candidate of candidates) {
    const exclusion = exclusionOf(candidate, request, promptTrust)
    if (exclusion === undefined) able.push(candidate)
    else excluded.push({ candidate, exclusion })
  }
  if (able.length < 2) return { ordered: able, excluded, reason: able.length === 0 ? 'none' : 'only' }
  const ranked = able
    .map((candidate): { readonly candidate: Candidate; readonly rank: Rank } => ({
      candidate,
      rank: rankOf(candidate),
    }))
    .sort((a, b) => compareRanks(a.rank, b.rank))
  const [best, next] = ranked
  return {
    ordered: ranked.map(({ candidate }) => candidate),
    excluded,
    reason: best === undefined || next === undefined ? 'only' : rankReason(best.rank, next.rank),
  }
}
