/** `GET /v1/models` and `/v1/models/{id}`, as OpenAI's clients read them. */
import { z } from 'zod'
import { HeddleError } from '../core/errors.ts'
import { limit } from '../core/limits.ts'
import { isWithinTrust } from '../core/routing/prompt-trust.ts'
import { OpenAiModel, OpenAiModelList } from '../core/wire/openai-models.ts'
import type { CatalogueModel } from '../gateway/catalogue.ts'
import type { Admitted } from '../ports/admission.ts'
import type { AppDeps } from './admin/deps.ts'
import { openAiModel } from './openai/model-view.ts'
import type { ZodApp } from './zod-app.ts'

const Query = z.object({
  /** With the models and providers that are not ready or cannot be reached now. */
  all: z.stringbool().default(false),
})

export function catalogueRoutes(app: ZodApp, { catalogue }: Pick<AppDeps, 'catalogue'>): void {
  const config = { access: 'inference' as const }
  const tags = ['OpenAI']
  const list = {
    summary: 'Models that can be asked for now',
    description: 'Of this node and of every node of its network; with `?all=true` also what is not ready.',
    tags,
    querystring: Query,
    response: { 200: OpenAiModelList },
  }
  app.get('/v1/models', { schema: list, config }, ({ admitted, query }) => ({
    object: 'list' as const,
    data: (query.all ? catalogue.known() : catalogue.models())
      .flatMap((model) => visibleTo(admitted, model) ?? [])
      .map((model) => openAiModel(model, { mostProviders: limit('listedProviders') })),
  }))
  const params = z.object({ '*': z.string() })
  const one = { summary: 'One model', tags, params, querystring: Query, response: { 200: OpenAiModel } }
  app.get('/v1/models/*', { schema: one, config }, ({ params, admitted, query }) => {
    const id = params['*']
    // A key that may not use a model does not learn whether it exists.
    if (id.length > limit('modelIdBytes') || admitted?.allowsModel(id) === false) throw unknownModel()
    const known = query.all ? catalogue.known().find((model) => model.id === id) : undefined
    const model = visibleTo(admitted, known ?? catalogue.model(id))
    if (model === undefined) throw unknownModel()
    return openAiModel(model, { mostProviders: limit('shownProviders') })
  })
}

/** The model with the candidates that the caller's prompts may reach; undefined where it may ask none. */
function visibleTo(admitted: Admitted | undefined, model: CatalogueModel): CatalogueModel | undefined {
  if (admitted === undefined) return model
  if (!admitted.allowsModel(model.id)) return undefined
  const candidates = model.candidates.filter(({ trust }) => isWithinTrust(trust, admitted.promptTrust))
  return candidates.length === 0 ? undefined : { ...model, candidates }
}

const unknownModel = (): HeddleError =>
  new HeddleError('model_not_found', 'there is no such model for this key; GET /v1/models lists what there is', {
    param: 'model',
  })
