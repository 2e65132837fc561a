/** What a node says of each GGUF file that its engine can serve. */
import { stat } from 'node:fs/promises'
import type { GgufSummary } from '../../../core/gguf/gguf-summary.ts'
import type { AcceptedParameters, Endpoint, ModelOffer } from '../../../core/routing/candidate.ts'
import type { EngineModel } from './engine/messages.ts'

/** A GGUF file to offer, as configured. */
export interface LlamaModel extends EngineModel {
  /** SHA-256 of the file, where it is known. */
  readonly digest?: string | undefined
}

/** Validates the header of a GGUF file; throws `gguf_invalid` where native code must not see it. */
export type ValidateGguf = (path: string, options: { readonly signal: AbortSignal }) => Promise<GgufSummary>

/** What the engine process honours; everything else is refused by the router. */
const ACCEPTS: AcceptedParameters = {
  mode: 'only',
  names: [
    'max_tokens',
    'max_completion_tokens',
    'temperature',
    'top_p',
    'top_k',
    'min_p',
    'n',
    'stop',
    'seed',
    'presence_penalty',
    'frequency_penalty',
    'repetition_penalty',
    'logit_bias',
    'logprobs',
    'top_logprobs',
    'response_format',
  ],
}
/** As the engine process chooses where nothing else is configured. */
const DEFAULT_CONTEXT_TOKENS = 8_192

export async function offerOf(
  { validate }: { readonly validate: ValidateGguf },
  { id, path, contextTokens, digest }: LlamaModel,
  { signal }: { readonly signal: AbortSignal },
): Promise<ModelOffer> {
  const summary = await validate(path, { signal })
  const { size, mtimeMs } = await stat(path)
  return {
    id,
    endpoints: endpointsOf(summary),
    accepts: ACCEPTS,
    createdSeconds: Math.floor(mtimeMs / 1_000),
    ownedBy: 'heddle',
    contextTokens: Math.min(summary.contextTokens ?? Number.POSITIVE_INFINITY, contextTokens ?? DEFAULT_CONTEXT_TOKENS),
    architecture: summary.architecture,
    quantisation: summary.quantisation,
    parameters: summary.parameters,
    sizeBytes: size,
    digest,
  }
}

function endpointsOf({ isEmbeddingModel, hasChatTemplate }: GgufSummary): readonly Endpoint[] {
  if (isEmbeddingModel) return ['embeddings']
  return hasChatTemplate ? ['chat', 'completions', 'embeddings'] : ['completions', 'embeddings']
}
