/** The admin API about routing: what would become of a request. */
import type { Explanation as ExplanationView } from '../../core/wire/admin-explain.ts'
import { ExplainQuery, Explanation } from '../../core/wire/admin-explain.ts'
import type { Considered } from '../../gateway/explain.ts'
import type { ZodApp } from '../zod-app.ts'
import type { AppDeps } from './deps.ts'

export function explainRoutes(app: ZodApp, { explain }: Pick<AppDeps, 'explain'>): void {
  const schema = {
    summary: 'Explain a route',
    description: 'Who would serve a model, in which order, and who not and why. Nothing is sent to anybody.',
    tags: ['Network'],
    querystring: ExplainQuery,
    response: { 200: Explanation },
  }
  app.get('/api/v1/explain', { schema, config: { access: 'read' } }, ({ query }): ExplanationView => {
    const { reason, ordered, excluded, refusal } = explain(query)
    return {
      schema: 'heddle.explanation/v1',
      ...query,
      reason,
      candidates: ordered.map(consideredView),
      excluded: excluded.map(consideredView),
      refusal:
        refusal === undefined
          ? null
          : { code: refusal.code, message: refusal.message, fix: refusal.details.fix ?? null },
    }
  })
}

function consideredView({ candidate, why }: Considered): ExplanationView['candidates'][number] {
  const { node, nodeName, runtime, connector, trust, state, inFlight, capacity, rttMs } = candidate
  const account = trust === 'self' ? ('self' as const) : ('other' as const)
  return { node, nodeName, runtime, connector, account, state, inFlight, capacity, rttMs: rttMs ?? null, why }
}
