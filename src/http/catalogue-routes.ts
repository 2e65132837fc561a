/** `GET /v1/models` and `/v1/models/{id}`, as OpenAI's clients read them. */
import { z } from 'zod'
import { HeddleError } from '../core/errors.ts'
import { limit } from '../core/limits.ts'
import type { CatalogueModel } from '../gateway/catalogue.ts'
import type { AppDeps } from './admin/deps.ts'
import type { ZodApp } from './zod-app.ts'

const OpenAiModel = z
  .object({
    id: z.string(),
    object: z.literal('model'),
    /** Seconds since 1970. */
    created: z.int(),
    owned_by: z.string(),
    /** Tokens; the largest that a node offers. */
    context_length: z.int().optional(),
  })
  .meta({ id: 'OpenAiModel' })

const OpenAiModelList = z
  .object({ object: z.literal('list'), data: z.array(OpenAiModel) })
  .meta({ id: 'OpenAiModelList' })

export function catalogueRoutes(app: ZodApp, { catalogue }: Pick<AppDeps, 'catalogue'>): void {
  const config = { access: 'inference' as const }
  const list = { summary: 'Models that can be asked for now', tags: ['OpenAI'], response: { 200: OpenAiModelList } }
  app.get('/v1/models', { schema: list, config }, ({ admitted }) => ({
    object: 'list' as const,
    data: catalogue
      .models()
      .filter(({ id }) => admitted?.allowsModel(id) ?? true)
      .map(openAiModel),
  }))
  const one = {
    summary: 'One model',
    tags: ['OpenAI'],
    params: z.object({ '*': z.string() }),
    response: { 200: OpenAiModel },
  }
  app.get('/v1/models/*', { schema: one, config }, ({ params, admitted }) => {
    const id = params['*']
    // A key that may not use a model does not learn whether it exists.
    if (id.length > limit('modelIdBytes') || admitted?.allowsModel(id) === false) throw unknownModel()
    return openAiModel(catalogue.model(id))
  })
}

const unknownModel = (): HeddleError =>
  new HeddleError('model_not_found', 'there is no such model for this key; GET /v1/models lists what there is', {
    param: 'model',
  })

function openAiModel({ id, createdSeconds, ownedBy, candidates }: CatalogueModel): z.infer<typeof OpenAiModel> {
  const contexts = candidates.flatMap(({ offer }) => offer.contextTokens ?? [])
  return {
    id,
    object: 'model',
    created: createdSeconds,
    owned_by: ownedBy,
    ...(contexts.length === 0 ? {} : { context_length: Math.max(...contexts) }),
  }
}
