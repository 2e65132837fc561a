/** One model of the catalogue as `/v1/models` shows it. */
import type { Candidate } from '../../core/routing/candidate.ts'
import { compareRanks, type Rank, rankOf } from '../../core/routing/rank.ts'
import type { OpenAiModel, OpenAiProvider } from '../../core/wire/openai-models.ts'
import type { CatalogueModel } from '../../gateway/catalogue.ts'

export function openAiModel(
  { id, createdSeconds, ownedBy, candidates }: CatalogueModel,
  { mostProviders }: { readonly mostProviders: number },
): OpenAiModel {
  const context = candidates.reduce((largest, { offer }) => Math.max(largest, offer.contextTokens ?? 0), 0)
  return {
    id,
    object: 'model',
    created: createdSeconds,
    owned_by: ownedBy,
    ...(context === 0 ? {} : { context_length: context }),
    heddle: { providers: bestOf(candidates, mostProviders).map(providerOf), provider_count: candidates.length },
  }
}

interface Ranked {
  readonly candidate: Candidate
  readonly isReady: boolean
  readonly rank: Rank
}

/** Those that are ready first, and as routing would order them. Of thousands, only the few that are shown are put in order. */
function bestOf(candidates: readonly Candidate[], most: number): readonly Candidate[] {
  const best: Ranked[] = []
  for (const candidate of candidates) {
    const ranked = { candidate, isReady: candidate.state === 'ready', rank: rankOf(candidate) }
    const last = best.at(-1)
    if (best.length >= most && last !== undefined && compare(last, ranked) <= 0) continue
    let place = best.length
    while (place > 0 && compare(best[place - 1] as Ranked, ranked) > 0) place -= 1
    best.splice(place, 0, ranked)
    if (best.length > most) best.pop()
  }
  return best.map(({ candidate }) => candidate)
}

function compare(a: Ranked, b: Ranked): number {
  return a.isReady === b.isReady ? compareRanks(a.rank, b.rank) : a.isReady ? -1 : 1
}

function providerOf(candidate: Candidate): OpenAiProvider {
  const { offer, rttMs } = candidate
  return {
    node: candidate.node,
    node_name: candidate.nodeName,
    runtime: candidate.runtime,
    connector: candidate.connector,
    account: candidate.trust === 'self' ? 'self' : 'other',
    region: candidate.region ?? null,
    state: candidate.state,
    in_flight: candidate.inFlight,
    capacity: candidate.capacity,
    rtt_ms: rttMs === undefined ? null : Math.round(rttMs * 100) / 100,
    context_length: offer.contextTokens ?? null,
    quantisation: offer.quantisation ?? null,
    parameters: offer.parameters ?? null,
    size_bytes: offer.sizeBytes ?? null,
    digest: offer.digest ?? null,
  }
}
