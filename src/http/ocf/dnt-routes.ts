/** OCF's node table (`/v1/dnt/…`) and its health check. */
import {
  OcfBootstraps,
  OcfHealth,
  OcfPeers,
  OcfPeersStatus,
  OcfRegistration,
  OcfStats,
  OcfTable,
} from '../../core/wire/ocf.ts'
import type { AppDeps } from '../admin/deps.ts'
import { clientSignal } from '../ndjson.ts'
import type { ZodApp } from '../zod-app.ts'
import { readOf } from './table-answers.ts'

const tags = ['OCF']
const read = { access: 'read' as const }
const open = { access: 'public' as const }

export function dntRoutes(app: ZodApp, { ocf, version }: Pick<AppDeps, 'ocf' | 'version'>): void {
  const { view } = ocf
  app.addHook('onSend', async (request, reply) => {
    if (request.url.startsWith('/v1/dnt/') || request.url === '/v1/health')
      reply.header('ocf-version', version().version)
  })
  const health = { summary: "OCF's health check", tags, response: { 200: OcfHealth } }
  app.get('/v1/health', { schema: health, config: open }, () => readOf(view, '/v1/health'))
  const table = { summary: 'The nodes that can be asked now', tags, response: { 200: OcfTable } }
  app.get('/v1/dnt/table', { schema: table, config: read }, () => {
    ocf.record({ event: 'DNT Lookup' })
    return readOf(view, '/v1/dnt/table')
  })
  const peers = { summary: 'Connected peers and their addresses', tags, response: { 200: OcfPeers } }
  app.get('/v1/dnt/peers', { schema: peers, config: read }, () => readOf(view, '/v1/dnt/peers'))
  const status = { summary: 'All known peers', tags, response: { 200: OcfPeersStatus } }
  app.get('/v1/dnt/peers_status', { schema: status, config: read }, () => readOf(view, '/v1/dnt/peers_status'))
  const stats = { summary: 'How many peers there are', tags, response: { 200: OcfStats } }
  app.get('/v1/dnt/stats', { schema: stats, config: read }, () => readOf(view, '/v1/dnt/stats'))
  const bootstraps = {
    summary: 'Where newcomers find their first peers',
    description: 'A node with a public address answers without a key.',
    tags,
    response: { 200: OcfBootstraps },
  }
  app.get('/v1/dnt/bootstraps', { schema: bootstraps, config: view.isPublic ? open : read }, () =>
    readOf(view, '/v1/dnt/bootstraps'),
  )
  nodeRoutes(app, ocf)
}

function nodeRoutes(app: ZodApp, { admin }: Pick<AppDeps, 'ocf'>['ocf']): void {
  const register = {
    summary: 'Offer services of this machine',
    description: 'Takes a Peer of the node table, of which only the services count; `llm` becomes a runtime.',
    tags,
    body: OcfRegistration,
  }
  app.post('/v1/dnt/_node', { schema: register, config: { access: 'admin' } }, async (request, reply) => {
    await admin.register(request.body, { signal: clientSignal(reply) })
    return reply.code(200).send()
  })
  const withdraw = { summary: 'Take back what was offered so', tags }
  app.delete('/v1/dnt/_node', { schema: withdraw, config: { access: 'admin' } }, async (_request, reply) => {
    await admin.withdraw({ signal: clientSignal(reply) })
    return reply.code(200).send()
  })
}
