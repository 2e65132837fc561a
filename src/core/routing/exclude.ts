/** Why a candidate cannot serve a request. */
import type { InferenceRequest } from '../openai/inference-request.ts'
import type { AcceptedParameters, Candidate } from './candidate.ts'

export type Exclusion =
  | { readonly kind: 'not_ready'; readonly state: string; readonly detail: string }
  | { readonly kind: 'endpoint'; readonly endpoint: string }
  | { readonly kind: 'parameter'; readonly parameter: string }
  | { readonly kind: 'images' }

/** The first reason why `candidate` cannot serve `request`; undefined where it can. */
export function exclusionOf(candidate: Candidate, request: InferenceRequest): Exclusion | undefined {
  const { offer } = candidate
  if (!offer.endpoints.includes(request.endpoint)) return { kind: 'endpoint', endpoint: request.endpoint }
  const parameter = firstRefused(offer.accepts, request.parameters)
  if (parameter !== undefined) return { kind: 'parameter', parameter }
  if (request.hasImages && offer.vision === false) return { kind: 'images' }
  if (candidate.state !== 'ready') return { kind: 'not_ready', state: candidate.state, detail: candidate.reason }
  return undefined
}

function firstRefused(accepts: AcceptedParameters, parameters: readonly string[]): string | undefined {
  for (const name of parameters) {
    const listed = accepts.names.includes(name)
    if (accepts.mode === 'only' ? !listed : listed) return name
  }
  return undefined
}

/** The exclusion in words, for traces and error messages. */
export function describeExclusion(exclusion: Exclusion): string {
  switch (exclusion.kind) {
    case 'not_ready':
      return exclusion.detail === '' ? exclusion.state : `${exclusion.state}: ${exclusion.detail}`
    case 'endpoint':
      return `does not serve ${exclusion.endpoint}`
    case 'parameter':
      return `does not honour ${exclusion.parameter}`
    case 'images':
      return 'does not take images'
    default:
      return exclusion satisfies never
  }
}
