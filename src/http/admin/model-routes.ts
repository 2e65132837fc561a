/** The admin API about models: what there is, pulling and removing. */
import { z } from 'zod'
import { heddleErrorOf } from '../../core/errors.ts'
import { errorBody } from '../../core/openai/error-reply.ts'
import { ModelList, ModelView, PullProgress, PullRequest, Removed } from '../../core/wire/admin-models.ts'
import { clientSignal, closingSignal, NDJSON, sendLines } from '../ndjson.ts'
import type { ZodApp } from '../zod-app.ts'
import type { AppDeps } from './deps.ts'

type ModelDeps = Pick<AppDeps, 'models' | 'clock' | 'log'>

const params = z.object({ '*': z.string().min(1).max(1_024) })

export function modelRoutes(app: ZodApp, deps: ModelDeps): void {
  const { models } = deps
  const closing = closingSignal(app)
  const tags = ['Models']
  const read = { access: 'read' as const }
  const admin = { access: 'admin' as const }
  app.get(
    '/api/v1/models',
    { schema: { summary: 'Models', tags, response: { 200: ModelList } }, config: read },
    async (_request, reply) => ({
      schema: 'heddle.models/v1' as const,
      models: [...(await models.list({ signal: clientSignal(reply) }))],
    }),
  )
  const show = { summary: 'One model', tags, params, response: { 200: ModelView } }
  app.get('/api/v1/models/*', { schema: show, config: read }, (request, reply) =>
    models.show(request.params['*'], { signal: clientSignal(reply) }),
  )
  const remove = { summary: 'Remove a model from this node', tags, params, response: { 200: Removed } }
  app.delete('/api/v1/models/*', { schema: remove, config: admin }, async (request, reply) => {
    const id = request.params['*']
    await models.remove(id, { signal: clientSignal(reply) })
    return { id, removed: true as const }
  })
  const answer = { description: 'One line of progress each', content: { [NDJSON]: { schema: PullProgress } } }
  const pull = {
    summary: 'Pull a model',
    description:
      'Closing the connection stops the download; what has come stays, and the next pull goes on from there.',
    tags,
    body: PullRequest,
    response: { 200: answer },
  }
  app.post('/api/v1/models/pull', { schema: pull, config: admin }, async (request, reply) => {
    const signal = clientSignal(reply)
    const progress = models.pull(request.body, { signal: AbortSignal.any([signal, closing]) })[Symbol.asyncIterator]()
    // What fails before it begins is an ordinary error with a status.
    const first = await progress.next()
    await sendLines(deps, reply, progressLines(deps, first, progress, { signal }), { signal })
    return reply
  })
}

/** A failure in the middle becomes the last line: the status is long out. */
async function* progressLines(
  { log }: Pick<ModelDeps, 'log'>,
  first: IteratorResult<PullProgress>,
  rest: AsyncIterator<PullProgress>,
  { signal }: { readonly signal: AbortSignal },
): AsyncGenerator<PullProgress> {
  try {
    for (let next = first; next.done !== true; next = await rest.next()) yield next.value
  } catch (error) {
    if (signal.aborted) throw error
    const failure = heddleErrorOf(error)
    if (failure.code === 'internal') log.error({ err: failure.details.cause }, 'pull failed')
    yield { status: 'failed', error: errorBody(failure).error }
  } finally {
    await rest.return?.()
  }
}
