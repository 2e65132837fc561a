/** The admin API about logs. */
import { LogLine, LogsQuery } from '../../core/wire/admin.ts'
import { clientSignal, closingSignal, NDJSON, sendLines } from '../ndjson.ts'
import type { ZodApp } from '../zod-app.ts'
import type { AppDeps } from './deps.ts'
import { logLines } from './log-lines.ts'

export function logRoutes(app: ZodApp, deps: Pick<AppDeps, 'logs' | 'clock' | 'log'>): void {
  const closing = closingSignal(app)
  const schema = {
    summary: 'Logs',
    description:
      'The newest lines, oldest first; with `follow` the answer goes on until the client leaves or the node stops.',
    tags: ['Node'],
    querystring: LogsQuery,
    response: { 200: { description: 'One log record a line', content: { [NDJSON]: { schema: LogLine } } } },
  }
  app.get('/api/v1/logs', { schema, config: { access: 'read' } }, async (request, reply) => {
    const signal = clientSignal(reply)
    const lines = logLines(deps, request.query, { signal: AbortSignal.any([signal, closing]) })
    await sendLines(deps, reply, lines, { signal })
    return reply
  })
}
