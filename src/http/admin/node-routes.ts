/** The admin API about the node itself: status, what runs, configuration, version, shutdown. */
import { ConfigView, Ps, ShutdownReply, ShutdownRequest, Status, VersionView } from '../../core/wire/admin.ts'
import type { ZodApp } from '../zod-app.ts'
import type { AppDeps } from './deps.ts'
import { maskedEntry } from './views.ts'

type NodeDeps = Pick<AppDeps, 'status' | 'ps' | 'version' | 'config' | 'shutdown'>

export function nodeRoutes(app: ZodApp, { status, ps, version, config, shutdown }: NodeDeps): void {
  const tags = ['Node']
  const read = { access: 'read' as const }
  app.get('/api/v1/status', { schema: { summary: 'Status', tags, response: { 200: Status } }, config: read }, () =>
    status(),
  )
  app.get('/api/v1/ps', { schema: { summary: 'Loaded models', tags, response: { 200: Ps } }, config: read }, () => ps())
  app.get(
    '/api/v1/version',
    { schema: { summary: 'Version', tags, response: { 200: VersionView } }, config: read },
    () => version(),
  )
  app.get(
    '/api/v1/config',
    { schema: { summary: 'Configuration', tags, response: { 200: ConfigView } }, config: read },
    () => ({
      schema: 'heddle.config/v1' as const,
      entries: config().map(maskedEntry),
    }),
  )
  const stop = { summary: 'Stop the node', tags, body: ShutdownRequest, response: { 202: ShutdownReply } }
  app.post('/api/v1/shutdown', { schema: stop, config: { access: 'admin' } }, async ({ body }, reply) => {
    // Once the answer is out, so that whoever asked hears of it.
    reply.raw.once('close', () => shutdown({ now: body.now }))
    return reply.code(202).send({ state: 'draining' })
  })
}
