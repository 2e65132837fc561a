/** One model of the catalogue as `/v1/models` shows it. */
import type { Candidate } from '../../core/routing/candidate.ts'
import { compareRanks, rankOf } from '../../core/routing/rank.ts'
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

/** Those that are ready first, and as routing would order them. */
function bestOf(candidates: readonly Candidate[], most: number): readonly Candidate[] {
  return candidates
    .map((candidate) => ({ candidate, rank: rankOf(candidate), isReady: candidate.state === 'ready' }))
    .sort((a, b) => Number(b.isReady) - Number(a.isReady) || compareRanks(a.rank, b.rank))
    .slice(0, most)
    .map(({ candidate }) => candidate)
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
