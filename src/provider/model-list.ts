/** This node's own models as OpenAI's `GET /v1/models` tells them, for peers that ask the `llm` service of one node. */
import { bodyOf } from '../core/byte-channel.ts'
import { HeddleError } from '../core/errors.ts'
import type { MessageResponse } from '../core/message.ts'
import { errorBody, errorHeaders } from '../core/openai/error-reply.ts'
import type { Candidate } from '../core/routing/candidate.ts'

export const MODELS_PATH = '/v1/models'

/** Every model that is ready here, or the one that `path` names below `/v1/models/`. */
export function answerModels(candidates: readonly Candidate[], path: string): MessageResponse {
  const ready = candidates.filter(({ state }) => state === 'ready')
  const models = [...new Map(ready.map(({ offer }) => [offer.id, offer])).values()].map((offer) => ({
    id: offer.id,
    object: 'model',
    created: offer.createdSeconds,
    owned_by: offer.ownedBy,
    ...(offer.contextTokens === undefined ? {} : { context_length: offer.contextTokens }),
  }))
  const name = path === MODELS_PATH ? undefined : decodeURIComponent(path.slice(MODELS_PATH.length + 1))
  if (name === undefined) return jsonAnswer(200, { object: 'list', data: models })
  const model = models.find(({ id }) => id === name)
  if (model !== undefined) return jsonAnswer(200, model)
  return errorAnswer(new HeddleError('model_not_found', 'this node serves no such model', { param: 'model' }))
}

/** A failure as an answer that another node passes on as it is. Its fix is left out: that is a command for this machine. */
export function errorAnswer(failure: HeddleError): MessageResponse {
  const { param } = failure.details
  const error = new HeddleError(failure.code, failure.message, { param })
  const pairs = errorHeaders(error)
  const headers: Record<string, string> = {}
  for (let index = 0; index + 1 < pairs.length; index += 2) headers[pairs[index] as string] = pairs[index + 1] as string
  return { status: error.status, headers, body: bodyOf(Buffer.from(JSON.stringify(errorBody(error)))) }
}

function jsonAnswer(status: number, value: object): MessageResponse {
  const bytes = Buffer.from(JSON.stringify(value))
  const headers = { 'content-type': 'application/json', 'content-length': String(bytes.length) }
  return { status, headers, body: bodyOf(bytes) }
}
