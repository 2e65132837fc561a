/** Why a candidate cannot serve a request. */
import type { InferenceRequest } from '../openai/inference-request.ts'
import type { AcceptedParameters, Candidate } from './candidate.ts'
import { isWithinTrust, type PromptTrust } from './prompt-trust.ts'

/** What of a request decides who can serve it. */
export type RoutedRequest = Pick<InferenceRequest, 'endpoint' | 'parameters' | 'hasImages'>

export type Exclusion =
  | { readonly kind: 'not_ready'; readonly state: string; readonly detail: string }
  | { readonly kind: 'endpoint'; readonly endpoint: string }
  | { readonly kind: 'parameter'; readonly parameter: string }
  | { readonly kind: 'images' }
  /** The prompt may travel as far as `scope`; its node needs `needed`. */
  | { readonly kind: 'trust'; readonly scope: PromptTrust; readonly needed: PromptTrust }

/** The first reason why `candidate` cannot serve `request`; undefined where it can. */
export function exclusionOf(
  candidate: Candidate,
  request: RoutedRequest,
  promptTrust: PromptTrust,
): Exclusion | undefined {
  const { offer, trust } = candidate
  // Before all else: what a node outside the trust could do is of no interest.
  if (!isWithinTrust(trust, promptTrust)) return { kind: 'trust', scope: promptTrust, needed: trust }
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
    case 'trust':
      return `outside the prompt trust "${exclusion.scope}"`
    default:
      return exclusion satisfies never
  }
}
